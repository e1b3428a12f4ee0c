// What an adversary can do, answered by the desk as the controls move: its controls and its address.
// What it may move decides who asks and draws: normscope.adversary.modes.{inputs, weights, both}.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const byId = (id) => document.getElementById(id);
  const lab = (scope.adversary = { modes: {} });
  const MOST_STEPS = { inputs: 200, weights: 50, both: 20 };
  let page = null; // what the server told, and `moves`

  lab.element = function (tag, text, more = {}) {
    const made = document.createElement(tag);
    if (text !== null) made.textContent = text;
    return Object.assign(made, more);
  };
  lab.here = (moves) => Boolean(page && page.moves === moves && byId("example-pictures"));
  lab.say = (text) => (byId("example-said").textContent = text);
  lab.strength = (text) => (byId("example-strength").textContent = text);
  lab.names = () => [page.name, byId("example-peer").selectedOptions[0].textContent];

  // "ε_w, largest change of a weight" -> "ε_w"
  lab.symbol = ({ label }) => label.split(",")[0];

  // --- controls ----------------------------------------------------------------------------------
  const attacks = () => page.attacks.filter((one) => one.moves === page.moves);
  const attack = () => attacks().find((one) => one.name === byId("example-attack").value) || attacks()[0];

  // Budgets of weights are relative: a share of each tensor's own size.
  function fits(one, norm) {
    const given = { norm, relative: true };
    return Object.entries(one.when).every(([key, value]) => !(key in given) || given[key] === value);
  }

  const budget = () => attack().budgets.find((one) => fits(one, byId("example-norm").value)) || attack().budgets[0];
  const weights = () => page.weights.find((one) => fits(one, byId("example-weight-norm").value));

  function options(id, rows, wanted) {
    const select = byId(id);
    const chosen = rows.some(([value]) => value === wanted) ? wanted : select.value;
    select.replaceChildren(...rows.map(([value, text]) => lab.element("option", text, { value })));
    if (rows.some(([value]) => value === chosen)) select.value = chosen;
    select.disabled = !rows.length;
    if (!rows.length) select.append(lab.element("option", "none", { value: "" }));
  }

  function input(id, place, more) {
    const made = lab.element("input", null, { id, type: "number", ...more });
    byId(place).replaceChildren(made);
    return made;
  }

  const usual = () => (page.moves === "weights" && attack().norms.includes("l2") ? "l2" : attack().norms[0]);

  // The controls that fit what may move and the attack chosen.
  function renew({ attack: name, norm, weights: weightNorm, steps, eps } = {}) {
    options("example-attack", attacks().map((one) => [one.name, one.title]), name);
    const one = attack();
    options("example-norm", one.norms.map((value) => [value, value]), norm || usual());
    options("example-weight-norm", one.weight_norms.map((value) => [value, value]), weightNorm || "l2");
    const most = MOST_STEPS[page.moves];
    input("example-steps", "example-steps-place", { min: 1, max: most, value: Number(steps) || one.steps || 1, disabled: !one.steps });
    reach(eps);
  }

  // Inputs move by any budget up to the largest; weights by those that are searched.
  function reach(wanted) {
    const { grid, label } = budget();
    const most = grid[grid.length - 1];
    const few = page.moves === "weights";
    const ends = few ? { max: grid.length - 1, step: 1 } : { max: most, step: most / 50 };
    const slider = lab.element("input", null, { id: "example-range", type: "range", min: 0, ...ends });
    const middle = Math.floor(grid.length / 2);
    const near = few ? grid.indexOf(Number(wanted)) : Number(wanted);
    const known = wanted !== undefined && wanted !== null && near >= 0;
    slider.value = known ? near : few ? middle : grid[middle];
    slider.setAttribute("aria-label", label);
    byId("example-eps-name").textContent = `${lab.symbol(budget())} `;
    byId("example-eps").replaceChildren(slider);
  }

  function eps() {
    const at = Number(byId("example-range").value);
    return page.moves === "weights" ? budget().grid[at] : at;
  }

  // --- the question --------------------------------------------------------------------------------
  function steps() {
    return Math.max(1, Math.min(MOST_STEPS[page.moves], Math.round(Number(byId("example-steps").value)) || 1));
  }

  // The attack as the desk is asked for it: of weights one climb, which goes twice as far as it may.
  function chosen() {
    const one = attack();
    const asks = (name) => one.asks.includes(name);
    const made = { name: one.name };
    if (one.norms.length) made.norm = byId("example-norm").value;
    if (one.weight_norms.length) made.weight_norm = byId("example-weight-norm").value;
    if (one.steps) made.steps = steps();
    if (page.moves === "inputs") return made;
    if (asks("relative")) made.relative = true;
    if (asks("restarts")) made.restarts = 1;
    if (asks("step_size")) made.step_size = Math.min(1, 2 / made.steps);
    return made;
  }

  function asked() {
    const peer = byId("example-peer").value;
    const index = Math.max(0, Math.round(Number(byId("example-index").value)) || 0);
    return {
      job: page.job, peers: peer ? [peer] : [], lane: "example", attack: chosen(), title: attack().title,
      budget: budget(), symbol: lab.symbol(budget()), weights: weights(), chance: page.chance, eps: eps(),
      index: page.open && page.moves === "inputs" ? -1 : index,
    };
  }

  function address({ attack: one, eps: size, index, peers }) {
    const first = attacks()[0].name;
    const { grid } = budget();
    const set = (name, value, plain) => scope.plots.setQuery(name, value === undefined || value === plain ? null : String(value));
    set("moves", page.moves, "inputs");
    set("attack", one.name, first);
    set("norm", one.norm, usual());
    set("weights", one.weight_norm, "l2");
    set("steps", one.steps, attack().steps);
    set("eps", page.moves === "both" ? undefined : size, grid[Math.floor(grid.length / 2)]);
    set("example", index < 0 ? undefined : index);
    set("with", peers[0]);
  }

  async function move() {
    const question = asked();
    const { moves } = page;
    byId("example-eps-said").textContent = scope.draw.number(question.eps, 3);
    byId("example-range").setAttribute("aria-valuetext", scope.draw.number(question.eps, 3));
    byId("example").dataset.peers = question.peers.length;
    address(question);
    if (page.examples && question.index >= page.examples) return refuse(`There is no example ${question.index}: the test split has ${page.examples}, from 0 on.`);
    try {
      await lab.modes[moves](question);
    } catch (error) {
      if (!error.status && !error.stale && error.status !== 0) throw error;
      if (!error.stale && lab.here(moves)) refuse(error.message);
    }
  }

  function refuse(message) {
    lab.say("no answer");
    lab.strength("");
    byId("example-pictures").replaceChildren(lab.element("p", message, { className: "warned" }));
  }

  // --- a page begins -----------------------------------------------------------------------------------
  function start() {
    const place = document.querySelector("[data-example]");
    if (!place) return null;
    const query = Object.fromEntries(new URLSearchParams(window.location.search));
    // Without an example in the address the desk chooses one that an attack turns.
    page = { ...JSON.parse(place.dataset.example), moves: place.dataset.moves, open: query.example === undefined };
    const most = page.examples ? { max: page.examples - 1 } : {};
    input("example-index", "example-index-place", { min: 0, ...most, step: 1, value: Number(query.example) || 0 });
    const peers = [...byId("example-peer").options].map((one) => one.value);
    if (peers.includes(query.with)) byId("example-peer").value = query.with;
    renew(query);
    move();
    return Date.now();
  }

  function change(moves) {
    page.moves = byId("example").dataset.moves = moves;
    for (const one of document.querySelectorAll("[data-move]")) one.setAttribute("aria-pressed", String(one.dataset.move === moves));
    byId("example-pictures").replaceChildren(lab.element("p", "Asking the desk.", { className: "about" }));
    lab.say("…");
    lab.strength("");
    renew();
    move();
  }

  lab.chose = function (index) {
    if (!page.open) return;
    page.open = false;
    byId("example-index").value = index;
    scope.plots.setQuery("example", String(index));
  };

  lab.choose = function (index) {
    page.open = false;
    byId("example-index").value = index;
    move();
  };

  const last = () => (page.examples ? page.examples - 1 : Infinity);
  const STEPS = { "example-back": (at) => Math.max(0, at - 1), "example-next": (at) => Math.min(last(), at + 1), "example-any": () => Math.floor(Math.random() * Math.min(300, last() + 1)) };

  document.addEventListener("input", (event) => {
    if (!page || !event.target.closest("#example .example-controls")) return;
    if (event.target.id === "example-attack") renew();
    if (event.target.id === "example-norm") reach();
    if (event.target.id === "example-index") page.open = false;
    move();
  });
  document.addEventListener("click", (event) => {
    if (!page || !event.target.closest("#example")) return;
    const button = event.target.closest("[data-move]");
    if (button && button.dataset.move !== page.moves) change(button.dataset.move);
    const step = STEPS[event.target.id];
    if (step) lab.choose(step(Number(byId("example-index").value) || 0));
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.example = { start };
})();
