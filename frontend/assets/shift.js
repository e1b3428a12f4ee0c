// The scale-shift lab: sliders in powers of two, the desk's answer beside them, a walk from there.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const MOST = 6; // a slider goes from 2^-6 to 2^6
  const FIRST = 1; // without a shift in the address the first layer is doubled: there is something to see
  const ROUNDING = 1e-4; // of the largest logit
  const byId = (id) => document.getElementById(id);
  let page = null; // { job, log2, first, free, before }

  function element(tag, text, more = {}) {
    const made = document.createElement(tag);
    if (text !== null) made.textContent = text;
    Object.assign(made, more);
    return made;
  }

  function times(factor) {
    return `× ${scope.draw.number(factor, 3)}`;
  }

  // --- sliders ---------------------------------------------------------------------------------
  function build(factors) {
    const names = factors.columns.layer;
    page.free = factors.columns.free;
    page.log2 = names.map((_, at) => (page.free[at] && page.log2[at]) || 0);
    page.first = page.first && page.free.includes(true);
    if (page.first) page.log2[page.free.indexOf(true)] = FIRST;
    byId("shift-sliders").replaceChildren(...names.map(slider));
  }

  function slider(name, at) {
    const label = element("label", null, { className: "shift-slider" });
    const title = name.replace("layer", "Layer ");
    const words = element("span", null, { className: "shift-slider-words" });
    words.append(element("span", title), element("output", "× 1", { id: `shift-factor-${at}` }));
    const input = element("input", null, { type: "range", min: -MOST, max: MOST, step: 0.25, id: `shift-slider-${at}` });
    input.value = page.log2[at];
    input.disabled = !page.free[at];
    input.dataset.layer = at;
    input.setAttribute("aria-label", title);
    if (!page.free[at]) label.title = "This layer follows the others: it takes the inverse of what they take, so that the function stays.";
    label.append(words, input);
    return label;
  }

  function place() {
    if (!page.free) return;
    page.log2.forEach((exponent, at) => {
      const input = byId(`shift-slider-${at}`);
      if (page.free[at]) input.value = exponent;
      const shown = byId(`shift-factor-${at}`);
      if (page.free[at]) shown.textContent = times(2 ** exponent);
      input.setAttribute("aria-valuetext", shown.textContent);
    });
    const text = page.log2.map((exponent) => Number(exponent.toFixed(3))).join(",");
    scope.plots.setQuery("s", text);
  }

  const DO = {
    reset: () => page.log2.map(() => 0),
    random: () => page.log2.map((_, at) => (page.free[at] ? Math.round((Math.random() * 2 - 1) * 12) / 4 : 0)),
    // All layers of the same norm: weight decay's least value over all shifts.
    balance: () => {
      const logs = page.before.map(Math.log2);
      const mean = logs.reduce((sum, one) => sum + one, 0) / logs.length;
      return logs.map((one, at) => (page.free[at] ? Math.max(-10, Math.min(10, mean - one)) : 0));
    },
  };

  // --- the desk's answer -------------------------------------------------------------------------
  async function move() {
    place();
    try {
      const log2 = page.free ? page.log2 : []; // the first answer tells which layers take one
      const answer = await scope.ask(page.job, { name: "shift", log2 }, { lane: "shift" });
      if (here()) await tell(answer);
    } catch (error) {
      if (!error.stale && here()) said(error.message, true);
    }
  }

  const here = () => Boolean(page && byId("shift-sliders"));

  function tell({ values, took }) {
    page.before = values["norms/before"].y;
    if (!page.free) {
      build(values.factors);
      if (page.log2.some(Boolean)) return move();
    }
    const { factor, free } = values.factors.columns;
    factor.forEach((one, at) => {
      if (free[at]) return;
      byId(`shift-factor-${at}`).textContent = `${times(one)} · follows`;
      byId(`shift-slider-${at}`).value = Math.log2(one);
    });
    place();
    measures(values.measures.columns, values.change, values.logits);
    bars(values["norms/before"], values["norms/after"]);
    said(`The desk answered in ${Math.round(took)} ms.`);
    return null;
  }

  // Where nothing is shifted nothing can move: no verdict then.
  function measures(columns, change, logits) {
    const verdict = (same) => (page.log2.some(Boolean) ? (same ? "invariant" : "moves") : "unshifted");
    const rows = columns.measure.map((name, at) =>
      row(unbroken(name), written(columns.before[at]), written(columns.after[at]), verdict(columns.invariant[at]), taken(columns.on[at]))
    );
    const small = change <= ROUNDING * Math.max(logits, 1e-12);
    rows.push(row("largest change of any logit", "0", written(change, 2), small ? "rounding" : "moves", "on the same test examples"));
    byId("shift-measures").replaceChildren(...rows);
    byId("shift-logits").textContent =
      `Largest logit ${written(logits)}; in single precision a change of about 10⁻⁶ of it is rounding. Diagnose takes sharpness on training examples: compare numbers taken on the same ones.`;
  }

  const MEANS = {
    invariant: "A shift of scale leaves it as it is.",
    moves: "A shift of scale changes it, though the network answers the same.",
    unshifted: "Nothing is shifted now.",
    rounding: "No more than single precision rounds off: the network answers the same.",
  };

  // A formula is not broken over lines; its name may be.
  const unbroken = (name) => name.replace(/, (.*)$/, (_, formula) => `, ${formula.replaceAll(" ", "\u00a0")}`);

  // What a measure of the weights alone is taken on goes without saying.
  const taken = (on) => (on === "the weights" ? "" : `on ${on}`);
  const written = (value, digits = 4) => scope.numbers.number(value, digits);

  function row(name, before, after, verdict, on) {
    const made = element("tr", null);
    const number = (text) => element("td", text, { className: "right tight" });
    const dress = { moves: "moves", unshifted: "none" }[verdict] || "stays";
    const badge = element("span", verdict, { className: `verdict ${dress}`, title: MEANS[verdict] });
    const last = element("td", null, { className: "right" });
    last.append(badge);
    const now = number(after);
    if (verdict === "moves") now.classList.add("moved");
    const head = element("th", name, { scope: "row" });
    if (on) head.append(element("small", on));
    made.append(head, number(before), now, last);
    return made;
  }

  function bars(before, after) {
    const names = before.x.map(String);
    const bar = (y, name, color) => ({
      type: "bar", x: names, y, name, marker: { color: scope.draw.color(color) }, hovertemplate: "%{y:.4~g}",
    });
    scope.draw.show("shift-norms", [bar(before.y, "before", "grey"), bar(after.y, "after", "vermillion")], { xaxis: { type: "category" } });
  }

  function said(text, failed = false) {
    const place = byId("shift-said");
    place.textContent = text;
    place.classList.toggle("refused", failed);
  }

  // --- train from here ---------------------------------------------------------------------------
  const LINES = {
    "norm/none/original": ["no penalty", "grey", "solid"],
    "norm/none/shifted": ["no penalty, shifted", "grey", "dash"],
    "norm/weight decay/original": ["weight decay", "blue", "solid"],
    "norm/weight decay/shifted": ["weight decay, shifted", "blue", "dash"],
    "norm/WEISSI/original": ["WEISSI", "vermillion", "solid"],
    "norm/WEISSI/shifted": ["WEISSI, shifted", "vermillion", "dash"],
  };

  async function train() {
    const button = byId("shift-train");
    const wanted = { name: "train_from_here", log2: page.log2 };
    for (const name of ["lr", "weight_decay", "weissi", "steps"]) wanted[name] = Number(byId(`shift-${name}`).value);
    button.disabled = true;
    button.textContent = "Training…";
    try {
      const { values } = await scope.ask(page.job, wanted, { lane: "walk" });
      if (!here()) return;
      walk(values);
      first(values.first.columns);
    } catch (error) {
      if (!error.stale && here()) said(error.message, true);
    }
    button.disabled = false;
    button.textContent = "Train from here";
  }

  function walk(values) {
    const traces = Object.entries(LINES).map(([name, [label, color, dash]]) => ({
      type: "scatter", mode: "lines", x: values[name].x, y: values[name].y, name: label, showlegend: dash === "solid",
      line: { color: scope.draw.color(color), dash, width: 1.8 }, hovertemplate: "%{y:.4~g}",
    }));
    scope.draw.show("shift-walk", traces);
    const note = document.querySelector("#card-shift-walk [data-thinned]");
    if (note) note.textContent = covered(traces);
  }

  // Lines that nobody can tell apart are named: one may hide the other.
  function covered(traces) {
    const all = traces.flatMap((one) => one.y).filter(Number.isFinite);
    const near = 0.01 * (Math.max(...all) - Math.min(...all));
    const same = (one, other) => one.y.every((y, at) => Math.abs(y - other.y[at]) <= near);
    const called = (one) => (one.line.dash === "solid" ? `${one.name}, unshifted` : one.name);
    const hidden = traces.flatMap((one, at) => traces.slice(0, at).filter((other) => same(one, other)).slice(0, 1).map((other) => `${called(one)} on ${called(other)}`));
    return hidden.length ? `Lines that lie on each other: ${hidden.join("; ")}.` : "";
  }

  const HEADS = ["Penalty", "Start", "∏‖W‖ before", "∏‖W‖ after", "Change", "Cross-entropy after", "Largest logit change"];

  function first(columns) {
    const head = element("tr", null);
    head.append(...HEADS.map((text, at) => element("th", text, { scope: "col", className: at > 1 ? "right" : "" })));
    const rows = columns.start.map((start, at) => {
      const made = element("tr", null);
      const [before, after] = [columns["norm before"][at], columns["norm after"][at]];
      const share = (100 * (after - before)) / before;
      const cells = [
        columns.penalty[at], start === "shifted" ? "shifted" : "unshifted",
        written(before, 5), written(after, 5),
        `${share > 0 ? "+" : "−"}${written(Math.abs(share), 3)} %`,
        written(columns["loss after"][at]), written(columns["logit change"][at], 3),
      ];
      made.append(...cells.map((text, place) => element("td", text, { className: place > 1 ? "right tight" : "" })));
      return made;
    });
    byId("shift-first").replaceChildren(head, ...rows);
  }

  // --- a page begins -----------------------------------------------------------------------------
  function start(told) {
    if (!told) return null;
    const log2 = String(told.log2 || "").split(",").map((one) => Math.max(-10, Math.min(10, Number(one) || 0)));
    page = { job: told.job, log2, first: !told.log2, free: null, before: [] };
    move().then(() => here() && page.free && train());
    return Date.now();
  }

  document.addEventListener("input", (event) => {
    if (!page || !event.target.closest("#shift-sliders")) return;
    page.log2[Number(event.target.dataset.layer)] = Number(event.target.value);
    move();
  });
  document.addEventListener("click", (event) => {
    if (!page) return;
    const button = event.target.closest("[data-do]");
    if (button && page.free) {
      page.log2 = DO[button.dataset.do]();
      move();
    } else if (event.target.id === "shift-train") train();
    else if (event.target.id === "shift-copy") navigator.clipboard?.writeText(window.location.href);
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.shift = { start };
})();
