// What stands under the pointer: all lines at that step where they are few, else the nearest one.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const NEAR = 30; // pixels from a line at which it is still meant
  const MOST_ROWS = 14;

  function listen(chart) {
    let waiting = 0;
    let last = null;
    const look = () => {
      waiting = 0;
      if (last) point(chart, last);
    };
    chart.plane.addEventListener("pointermove", (event) => {
      const box = chart.plane.getBoundingClientRect();
      last = event.buttons ? null : { x: event.clientX - box.left, y: event.clientY - box.top };
      waiting = waiting || window.requestAnimationFrame(look);
    });
    chart.plane.addEventListener("pointerleave", () => {
      last = null;
      clear(chart);
      if (chart.hovered) chart.hovered(null);
    });
  }

  function point(chart, at) {
    if (!chart.spec) return;
    const frame = chart.frames.find((one) => one.holds(at.x, at.y));
    if (!frame) clear(chart);
    else if (chart.spec.pick === "x") unified(chart, frame, frame.fromX(at.x), at);
    else nearest(chart, frame, at);
    if (chart.hovered) chart.hovered(frame ? { x: frame.fromX(at.x), job: chart.pointed } : null);
  }

  const told = (chart, frame) => chart.marks().filter((mark) => mark.panel === frame.panel && !mark.quiet && mark.y);

  // The point whose x is nearest, where x ascends.
  function nearby({ x }, value) {
    const at = scope.strokes.first(x, value);
    return at > 0 && (at >= x.length || value - x[at - 1] < x[at] - value) ? at - 1 : at;
  }

  function unified(chart, frame, value, at = null) {
    const known = told(chart, frame).map((mark) => ({ mark, at: nearby(mark, value) })).filter((one) => one.mark.x.length);
    if (!known.length) return clear(chart);
    const near = known.reduce((best, one) => (Math.abs(one.mark.x[one.at] - value) < Math.abs(best.mark.x[best.at] - value) ? one : best));
    const x = near.mark.x[near.at];
    const reached = known.filter((one) => Math.abs(frame.toX(one.mark.x[one.at]) - frame.toX(x)) < NEAR);
    show(chart, frame, reached, x, at);
  }

  function nearest(chart, frame, at) {
    let best = { far: NEAR };
    for (const mark of told(chart, frame)) {
      const places = mark.kind === "points" || mark.loose ? mark.x.keys() : [nearby(mark, frame.fromX(at.x))];
      for (const place of places) {
        const far = Math.hypot(frame.toX(mark.x[place]) - at.x, frame.toY(mark.y[place]) - at.y);
        if (far < best.far) best = { far, mark, at: place };
      }
    }
    chart.pointed = best.mark ? best.mark.job : null;
    if (!best.mark) return clear(chart);
    show(chart, frame, [best], best.mark.x[best.at], at);
  }

  // Another chart's reader points at this x, and perhaps at this job.
  function follow(chart, x, job) {
    if (!chart.spec) return;
    const frame = chart.frames.find((one) => !job || told(chart, one).some((mark) => mark.job === job)) || chart.frames[0];
    if (!frame || x < frame.x[0] || x > frame.x[1]) return clear(chart);
    if (chart.spec.pick === "x") return unified(chart, frame, x);
    const mark = told(chart, frame).find((one) => job && one.job === job);
    if (!mark) return clear(chart);
    const at = nearby(mark, x);
    show(chart, frame, [{ mark, at }], mark.x[at]);
  }

  // --- drawing it over the lines -------------------------------------------------------------------
  function overlay(chart) {
    const { width, height } = scope.chart.sized(chart);
    const pen = scope.pens.canvasPen(scope.chart.fit(chart.over, { width, height }));
    return pen;
  }

  function show(chart, frame, found, x, at = null) {
    const pen = overlay(chart);
    const across = frame.toX(x);
    if (chart.spec.pick === "x") {
      pen.begin();
      pen.move(across, frame.top);
      pen.to(across, frame.top + frame.height);
      pen.stroke({ color: scope.draw.color("zero"), width: 1 });
    } else if (found[0].mark.kind === "line") {
      pen.clip(frame);
      scope.strokes.line(pen, frame, { ...found[0].mark, opacity: 1 }, 2.4);
      pen.unclip();
    }
    for (const { mark, at: place } of found) {
      const y = frame.toY(mark.y[place]);
      if (Number.isFinite(y)) pen.disc(frame.toX(mark.x[place]), y, 3.5, { color: scope.draw.color(mark.colors ? mark.colors[place] : mark.color) });
    }
    chart.marked = true;
    tip(chart, frame, found, x, at ? at.y : frame.toY(found[0].mark.y[found[0].at]));
  }

  function tip(chart, frame, found, x, height) {
    const rows = found.slice(0, MOST_ROWS).map(({ mark, at }) => row(chart, mark, at));
    const head = document.createElement("div");
    head.className = "chart-tip-head";
    head.textContent = chart.spec.pick === "x" ? `${chart.spec.x.title} ${scope.numbers.exact(x)}` : "";
    const rest = found.length > MOST_ROWS ? [Object.assign(document.createElement("div"), { textContent: `and ${found.length - MOST_ROWS} more` })] : [];
    chart.tip.replaceChildren(...(head.textContent ? [head] : []), ...rows, ...rest);
    chart.tip.hidden = false;
    const [wide, high] = [chart.tip.offsetWidth, chart.tip.offsetHeight];
    const across = frame.toX(x);
    const right = across + 12 + wide < chart.plane.clientWidth;
    const top = Math.max(0, Math.min(chart.plane.clientHeight - high, (Number.isFinite(height) ? height : frame.top) - high / 2));
    chart.tip.style.transform = `translate(${right ? across + 12 : Math.max(0, across - 12 - wide)}px, ${top}px)`;
  }

  function row(chart, mark, at) {
    const made = document.createElement("div");
    const key = Object.assign(document.createElement("span"), { className: "chart-key" });
    key.style.borderTop = `2px solid ${scope.draw.color(mark.colors ? mark.colors[at] : mark.color)}`;
    const said = mark.said ? mark.said(at) : `${mark.name}: ${scope.numbers.exact(mark.y[at])}`;
    made.append(key, said);
    return made;
  }

  // The stretch that a drag has chosen so far.
  function select(chart, { left, right, top, bottom }) {
    const pen = overlay(chart);
    pen.begin();
    [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]].forEach(([x, y], at) => (at ? pen.to : pen.move)(x, y));
    pen.fill({ color: scope.draw.color("blue"), opacity: 0.12 });
    pen.stroke({ color: scope.draw.color("blue"), width: 1, opacity: 0.6 });
    chart.tip.hidden = true;
    chart.marked = true;
  }

  function clear(chart) {
    if (!chart.marked) return;
    chart.marked = false;
    chart.tip.hidden = true;
    overlay(chart);
  }

  scope.hover = { listen, follow, select, clear };
})();
