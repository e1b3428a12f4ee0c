// The landscape lab: surfaces and contours of one network or two, on one scale of height and colour.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const LEVELS = 14;
  const NEAR = 0.1; // nats above the centre that still count as near it
  let page = null;

  const finite = (value) => (typeof value === "number" ? value : null);
  const log = () => page.log;
  const high = (value) => (value === null ? null : log() ? Math.log10(Math.max(value, 1e-12)) : value);

  function surface(model) {
    return model.run && model.run.values[`diagnostic/landscape/${page.over}`];
  }

  // --- one scale for all ---------------------------------------------------------------------------
  function ends(found) {
    const all = found.flatMap((one) => one.z.flat()).map(finite).filter((value) => value !== null).map(high);
    const [low, top] = [Math.min(...all), Math.max(...all)];
    return all.length ? { low, top: top > low ? top : low + 1e-9 } : { low: 0, top: 1 };
  }

  function colors() {
    const { color } = scope.draw;
    return [[0, color("paper")], [0.45, color("sky")], [1, color("blue")]];
  }

  function bar({ low, top }) {
    const made = { title: { text: "loss (nats)", side: "right", font: { size: 11.5, color: scope.draw.color("soft") } }, thickness: 10, outlinewidth: 0, tickfont: { size: 11, color: scope.draw.color("soft") } };
    if (!log()) return made;
    const values = ticks(low, top);
    return { ...made, tickvals: values, ticktext: values.map((at) => scope.draw.number(10 ** at, 2)) };
  }

  function ticks(low, top) {
    const count = Math.min(6, Math.max(4, Math.floor(top - low) + 1));
    return [...Array(count)].map((_, at) => low + ((top - low) * at) / (count - 1));
  }

  // --- drawing -------------------------------------------------------------------------------------
  function draw() {
    if (!page || !document.getElementById(page.owner)) return;
    const found = page.models.map(surface);
    const scale = ends(found.filter(Boolean));
    found.forEach((value, at) => {
      if (value) one(value, at, scale, at === found.length - 1);
    });
    tell(found);
  }

  async function one(value, at, scale, last) {
    const z = value.z.map((row) => row.map(finite));
    const heights = z.map((row) => row.map(high));
    const both = { x: value.x, y: value.y, z: heights, colorscale: colors(), meta: { z }, customdata: z, name: "loss" };
    const hover = "%{x:.3g}, %{y:.3g}: %{customdata:.4g} nats<extra></extra>";
    const flat = {
      ...both, type: "contour", zmin: scale.low, zmax: scale.top, colorbar: bar(scale), hovertemplate: hover,
      contours: { start: scale.low, end: scale.top, size: (scale.top - scale.low) / LEVELS },
      line: { width: 0.6, color: scope.draw.color("grey") },
    };
    const middle = {
      type: "scatter", mode: "markers", x: [0], y: [0], name: "checkpoint", showlegend: false,
      marker: { symbol: "cross", size: 9, color: scope.draw.color("vermillion") }, hovertemplate: "the checkpoint<extra></extra>",
    };
    const whole = { xaxis: { autorange: true }, yaxis: { autorange: true } };
    if (!(await scope.draw.show(`plane-contour${at}`, [flat, middle], whole))) return;
    uncover(`plane-contour${at}`);
    const hill = {
      ...both, type: "surface", surfacecolor: heights, cmin: scale.low, cmax: scale.top, showscale: false,
      hovertemplate: hover, lighting: { ambient: 0.75, diffuse: 0.4, specular: 0.05 },
      contours: { x: wire(), y: wire() },
    };
    const vertical = log() ? { tickvals: ticks(scale.low, scale.top), ticktext: bar(scale).ticktext } : { tickvals: null, ticktext: null };
    const gd = await scope.draw.graph(`plane-surface${at}`);
    if (!gd) return;
    const scene = { ...gd.layout.scene, zaxis: { ...gd.layout.scene.zaxis, range: [scale.low, scale.top], ...vertical } };
    await scope.draw.show(`plane-surface${at}`, [hill], { scene });
    uncover(`plane-surface${at}`);
    if (!gd.normscopeCamera) turn(gd);
  }

  const uncover = (key) => document.getElementById(`card-${key}`)?.classList.remove("waiting");
  const wire = () => ({ show: true, color: scope.draw.color("grey"), width: 1, highlight: false });

  // Both networks are seen from one place.
  function turn(gd) {
    gd.normscopeCamera = true;
    gd.on("plotly_relayout", (change) => {
      const camera = change["scene.camera"];
      if (!camera) return;
      for (const other of document.querySelectorAll("[data-card^='plane-surface'] .js-plotly-plot")) {
        if (other !== gd) Plotly.relayout(other, { "scene.camera": camera });
      }
    });
  }

  // --- the picture in words ------------------------------------------------------------------------
  function words(model, value) {
    const all = value.z.flat().map(finite);
    const side = value.z.length;
    const here = all[(all.length - 1) / 2];
    const known = all.filter((one) => one !== null);
    const near = known.filter((one) => one <= here + NEAR).length / all.length;
    const { number } = scope.draw;
    return `${model.name}: loss ${number(here, 3)} at the checkpoint, up to ${number(Math.max(...known), 3)} on ${side} × ${side} points; ` +
      `within ${NEAR} nats of the checkpoint on ${number(100 * near, 3)} % of them.`;
  }

  function tell(found) {
    const told = document.getElementById("landscape-told");
    if (!told) return;
    const lines = found.map((value, at) => value && words(page.models[at], value)).filter(Boolean);
    const [first, second] = page.models.map((model) => model.run && model.run.choice);
    const differ = first && second && ["reach", "examples"].filter((name) => first[name] !== second[name]);
    if (differ && differ.length) lines.push(`Not the same ${differ.join(" and ")}: press Compute to have both alike.`);
    told.textContent = lines.join(" ");
    const runs = page.models.map((model) => model.run).filter(Boolean);
    const over = runs.every((run) => ["failed", "cancelled"].includes(run.state));
    if (!lines.length && runs.length) told.textContent = over ? "No picture came of it: the line above says why. Press Compute to try again." : "The coarse picture comes first, once a worker has begun.";
  }

  // --- a page begins -------------------------------------------------------------------------------
  function start(told) {
    if (!told) return null;
    const asked = new URLSearchParams(window.location.search);
    page = { ...told, log: asked.get("h") !== "lin" };
    scope.plots.setQuery("over", told.over === "weights" ? null : told.over);
    scope.plots.setQuery("with", told.with || null);
    scope.follow({ owner: told.owner, runs: told.models.map((model) => model.run).filter(Boolean) }, draw);
    draw();
    return Date.now();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-height]");
    if (!button || !page) return;
    page.log = button.dataset.height === "log";
    for (const one of button.parentElement.children) one.setAttribute("aria-pressed", String(one === button));
    scope.plots.setQuery("h", page.log ? null : "lin");
    draw();
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.landscape = { start };
})();
