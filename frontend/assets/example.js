// One example under attack: the desk answers as the sliders move.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const byId = (id) => document.getElementById(id);
  let page = null;

  function element(tag, text, more = {}) {
    const made = document.createElement(tag);
    if (text !== null) made.textContent = text;
    return Object.assign(made, more);
  }

  // --- controls ----------------------------------------------------------------------------------
  const attack = () => page.attacks.find((one) => one.name === byId("example-attack").value);

  // The budgets of an attack under the chosen norm.
  function budget() {
    const norm = byId("example-norm").value;
    const fits = (one) => Object.entries(one.when).every(([key, value]) => key !== "norm" || value === norm);
    return attack().budgets.find(fits) || attack().budgets[0];
  }

  function input(id, place, more) {
    const made = element("input", null, { id, type: "number", ...more });
    byId(place).replaceChildren(made);
    return made;
  }

  function renew() {
    const { norms, steps } = attack();
    const chosen = byId("example-norm").value;
    byId("example-norm").replaceChildren(...norms.map((norm) => element("option", norm, { value: norm })));
    if (norms.includes(chosen)) byId("example-norm").value = chosen;
    byId("example-norm").disabled = !norms.length;
    input("example-steps", "example-steps-place", { min: 1, max: 200, value: steps || 1, disabled: !steps });
    reach();
  }

  function reach() {
    const { grid } = budget();
    const most = grid[grid.length - 1];
    const slider = element("input", null, { id: "example-range", type: "range", min: 0, max: most, step: most / 50 });
    slider.value = grid[Math.floor(grid.length / 2)];
    slider.setAttribute("aria-label", `ε, ${budget().label}`);
    byId("example-eps").replaceChildren(slider);
  }

  // --- the question --------------------------------------------------------------------------------
  async function move() {
    const chosen = attack();
    const eps = Number(byId("example-range").value);
    byId("example-eps-said").textContent = scope.draw.number(eps, 3);
    const one = { name: chosen.name };
    if (chosen.norms.length) one.norm = byId("example-norm").value;
    if (chosen.steps) one.steps = Math.max(1, Math.min(200, Number(byId("example-steps").value) || 1));
    const index = Math.max(0, Number(byId("example-index").value) || 0);
    scope.plots.setQuery("example", index ? String(index) : null);
    const peer = byId("example-peer").value;
    try {
      const answer = await scope.ask(page.job, { name: "attack_example", attack: one, eps, index }, { lane: "example", peers: peer ? [peer] : [] });
      if (byId("example-pictures")) tell(answer, eps);
    } catch (error) {
      if (!error.stale && byId("example-pictures")) refuse(error.message);
    }
  }

  function refuse(message) {
    byId("example-pictures").replaceChildren(element("p", message, { className: "warned" }));
  }

  // --- the answer ------------------------------------------------------------------------------------
  function tell({ values, took }, eps) {
    const { outcome, probabilities, pictures, label } = values;
    const classes = probabilities.columns.class;
    const rows = outcome.columns.before.map((_, place) => row(place, outcome.columns, classes, pictures, label));
    byId("example-pictures").replaceChildren(...rows);
    const fooled = outcome.columns.fooled[0];
    byId("example-said").textContent =
      `true class ${classes[label]} · at ε ${scope.draw.number(eps, 3)} the network ${fooled ? "errs" : "is right"} · answered in ${Math.round(took)} ms`;
    bars(probabilities.columns);
    looks(values);
  }

  function row(place, outcome, classes, pictures, label) {
    const made = element("div", null, { className: "example-row" });
    const seen = (at) => `seen as ${classes[at]}${at === label ? "" : `, is ${classes[label]}`}`;
    if (place) made.append(element("strong", byId("example-peer").selectedOptions[0].textContent));
    if (!pictures) {
      made.append(element("p", `Before: ${seen(outcome.before[place])}. After a change of ${scope.draw.number(outcome.size[place], 3)}: ${seen(outcome.after[place])}.`));
      return made;
    }
    const scale = pictures.scale[`perturbation ${place}`];
    made.append(
      figure(pictures, "clean", "clean", seen(outcome.before[place])),
      figure(pictures, `perturbation ${place}`, "perturbation", `± ${scope.draw.number(scale, 3)}`),
      figure(pictures, `attacked ${place}`, "attacked", seen(outcome.after[place]))
    );
    return made;
  }

  function figure(pictures, group, name, caption) {
    const made = element("figure", null);
    const canvas = element("canvas", null, { width: pictures.width, height: pictures.height, className: "pixels" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name}: ${caption}`);
    paint(canvas, pictures, pictures.groups[group][0], name === "perturbation");
    const words = element("figcaption", null);
    words.append(element("span", name), element("strong", caption));
    made.append(canvas, words);
    return made;
  }

  // Grey or colour pictures as they are; a grey perturbation from blue over white to red.
  function paint(canvas, { width, height, channels }, bytes, signed) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let at = 0; at < width * height; at += 1) {
      const pixel = channels === 3 ? [0, 1, 2].map((channel) => bytes[3 * at + channel]) : signed ? diverging(bytes[channels * at]) : Array(3).fill(bytes[channels * at]);
      image.data.set([...pixel, 255], 4 * at);
    }
    context.putImageData(image, 0, 0);
  }

  function diverging(byte) {
    const t = (byte - 127.5) / 127.5;
    const ends = t < 0 ? [5, 48, 97] : [103, 0, 31];
    return ends.map((end) => Math.round(247 + (end - 247) * Math.abs(t)));
  }

  function bars(columns) {
    const bar = (name, label, color, pattern) => ({
      type: "bar", x: columns.class, y: columns[name], name: label, hovertemplate: "%{y:.3f}",
      marker: { color: scope.draw.color(color), pattern: { shape: pattern } },
    });
    const traces = [bar("clean 0", "clean", "grey", ""), bar("attacked 0", "attacked", "vermillion", "")];
    if (columns["clean 1"]) traces.push(bar("clean 1", "other, clean", "sky", "/"), bar("attacked 1", "other, attacked", "blue", "/"));
    scope.draw.show("example-bars", traces);
  }

  function looks(values) {
    const line = (name, label, color, dash) => ({
      type: "scatter", mode: values[name].x.length > 1 ? "lines" : "markers", x: values[name].x, y: values[name].y,
      name: label, line: { color: scope.draw.color(color), dash, width: 1.8 }, hovertemplate: "%{y:.3f}",
    });
    const traces = [line("true/0", "true class", "blue", "solid"), line("taken/0", "class taken", "vermillion", "dot")];
    if (values["true/1"]) traces.push(line("true/1", "other: true class", "blue", "dash"), line("taken/1", "other: class taken", "vermillion", "dashdot"));
    scope.draw.show("example-looks", traces);
  }

  // --- a page begins -----------------------------------------------------------------------------------
  function start(_, asked) {
    const place = document.querySelector("[data-example]");
    if (!place) return null;
    page = JSON.parse(place.dataset.example);
    const first = Number(new URLSearchParams(window.location.search).get("example")) || 0;
    input("example-index", "example-index-place", { min: 0, step: 1, value: first });
    renew();
    move();
    return Date.now();
  }

  const STEPS = { "example-back": (at) => Math.max(0, at - 1), "example-next": (at) => at + 1, "example-any": () => Math.floor(Math.random() * 300) };

  document.addEventListener("input", (event) => {
    if (!page || !event.target.closest("#example .example-controls")) return;
    if (event.target.id === "example-attack") renew();
    if (event.target.id === "example-norm") reach();
    move();
  });
  document.addEventListener("click", (event) => {
    const step = page && STEPS[event.target.id];
    if (!step) return;
    const box = byId("example-index");
    box.value = step(Number(box.value) || 0);
    move();
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.example = { start };
})();
