// The lab of widths: a slider over the widths that were measured; numbers and plots move with it.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const byId = (id) => document.getElementById(id);
  const NAMES = ["accuracy", "ece", "nll", "auroc", "parameters", "macs"];
  let page = null;

  const curve = (name) => page.run && page.run.values[`diagnostic/widths/${name}`];
  const shares = () => (curve("accuracy") || { x: [] }).x;
  const at = (name) => { const found = curve(name); return found ? found.y[page.at] : undefined; };
  const percent = (value) => scope.numbers.percent(value);
  const grouped = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, " ");

  // --- numbers -------------------------------------------------------------------------------------
  const SAY = {
    accuracy: percent, ece: percent, parameters: grouped, macs: grouped,
    nll: (value) => `${scope.numbers.number(value)} nats`, auroc: (value) => scope.numbers.number(value),
  };
  // Of the sizes the share, of the rest what the whole net has.
  const BESIDE = {
    parameters: (now, whole) => `${percent(now / whole)} of the whole`, macs: (now, whole) => `${percent(now / whole)} of the whole`,
  };

  function numbers() {
    const share = shares()[page.at];
    byId("widths-at").textContent = share === undefined ? "–" : percent(share);
    for (const name of NAMES) {
      const found = curve(name);
      const [place, beside] = [byId(`widths-value-${name}`), byId(`widths-value-${name}`).closest(".figure").querySelector(".figure-context")];
      if (!found || found.y[page.at] === undefined) {
        place.textContent = "–";
        beside.textContent = name === "auroc" && page.run ? "not measured" : "";
        continue;
      }
      const [now, whole] = [found.y[page.at], found.y[found.y.length - 1]];
      place.textContent = SAY[name](now);
      beside.textContent = BESIDE[name] ? BESIDE[name](now, whole) : `${SAY[name](whole)} at the widest`;
    }
    const input = byId("widths-range");
    if (input && share !== undefined) input.setAttribute("aria-valuetext", `${percent(share)} of every layer, accuracy ${percent(at("accuracy"))}`);
  }

  // --- plots ---------------------------------------------------------------------------------------
  const line = (x, y, name, color, dash = "solid") => ({
    type: "scatter", mode: "lines+markers", x, y, name, line: { color: scope.draw.color(color), dash, width: 1.8 },
    marker: { color: scope.draw.color(color), size: 5 }, hovertemplate: "%{x:.3~g}: %{y:.4~g}<extra></extra>",
  });
  // Where the slider stands: a shape, for to move one costs little more than to draw it.
  const here = (x, y, color) => ({
    xaxis: { autorange: true }, yaxis: { autorange: true },
    shapes: [{
      type: "circle", xsizemode: "pixel", ysizemode: "pixel", xanchor: x, yanchor: y, x0: -7, x1: 7, y0: -7, y1: 7,
      fillcolor: scope.draw.color("paper"), line: { color: scope.draw.color(color), width: 3 },
    }],
  });

  function curves() {
    const [x, accuracy, ece, auroc, macs] = [shares(), curve("accuracy"), curve("ece"), curve("auroc"), curve("macs")];
    if (!x.length) return;
    scope.draw.show("widths-quality", [line(x, accuracy.y, "accuracy", "vermillion")], here(x[page.at], at("accuracy"), "vermillion"));
    const doubt = [line(x, ece.y, "expected calibration error", "blue")];
    if (auroc) doubt.push(line(x, auroc.y, "AUROC against other data", "green", "dash"));
    scope.draw.show("widths-doubt", doubt, here(x[page.at], at("ece"), "blue"));
    scope.draw.show("widths-cost", [line(macs.y, accuracy.y, "a width", "purple")], here(at("macs"), at("accuracy"), "purple"));
    bins();
  }

  function bins() {
    const table = page.run && page.run.values["diagnostic/widths/reliability"];
    if (!table) return;
    const { width, confidence, accuracy, examples } = table.columns;
    const mine = width.flatMap((one, row) => (one === shares()[page.at] ? [row] : []));
    const most = Math.max(...mine.map((row) => examples[row]), 1);
    const ideal = { type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], name: "as sure as right", line: { color: scope.draw.color("grey"), dash: "dot", width: 1.2 }, hoverinfo: "skip" };
    const found = {
      ...line(mine.map((row) => confidence[row]), mine.map((row) => accuracy[row]), "the network", "vermillion"),
      customdata: mine.map((row) => examples[row]), hovertemplate: "sure %{x:.1%}, right %{y:.1%}, %{customdata} examples<extra></extra>",
    };
    found.marker.size = mine.map((row) => 5 + 13 * Math.sqrt(examples[row] / most));
    scope.draw.show("widths-reliability", [ideal, found]);
    const about = document.querySelector("#card-widths-reliability .about");
    if (about) about.textContent = "how often it is right where it is so sure; marks as large as bins are full";
  }

  // The slider moved: the numbers at once, the plots once a frame.
  function move(index) {
    page.at = index;
    numbers();
    if (!page.frame) page.frame = window.requestAnimationFrame(follow);
    window.clearTimeout(page.told);
    page.told = window.setTimeout(() => scope.plots.setQuery("w", String(shares()[page.at])), 200);
  }

  function follow() {
    page.frame = 0;
    const x = shares()[page.at];
    mark("widths-quality", x, at("accuracy"));
    mark("widths-doubt", x, at("ece"));
    mark("widths-cost", at("macs"), at("accuracy"));
    bins();
  }

  function mark(key, x, y) {
    const gd = document.querySelector(`#card-${key} .js-plotly-plot`);
    if (!gd || !gd.layout.shapes || !gd.layout.shapes.length) return;
    scope.axes.own(gd);
    Plotly.relayout(gd, { "shapes[0].xanchor": x, "shapes[0].yanchor": y });
  }

  // --- the slider ----------------------------------------------------------------------------------
  function slider() {
    const place = byId("widths-slider");
    if (!place) return;
    let input = byId("widths-range");
    if (!input) {
      input = document.createElement("input");
      Object.assign(input, { type: "range", id: "widths-range", min: 0, step: 1 });
      place.replaceChildren(input);
    }
    input.max = Math.max(0, shares().length - 1);
    input.disabled = shares().length < 2;
    input.value = page.at;
  }

  // The width that the address asks for, else the widest; a reader who moved it keeps theirs.
  function stand() {
    const all = shares();
    if (page.moved && page.at < all.length) return;
    const wanted = Number(page.width);
    const near = all.findIndex((share) => share >= wanted - 1e-9);
    page.at = page.width && near >= 0 ? near : Math.max(0, all.length - 1);
  }

  function draw() {
    if (!page || !byId(page.owner)) return;
    byId("widths-nothing").hidden = Boolean(page.run);
    byId("widths-shown").hidden = !page.run;
    stand();
    slider();
    numbers();
    curves();
  }

  async function start(told) {
    if (!told) return null;
    page = { ...told, width: told.width || new URLSearchParams(window.location.search).get("w"), at: 0, moved: false };
    for (let tries = 0; !byId("widths-slider") && tries < 100; tries += 1) await new Promise((done) => window.setTimeout(done, 50));
    scope.follow({ owner: told.owner, runs: told.run ? [told.run] : [] }, draw);
    draw();
    return Date.now();
  }

  document.addEventListener("input", (event) => {
    if (!page || event.target.id !== "widths-range") return;
    page.moved = true;
    move(Number(event.target.value));
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.widths = { start };
})();
