// A chart in its card, on a canvas: for plots that hold too much for a drawing of elements.
//   const chart = await normscope.chart.of("cmp-train-loss");   its empty place comes with the page
//   chart.show({ panels, marks, x, y, legend, pick });          see frames.js
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const WAIT_MS = 20000;
  const LEGEND = { line: 20, row: 18, gap: 14 };
  const all = () => [...document.querySelectorAll(".chart")].map((place) => place.chart).filter(Boolean);

  // Dash may still be making the card. A place that was another card's begins anew.
  async function of(key) {
    const until = performance.now() + WAIT_MS;
    do {
      const place = document.querySelector(`#card-${key} .chart`);
      if (place) return place.chart && place.chart.key === key ? place.chart : make(key, place);
      await new Promise((done) => window.setTimeout(done, 10));
    } while (performance.now() < until);
    return null;
  }

  function make(key, place) {
    const parts = furnish(place);
    const card = place.closest(".plot-card");
    const chart = {
      key, place, card, ...parts, spec: null, frames: [], painted: 0, hidden: new Set(),
      view: { x: null, y: null, log: card.dataset.log === "true", moving: false },
      show(spec) {
        chart.spec = spec;
        legend(chart);
        chart.paint();
        say(chart);
        sayHidden(chart);
      },
      paint: () => paint(chart),
      setLog(log) {
        Object.assign(chart.view, { log, y: null });
        chart.paint();
        sayHidden(chart);
      },
      marks: () => chart.spec.marks.filter((mark) => !chart.hidden.has(mark.group)),
      picture: (format) => picture(chart, format),
    };
    place.chart = chart;
    new ResizeObserver(() => stale(chart) && chart.paint()).observe(parts.plane);
    scope.gestures.listen(chart);
    scope.hover.listen(chart);
    return chart;
  }

  function furnish(place) {
    const element = (tag, name) => Object.assign(document.createElement(tag), { className: name });
    const [legend, plane, canvas, over, tip] = [element("div", "chart-legend"), element("div", "chart-plane"), element("canvas", "chart-lines"), element("canvas", "chart-over"), element("div", "chart-tip")];
    tip.hidden = true;
    canvas.setAttribute("role", "img");
    plane.append(canvas, over, tip);
    place.replaceChildren(legend, plane);
    return { legend, plane, canvas, over, tip };
  }

  // --- painting ----------------------------------------------------------------------------------
  const sized = ({ plane }) => ({ width: plane.clientWidth, height: plane.clientHeight, top: 0 });

  function stale({ spec, canvas, plane }) {
    return spec && (canvas.style.width !== `${plane.clientWidth}px` || canvas.style.height !== `${plane.clientHeight}px`);
  }

  function fit(canvas, { width, height }) {
    const ratio = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    return context;
  }

  function paint(chart) {
    const size = sized(chart);
    if (!chart.spec || !size.width) return;
    const marks = chart.marks();
    chart.frames = scope.strokes.paint(scope.pens.canvasPen(fit(chart.canvas, size)), { ...chart.spec, marks }, size, chart.view);
    chart.painted = marks.filter((mark) => mark.kind === "line").length;
    scope.hover.clear(chart);
  }

  // --- the legend --------------------------------------------------------------------------------
  function legend(chart) {
    const { entries = [], title = "" } = chart.spec.legend || {};
    const told = JSON.stringify([title, entries]);
    if (chart.told === told) return;
    chart.told = told;
    const words = Object.assign(document.createElement("span"), { className: "chart-legend-title", textContent: title });
    chart.legend.replaceChildren(...(title && entries.length ? [words] : []), ...entries.map((entry) => button(chart, entry)));
  }

  function button(chart, entry) {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: entry.label, title: "Show or hide" });
    const mark = Object.assign(document.createElement("span"), { className: "chart-key" });
    mark.style.borderTop = `2px ${{ dot: "dotted", solid: "solid" }[entry.dash || "solid"] || "dashed"} ${scope.draw.color(entry.color)}`;
    made.prepend(mark);
    made.setAttribute("aria-pressed", String(!chart.hidden.has(entry.group)));
    made.addEventListener("click", () => {
      if (!chart.hidden.delete(entry.group)) chart.hidden.add(entry.group);
      made.setAttribute("aria-pressed", String(!chart.hidden.has(entry.group)));
      chart.paint();
    });
    return made;
  }

  function say({ card, spec, canvas }) {
    const names = [...new Set(spec.marks.filter((mark) => !mark.quiet).map((mark) => mark.name))];
    const title = card.querySelector("h2").textContent;
    const some = names.length > 8 ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more` : names.join(", ");
    canvas.setAttribute("aria-label", `${title}: ${some || "no data"}. The button “data as a table” lists the numbers.`);
  }

  // Values at or below zero have no place on a log axis: say so rather than lose them in silence.
  function sayHidden({ card, spec, view }) {
    const note = card.querySelector("[data-nonpositive]");
    const below = view.log ? spec.marks.filter((mark) => !mark.quiet && mark.y.some((y) => y <= 0)).map((mark) => mark.told || mark.name) : [];
    const names = below.length > 4 ? `${below.slice(0, 4).join(", ")} and ${below.length - 4} more have` : `${below.join(", ")} has`;
    note.textContent = below.length ? `Not all of it fits a log axis: ${names} values of 0 or less.` : "";
  }

  // --- as a file -----------------------------------------------------------------------------------
  // The legend's entries in rows; how much height they take.
  function legendStrokes(pen, { entries = [], title = "" }, width) {
    let [x, y] = [12, 14];
    if (title && entries.length) {
      pen.text(x, y, title, { color: scope.draw.color("soft") });
      x += pen.width(title) + LEGEND.gap;
    }
    for (const { label, color, dash } of entries) {
      const wide = LEGEND.line + 6 + pen.width(label) + LEGEND.gap;
      if (x + wide > width) [x, y] = [12, y + LEGEND.row];
      pen.begin();
      pen.move(x, y);
      pen.to(x + LEGEND.line, y);
      pen.stroke({ color: scope.draw.color(color), width: 2, dash });
      pen.text(x + LEGEND.line + 6, y, label, { color: scope.draw.color("ink") });
      x += wide;
    }
    return entries.length ? y + 10 : 0;
  }

  function strokes(chart, pen, width, height) {
    const top = legendStrokes(pen, chart.spec.legend || {}, width);
    scope.strokes.paint(pen, { ...chart.spec, marks: chart.marks() }, { width, height: height - top, top }, chart.view);
  }

  // The chart as it is seen, legend and all: a promise of a Blob.
  async function picture(chart, format) {
    const { clientWidth: width, clientHeight: height } = chart.place;
    const page = getComputedStyle(document.body).backgroundColor;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 3 * width, height: 3 * height });
    const context = canvas.getContext("2d");
    const ruler = scope.pens.canvasPen(context);
    if (format === "svg") {
      const pen = scope.pens.svgPen(ruler);
      strokes(chart, pen, width, height);
      return new Blob([pen.drawing(width, height, page)], { type: "image/svg+xml" });
    }
    context.scale(3, 3);
    Object.assign(context, { fillStyle: page });
    context.fillRect(0, 0, width, height);
    strokes(chart, ruler, width, height);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  // Rows of [series, x, y], as they are drawn: no smoothed line, no band.
  function rows({ spec }) {
    const shown = spec.marks.filter((mark) => mark.kind !== "band" && mark.role !== "smooth" && mark.y);
    const head = ["series", spec.x.title || "x", spec.y.title || "y"];
    return { head, body: shown.flatMap((mark) => mark.y.map((y, at) => [mark.labels ? mark.labels[at] : mark.told || mark.name, mark.x[at], Number.isFinite(y) ? y : null])) };
  }

  // The scheme has changed: the colours of lines and of the legend's keys.
  function recolor() {
    for (const chart of all()) {
      if (!chart.spec) continue;
      chart.told = null;
      legend(chart);
      chart.paint();
    }
  }

  new MutationObserver(recolor).observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
  if (document.fonts) document.fonts.ready.then(() => all().forEach((chart) => chart.paint()));
  scope.chart = { of, rows, sized, fit, all };
})();
