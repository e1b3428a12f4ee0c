// Bounds and certificates: the norms of the layers, and what is proved against what was attacked.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const PROVED = [["P", "purple", "dot"], ["V", "blue", "dash"], ["I", "green", "solid"]];
  const NAMES = { I: "proved, by intervals", V: "proved, in one pass", P: "proved, in closed form" };
  let page = null;

  const value = (run, name) => (run ? run.values[name] : undefined);
  const percent = (share) => scope.numbers.percent(share);

  // --- layer by layer --------------------------------------------------------------------------------
  function layers() {
    const all = { ...page.summary, ...(page.runs.layers ? page.runs.layers.values : {}) };
    const of = (path) => (at) => all[`${path}/layer${at}`];
    const [frobenius, spectral] = [of("norm/layer"), of("diagnostic/spectral_norms")];
    const count = [...Array(200)].findIndex((_, at) => frobenius(at + 1) === undefined && spectral(at + 1) === undefined);
    if (count < 1) return;
    const names = [...Array(count)].map((_, at) => `${at + 1}`);
    const bar = (y, name, color) => ({
      type: "bar", x: names, y: names.map((at) => y(at) ?? null), name, marker: { color: scope.draw.color(color) }, hovertemplate: "%{y:.4~g}",
    });
    const given = names.map((at) => (spectral(at) ? frobenius(at) / spectral(at) : null));
    const rest = { type: "bar", x: names, y: given, name: "their ratio", marker: { color: scope.draw.color("grey") }, hovertemplate: "%{y:.3~g}" };
    const bars = [bar(frobenius, "Frobenius, ‖W‖", "vermillion"), bar(spectral, "spectral, ‖W‖₂", "blue"), rest];
    scope.draw.show("bounds-layers", bars.filter((one) => one.y.some((y) => y !== null)));
  }

  // --- proved and attacked ---------------------------------------------------------------------------
  function line(curve, name, color, dash, more = {}) {
    const spread = curve.x.map((_, at) => (curve.low ? [curve.low[at], curve.high[at]] : [curve.y[at], curve.y[at]]));
    return {
      type: "scatter", mode: "lines+markers", x: curve.x, y: curve.y, name, customdata: spread,
      line: { color: scope.draw.color(color), dash, width: 1.8 }, marker: { color: scope.draw.color(color), size: 5 },
      hovertemplate: "%{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})", ...more,
    };
  }

  function proved() {
    const { certificate, attack } = page.runs;
    const attacked = value(attack, page.attack);
    const of = (bound) => value(certificate, `diagnostic/certified_accuracy/${page.over}/${bound}`);
    const traces = [];
    if (attacked) traces.push(line(attacked, "attacked", "vermillion", "solid"));
    const best = of("I");
    if (attacked && best) traces.push(gap(attacked, best));
    for (const [bound, color, dash] of PROVED) if (of(bound)) traces.push(line(of(bound), NAMES[bound], color, dash));
    scope.draw.show("bounds-proved", traces, { shapes: clean(attacked || best) });
    words(attacked, best);
  }

  // A budget of 0 has no place on a log axis: its accuracy is a line across.
  function clean(curve) {
    if (!curve || curve.x[0] !== 0) return [];
    const y = curve.y[0];
    return [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: scope.draw.color("grey"), dash: "dot", width: 1.2 } }];
  }

  // Between the two lines, over the budgets that both know.
  function gap(above, below) {
    const far = Math.min(above.x[above.x.length - 1], below.x[below.x.length - 1]);
    const inside = (curve) => curve.x.map((x, at) => [x, curve.y[at]]).filter(([x]) => x > 0 && x <= far * 1.0001);
    const ring = [...inside(above), ...inside(below).reverse()];
    return {
      type: "scatter", mode: "lines", x: ring.map(([x]) => x), y: ring.map(([, y]) => y), fill: "toself",
      fillcolor: scope.draw.color("sky_wash"), line: { width: 0 }, hoverinfo: "skip", name: "not known", meta: { role: "band" },
    };
  }

  function words(attacked, best) {
    const place = document.getElementById("bounds-words");
    if (!place) return;
    if (!attacked && !best) place.textContent = begun() ? "The first budgets come soon." : "";
    else if (attacked && best) place.textContent = both(attacked, best);
    else place.textContent = attacked ? "Attacked, and not certified yet." : "Certified, and not attacked yet.";
  }

  const begun = () => Boolean(page.runs.certificate || page.runs.attack);

  // The plot, or in its place what will be there.
  function show() {
    document.getElementById("bounds-card").hidden = !begun();
    document.getElementById("bounds-nothing").hidden = begun();
  }

  // Where the two lie furthest apart, of the budgets that both have.
  function both(attacked, best) {
    const at = new Map(best.x.map((x, place) => [x.toPrecision(6), best.y[place]]));
    const pairs = attacked.x.map((x, place) => [x, attacked.y[place], at.get(x.toPrecision(6))]).filter(([, , low]) => low !== undefined);
    if (!pairs.length) return "The two were measured at other budgets; the lines between are straight.";
    const [x, high, low] = pairs.reduce((most, one) => (one[1] - one[2] > most[1] - most[2] ? one : most));
    return `Least is known at ε = ${scope.draw.number(x, 3)}: at least ${percent(low)} is proved, at most ${percent(high)} can be, for an attack got that far.`;
  }

  // --- a page begins ---------------------------------------------------------------------------------
  function draw() {
    if (!page || !document.getElementById(page.owner)) return;
    show();
    layers();
    proved();
  }

  function start(told) {
    if (!told) return null;
    page = told;
    scope.plots.setQuery("over", told.over === "weights" ? null : told.over);
    scope.follow({ owner: told.owner, runs: Object.values(told.runs).filter(Boolean) }, draw);
    draw();
    return Date.now();
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.bounds = { start };
})();
