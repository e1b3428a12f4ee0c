// The weights move: which of a few dozen predictions flip as ε_w grows, and one example's probabilities.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const COUNT = 48; // examples that share one change of the weights
  const DRAWS = 5; // random changes beside it
  const MOST_CLASSES = 4;
  const { adversary: lab } = scope;
  const byId = (id) => document.getElementById(id);
  let held = null; // { key, start, attack, chance, pictures }: the answers to one question
  let now = null; // what is asked of them: the example, the budget

  // --- the question --------------------------------------------------------------------------------
  async function move(asked) {
    const start = Math.floor(asked.index / COUNT) * COUNT;
    const key = JSON.stringify([asked.job, asked.peers, asked.attack, asked.budget.grid, start]);
    now = asked;
    if (held && held.key === key) return draw();
    const window_ = JSON.stringify([asked.job, start]);
    const kept = held && held.window === window_ ? held.pictures : undefined;
    const mine = (held = { key, window: window_, start, pictures: kept, attack: null, chance: null, rough: false });
    try {
      await search(mine, asked);
    } catch (error) {
      if (held === mine) held = null;
      throw error;
    }
  }

  // One step first, which is quick; then the climb that was asked for; then chance beside it.
  async function search(mine, asked) {
    const { attack, chance } = asked;
    const began = performance.now();
    const stages = [["attack", attack, false]];
    if (attack.steps > 1) stages.unshift(["attack", { ...attack, steps: 1, step_size: 1 }, true]);
    if (chance && attack.relative && attack.name !== chance) {
      stages.push(["chance", { name: chance, norm: attack.norm, relative: true, draws: DRAWS }, false]);
    }
    for (const [name, one, rough] of stages) {
      const probe = { name: "weight_flips", attack: one, eps_grid: asked.budget.grid, start: mine.start, examples: COUNT };
      probe.pictures = mine.pictures === undefined;
      const answer = await scope.ask(asked.job, probe, { lane: asked.lane, peers: asked.peers });
      if (held !== mine) return;
      if (!lab.here("weights")) return void (held = null);
      if (probe.pictures) mine.pictures = answer.values.pictures || null;
      mine[name] = answer.values;
      mine.rough = rough;
      mine.took = performance.now() - began;
      draw();
    }
  }

  // --- the answer ----------------------------------------------------------------------------------
  function draw() {
    if (!held || !held.attack || !lab.here("weights")) return;
    const at = Math.max(0, now.budget.grid.indexOf(now.eps));
    words(at);
    gallery(at);
    curves();
    path();
  }

  const size = (eps) => `${now.symbol} ${scope.draw.number(eps, 3)}`;

  function words(at) {
    const flipped = held.attack["flipped/0"].y;
    const count = held.attack["seen/0"].columns.label.length;
    const share = `${Math.round(flipped[at] * count)} of ${count} predictions flip at ${size(now.eps)}`;
    lab.say(`${share} · ${held.rough ? "one step so far, searching on" : `answered in ${(held.took / 1000).toFixed(1)} s`}`);
    const { steps, step_size: stride } = now.attack;
    const how = steps ? `one climb of ${steps} ${steps === 1 ? "step" : `steps of ${scope.draw.number(stride, 2)} radii`}` : "as its card says";
    const whose = now.peers.length ? ` The pictures tell what ${lab.names()[0]} sees.` : "";
    lab.strength(`${now.title}: ${how}, on the ${count} examples that it is counted on. They share one change of the weights${now.attack.relative ? "; ε_w is a share of each tensor’s own size" : ""}.${steps ? " A longer search may flip more; a job below searches longer." : ""}${whose}`);
  }

  // --- the examples ----------------------------------------------------------------------------------
  function gallery(at) {
    const place = byId("example-pictures");
    const made = `${held.window} ${Boolean(held.pictures)}`;
    let list = place.querySelector(".flips");
    if (!list || list.dataset.made !== made) {
      list = lab.element("div", null, { className: "flips" });
      list.dataset.made = made;
      list.classList.toggle("wordy", held.attack["seen/0"].columns.label.some((name) => name.length > 3));
      list.append(...held.attack["seen/0"].columns.example.map(button));
      place.replaceChildren(list);
    }
    [...list.children].forEach((one, row) => caption(one, row, at));
  }

  function button(example, row) {
    const made = lab.element("button", null, { type: "button", className: "flip" });
    if (held.pictures) made.append(lab.picture(held.pictures, held.pictures.groups.clean[row]));
    made.append(lab.element("span", ""));
    made.addEventListener("click", () => lab.choose(example));
    return made;
  }

  function caption(made, row, at) {
    const columns = held.attack["seen/0"].columns;
    const seen = now.budget.grid.map((_, budget) => columns[budget][row]);
    const flips = seen.findIndex((name) => name !== seen[0]);
    const flipped = seen[at] !== seen[0];
    made.lastChild.textContent = flipped ? `${seen[0]} → ${seen[at]}` : seen[0];
    made.classList.toggle("flipped", flipped);
    made.setAttribute("aria-pressed", String(columns.example[row] === now.index));
    const when = flips < 0 ? "does not flip" : `flips to ${seen[flips]} at ${size(now.budget.grid[flips])}`;
    made.title = `Example ${columns.example[row]}, is ${columns.label[row]}: seen as ${seen[0]}, ${when}`;
    made.setAttribute("aria-label", `${made.lastChild.textContent}. ${made.title}`); // a name begins as it is seen
  }

  // --- the plots -------------------------------------------------------------------------------------
  const line = (x, y, name, color, dash, more = {}) => ({
    type: "scatter", mode: "lines+markers", x, y, name, hovertemplate: "%{y:.1%}",
    line: { color: scope.draw.color(color), dash, width: 1.8 }, marker: { size: 6 }, ...more,
  });

  // Where the slider stands.
  function mark() {
    const line_ = { color: scope.draw.color("grey"), width: 1.2, dash: "dot" };
    return [{ type: "line", x0: now.eps, x1: now.eps, yref: "paper", y0: 0, y1: 1, line: line_ }];
  }

  function curves() {
    const traces = [];
    lab.names().slice(0, 1 + now.peers.length).forEach((name, place) => {
      const { x, y } = held.attack[`flipped/${place}`];
      const left = held.attack[`accuracy/${place}`].y;
      const hover = { customdata: left, hovertemplate: "%{y:.1%} flip, accuracy %{customdata:.1%}" };
      traces.push(line(x, y, name, place ? "blue" : "vermillion", place ? "dash" : "solid", hover));
      const chance = held.chance && held.chance[`flipped/${place}`];
      if (chance) traces.push(line(chance.x, chance.y, `${name}, at random`, "grey", place ? "dashdot" : "dot"));
    });
    byId("example-flips-about").textContent =
      `share of ${held.attack["seen/0"].columns.label.length} test examples` + (held.chance ? `; at random: the worst of ${DRAWS} changes as large` : "");
    scope.draw.show("example-flips", traces, { showlegend: traces.length > 1, shapes: mark(), xaxis: title(now.budget.label), yaxis: title("predictions that flip") });
  }

  const title = (text) => ({ title: { text, font: { size: 11.5, color: scope.draw.color("soft") }, standoff: 8 } });

  // One network's probability of each class that matters for the example, over the budgets.
  function classes(place) {
    const { example, budget, class: names, probability } = held.attack[`chances/${place}`].columns;
    const found = {};
    example.forEach((one, at) => {
      if (one !== now.index) return;
      const mine = (found[names[at]] = found[names[at]] || now.budget.grid.map(() => 0));
      mine[budget[at]] = probability[at];
    });
    return found;
  }

  function path() {
    const { label, example } = held.attack["seen/0"].columns;
    const right = label[example.indexOf(now.index)];
    if (right === undefined) return;
    const found = lab.names().slice(0, 1 + now.peers.length).map((_, place) => classes(place));
    const most = (name) => Math.max(...found.map((one) => Math.max(0, ...(one[name] || []))));
    const others = [...new Set(found.flatMap(Object.keys))].filter((name) => name !== right && most(name) >= 0.05);
    const shown = [right, ...others.sort((one, other) => most(other) - most(one)).slice(0, MOST_CLASSES - 1)];
    const colors = ["blue", "vermillion", "orange", "green"];
    const traces = found.flatMap((one, place) =>
      shown.map((name, at) => {
        const words_ = `${place ? "other: " : ""}class ${name}${at ? "" : ", the true one"}`;
        const y = one[name] || now.budget.grid.map(() => 0);
        return line(now.budget.grid, y, words_, colors[at], place ? "dash" : "solid", { hovertemplate: "%{y:.3f}" });
      })
    );
    byId("example-path-about").textContent = `example ${now.index}, is ${right}: its class probabilities under the change that all share`;
    scope.draw.show("example-path", traces, { showlegend: true, shapes: mark(), xaxis: title(now.budget.label) });
  }

  lab.modes.weights = move;
})();
