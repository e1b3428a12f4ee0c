// Inputs and weights move together: accuracy over both budgets, row by row as the desk answers.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const COUNT = 32; // test examples
  const { adversary: lab } = scope;
  const byId = (id) => document.getElementById(id);
  let held = null; // { key, asked, raw: of each network the answers by ε_w, took }

  async function move(asked) {
    const key = JSON.stringify([asked.job, asked.peers, asked.attack, asked.budget.grid, asked.weights.grid]);
    if (held && held.key === key) return draw();
    const rows = () => Array(asked.weights.grid.length).fill(null);
    const mine = (held = { key, asked, raw: [rows(), ...asked.peers.map(rows)], began: performance.now(), took: 0 });
    try {
      for (const at of order(asked.weights.grid.length)) await row(mine, at);
    } catch (error) {
      if (held === mine) held = null;
      throw error;
    }
  }

  // Coarse first: the ends and the middle, then what lies between.
  function order(count) {
    const first = [0, Math.floor(count / 2), count - 1];
    return [...new Set([...first, ...Array(count).keys()])].filter((at) => at >= 0);
  }

  async function row(mine, at) {
    const { job, peers, lane, attack, budget, weights } = mine.asked;
    if (held !== mine) return;
    if (!lab.here("both")) return void (held = null);
    const probe = { name: "joint_grid", attack, examples: COUNT, eps_x: budget.grid, eps_w: [weights.grid[at]] };
    const { values } = await scope.ask(job, probe, { lane, peers });
    if (held !== mine) return;
    mine.raw.forEach((rows, place) => (rows[at] = values[`accuracy/${place}`].z[0]));
    mine.took = performance.now() - mine.began;
    if (lab.here("both")) draw();
  }

  // What fools within smaller budgets is allowed within larger ones.
  function nested(rows) {
    let least = null;
    return rows.map((found) => found && (least = found.map((left, at) => (least ? Math.min(left, least[at]) : left))));
  }

  // --- the answer ----------------------------------------------------------------------------------
  function draw() {
    const { asked, took } = held;
    const rows = held.raw.map(nested);
    const known = rows[0].filter(Boolean).length;
    if (!known) return;
    const over = known === rows[0].length;
    const { number } = scope.draw;
    lab.say(over ? `answered in ${(took / 1000).toFixed(1)} s` : `${known} of ${rows[0].length} rows so far`);
    lab.strength(`${asked.title}: one climb of ${asked.attack.steps} steps of ${number(asked.attack.step_size, 2)} of each budget, ${COUNT} test examples, one change of the weights for all; ε_w is a share of each tensor’s own size. What fools an example within smaller budgets counts within larger ones. A longer search may leave less; a job below searches longer.`);
    told(rows, over);
    rows.forEach(heat);
    lines(rows[0]);
  }

  // A middling pair of budgets in words, beside what each alone does.
  function told(rows, over) {
    const { asked } = held;
    const percent = (share) => `${Math.round(100 * share)} %`;
    const x = Math.floor(asked.budget.grid.length / 2);
    const made = rows.map((found, place) => {
      const middle = Math.floor(found.length / 2);
      const w = found[middle] ? middle : 0;
      const [eps, epsW] = [`ε ${scope.draw.number(asked.budget.grid[x], 3)}`, `ε_w ${scope.draw.number(asked.weights.grid[w], 3)}`];
      return lab.element("p", `${lab.names()[place]}: ${percent(found[0][0])} right without a change, ${percent(found[0][x])} at ${eps} alone, ${percent(found[w][0])} at ${epsW} alone, ${percent(found[w][x])} at both${over ? "" : " so far"}.`);
    });
    byId("example-pictures").replaceChildren(...made);
  }

  const title = (text) => ({ title: { text, font: { size: 11.5, color: scope.draw.color("soft") }, standoff: 8 } });
  const names = (grid) => grid.map((eps) => scope.draw.number(eps, 3));

  function heat(found, place) {
    const { asked } = held;
    const z = found.map((left) => left || asked.budget.grid.map(() => null));
    const trace = {
      type: "heatmap", x: names(asked.budget.grid), y: names(asked.weights.grid), z, zmin: 0, zmax: 1, name: "accuracy", xgap: 2, ygap: 2,
      text: z.map((row_) => row_.map((left) => (left === null ? "" : `${Math.round(100 * left)} %`))), texttemplate: "%{text}",
      colorscale: scope.draw.shades(), showscale: false,
      hovertemplate: "ε %{x}, ε_w %{y}: %{z:.1%} right<extra></extra>",
    };
    byId(`example-grid${place}-about`).textContent = `${lab.names()[place]}: share of ${COUNT} test examples still right`;
    scope.draw.show(`example-grid${place}`, [trace], { xaxis: title(asked.budget.label), yaxis: title(asked.weights.label.replace(", ", ",<br>")) });
  }

  function lines(rows) {
    const { asked } = held;
    const colors = ["grey", "blue", "green", "orange", "vermillion", "purple"];
    const dashes = ["solid", "dash", "dot", "dashdot", "longdash", "solid"];
    const line = (y, at) => y && {
      type: "scatter", mode: "lines+markers", x: asked.budget.grid, y, name: `ε_w ${scope.draw.number(asked.weights.grid[at], 3)}`, hovertemplate: "%{y:.1%}",
      line: { color: scope.draw.color(colors[at % 6]), dash: dashes[at % 6], width: 1.8 }, marker: { size: 6 },
    };
    byId("example-lines-about").textContent = `${lab.names()[0]}: one line for each budget of the weights`;
    scope.draw.show("example-lines", rows.map(line).filter(Boolean), { showlegend: true, xaxis: title(asked.budget.label), yaxis: title("accuracy") });
  }

  lab.modes.both = move;
})();
