// Plots that a page's own script draws, in the dress of the others:
//   normscope.draw.color("blue")                   a colour of the present scheme
//   normscope.draw.show("norms", traces, layout)   into the card of that key
//   normscope.draw.number(0.000123)                "1.23 × 10⁻⁴"
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});

  function color(name) {
    const place = document.querySelector("[data-colors]");
    const dark = document.documentElement.getAttribute("data-mantine-color-scheme") === "dark";
    const pair = place ? JSON.parse(place.dataset.colors)[name] : null;
    return pair ? pair[dark ? 1 : 0] : "#7a828a";
  }

  // From nothing to much, on dark from dark to light; opaque, for Plotly writes on a cell in what can
  // be read on its colour.
  function shades() {
    const dark = document.documentElement.getAttribute("data-mantine-color-scheme") === "dark";
    return dark ? [[0, color("paper")], [1, color("sky")]] : [[0, color("paper")], [0.5, color("sky")], [1, color("blue")]];
  }

  const newest = {}; // what was asked for last of each card

  // Dash may still be mounting the graph: wait for it a moment. True where it was drawn: of two that
  // wait the older one gives way.
  async function show(key, traces, layout = {}) {
    const mine = (newest[key] = {});
    const gd = await graph(key);
    if (!gd || newest[key] !== mine) return false;
    scope.axes.own(gd);
    const merged = { ...gd.layout };
    for (const [name, value] of Object.entries(layout)) {
      const both = value && typeof value === "object" && !Array.isArray(value);
      merged[name] = both ? { ...merged[name], ...value } : value;
    }
    const card = gd.closest(".plot-card");
    const log = card.dataset.log === "true";
    for (const name of Object.keys(merged).filter((one) => /^yaxis\d*$/.test(one) && log)) merged[name] = { ...merged[name], ...logarithmic(traces) };
    await Plotly.react(gd, traces, merged, gd._context);
    say(gd, traces);
    return true;
  }

  // Ticks as the other log axes have them; Plotly draws their labels a quarter larger than it is told.
  function logarithmic(traces) {
    let [low, high] = [Infinity, 0];
    for (const trace of traces) for (const y of trace.y || []) if (y > 0 && Number.isFinite(y)) [low, high] = [Math.min(low, y), Math.max(high, y)];
    const dtick = high > 0 ? scope.axes.logTicks(Math.log10(high / low)) : null;
    return { type: "log", dtick, minorloglabels: "complete", tickfont: { size: 9.2, color: color("soft") } };
  }

  async function graph(key) {
    for (let tries = 0; tries < 400; tries += 1) {
      const gd = document.querySelector(`#card-${key} .js-plotly-plot`);
      if (gd && gd.data) return gd;
      await new Promise((done) => window.setTimeout(done, 50));
    }
    return null;
  }

  function say(gd, traces) {
    const place = gd.closest("[role=img]");
    const title = gd.closest(".plot-card").querySelector("h2").textContent;
    const names = traces.filter((trace) => trace.name && trace.showlegend !== false).map((trace) => trace.name);
    place.setAttribute("aria-label", `${title}: ${names.join(", ") || "no data"}. The button “data as a table” lists the numbers.`);
  }

  scope.draw = { color, shades, show, graph, number: (...of) => scope.numbers.exact(...of) };
})();
