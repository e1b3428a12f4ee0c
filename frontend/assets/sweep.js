// A sweep's page: progress, the result as a line or a heat map, the best under a constraint.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const byId = (id) => document.getElementById(id);
  const ENDED = ["succeeded", "failed", "cancelled"];
  const MOST_TICKS = 10;
  const PICKS = ["sweep-measure", "sweep-across", "sweep-up", "sweep-best", "sweep-held", "sweep-sense"];
  let page = null;
  let stops = [];

  // A swept field and a measurement as people say them.
  const short = (path) => page.titles[path] || path;
  const called = (name) => page.words[name] || name;

  const text = (value) => (Array.isArray(value) ? value.map(text).join("–") : value && typeof value === "object" ? value.name || JSON.stringify(value) : String(value));

  function element(tag, words, more = {}) {
    const made = document.createElement(tag);
    if (words !== null) made.textContent = words;
    return Object.assign(made, more);
  }

  // --- values ------------------------------------------------------------------------------------
  function measured(job, name) {
    if (name === "robust accuracy") return page.robust[job.id] ?? NaN;
    const found = job.summary[name];
    return typeof found === "number" ? found : NaN;
  }

  // A share of the examples is a percentage, as on every page.
  const said = (name, value) => (/accuracy/.test(name) ? scope.numbers.percent(value) : scope.numbers.number(value));

  // What came of a job: nothing, until it has succeeded. A start or a wreck is no result.
  const result = (job, name) => (job.state === "succeeded" ? measured(job, name) : NaN);

  function measures() {
    const names = new Set(page.sweep.jobs.flatMap((job) => Object.keys(job.summary)));
    const found = [...names].filter((name) => !name.endsWith("/progress")).sort();
    return page.sweep.jobs.some((job) => job.id in page.robust) ? ["robust accuracy", ...found] : found;
  }

  const fields = () => Object.keys(page.sweep.grid);
  const groupOf = (job, path) => text(job.values[path]);
  const levels = (path) => page.sweep.grid[path].map(text);
  const numeric = (path) => page.sweep.grid[path].every((value) => typeof value === "number");

  // --- choices -------------------------------------------------------------------------------------
  function fillIn(id, names, first, label = (name) => name) {
    const box = byId(id);
    const chosen = box.value || first;
    box.replaceChildren(...names.map((name) => element("option", label(name), { value: name })));
    if (names.includes(chosen)) box.value = chosen;
  }

  function choices() {
    const names = measures();
    const liked = ["test/accuracy", "test/loss", "train/loss"].find((name) => names.includes(name)) || names[0];
    const paths = fields().filter((path) => path !== "spec.seed" || fields().length === 1);
    fillIn("sweep-measure", names, page.query.measure || liked, called);
    fillIn("sweep-across", paths, paths[0], short);
    fillIn("sweep-up", ["", ...paths.filter((path) => path !== byId("sweep-across").value)], paths[1] || "", (path) => (path ? short(path) : "the result"));
    fillIn("sweep-best", names, names.includes("robust accuracy") ? "robust accuracy" : liked, called);
    fillIn("sweep-sense", ["largest", "smallest"], "largest");
    fillIn("sweep-held", names, names.includes("test/accuracy") ? "test/accuracy" : liked, called);
  }

  // --- drawing -------------------------------------------------------------------------------------
  function mean(values) {
    const known = values.filter(Number.isFinite);
    if (!known.length) return null;
    const middle = known.reduce((sum, one) => sum + one, 0) / known.length;
    const spread = known.length > 1 ? Math.sqrt(known.reduce((sum, one) => sum + (one - middle) ** 2, 0) / (known.length - 1)) : 0;
    return { middle, spread, count: known.length };
  }

  function draw() {
    const [measure, across, up] = ["sweep-measure", "sweep-across", "sweep-up"].map((id) => byId(id).value);
    if (!measure || !across) return;
    if (up) heat(measure, across, up);
    else line(measure, across);
  }

  const axis = (title, more = {}) => ({ title: { text: title, font: { size: 11.5, color: scope.draw.color("soft") } }, autorange: true, ...more });

  function line(measure, across) {
    const values = page.sweep.grid[across];
    const found = values.map((value) => mean(page.sweep.jobs.filter((job) => groupOf(job, across) === text(value)).map((job) => result(job, measure))));
    const known = values.map((value, at) => [numeric(across) ? value : text(value), found[at]]).filter(([, one]) => one);
    const xs = known.map(([x]) => x);
    const positive = numeric(across) && values.every((x) => x > 0) && Math.max(...values) / Math.min(...values) >= 20;
    const dots = (name, symbol, jobs) => {
      const seen = jobs.filter((job) => Number.isFinite(measured(job, measure)));
      return {
        type: "scatter", mode: "markers", name, x: seen.map((job) => (numeric(across) ? job.values[across] : groupOf(job, across))), y: seen.map((job) => measured(job, measure)),
        text: seen.map((job) => job.id), marker: { color: scope.draw.color("grey"), size: 6, opacity: 0.6, symbol }, hovertemplate: "%{y:.4~g}<extra>%{text}</extra>",
      };
    };
    const whole = page.sweep.jobs.filter((job) => job.state === "succeeded");
    const partial = dots("not succeeded: in no mean", "circle-open", page.sweep.jobs.filter((job) => !whole.includes(job)));
    const traces = [
      dots("each job", "circle", whole), ...(partial.x.length ? [partial] : []),
      { type: "scatter", mode: "lines+markers", name: known.some(([, one]) => one.count > 1) ? "mean" : "line through the jobs", x: xs, y: known.map(([, one]) => one.middle), line: { color: scope.draw.color("blue"), width: 2 }, error_y: { type: "data", array: known.map(([, one]) => one.spread), color: scope.draw.color("blue"), thickness: 1 }, hovertemplate: "%{y:.4~g}" },
    ];
    const type = positive ? "log" : numeric(across) ? "linear" : "category";
    const ticks = numeric(across) && values.length <= MOST_TICKS ? { tickmode: "array", tickvals: values, ticktext: values.map(String) } : { tickmode: "auto" };
    scope.draw.show("sweep-result", traces, { xaxis: axis(short(across), { type, ...ticks, ...reach(values, type) }), yaxis: axis(called(measure), { type: "linear" }), showlegend: true });
    byId("sweep-about").textContent = scatter(known.map(([, one]) => one.count));
  }

  // The axis from the first to the last of the grid's values, whichever have a result by now.
  function reach(values, type) {
    if (type === "category") return {};
    const ends = [Math.min(...values), Math.max(...values)].map((x) => (type === "log" ? Math.log10(x) : x));
    const room = 0.06 * (ends[1] - ends[0]) || 1;
    return { autorange: false, range: [ends[0] - room, ends[1] + room] };
  }

  // Of how many jobs at each value; one job at a value has no spread.
  function scatter(counts) {
    const most = Math.max(0, ...counts);
    if (most < 1) return "no job has succeeded yet";
    if (most < 2) return "one job at each value: what tells them apart may be chance, another seed moves it";
    const single = counts.some((count) => count < 2) ? ", where there is more than one" : "";
    return `grey: each job; line: the mean; bars: one standard deviation over the jobs at a value${single}`;
  }

  function heat(measure, across, up) {
    const [xs, ys] = [levels(across), levels(up)];
    const cells = ys.map((y) => xs.map((x) => mean(page.sweep.jobs.filter((job) => groupOf(job, across) === x && groupOf(job, up) === y).map((job) => result(job, measure)))));
    const z = cells.map((row) => row.map((one) => (one ? one.middle : null)));
    const trace = {
      type: "heatmap", x: xs, y: ys, z, text: z.map((row) => row.map((value) => (value === null ? "" : said(measure, value)))), texttemplate: "%{text}",
      colorscale: scope.draw.shades(), xgap: 2, ygap: 2, colorbar: { thickness: 10, outlinewidth: 0 },
      zsmooth: false, hovertemplate: `${short(across)} %{x}<br>${short(up)} %{y}<br>${called(measure)} %{z:.4~g}<extra></extra>`,
    };
    scope.draw.show("sweep-result", [trace], { xaxis: axis(short(across), { type: "category", tickmode: "auto" }), yaxis: axis(short(up), { type: "category" }), showlegend: false });
    const most = Math.max(0, ...cells.flat().map((one) => (one ? one.count : 0)));
    const told = most < 1 ? "no job has succeeded yet" : most > 1 ? `the mean of up to ${most} jobs a cell` : "one job a cell: what tells them apart may be chance, another seed moves it";
    byId("sweep-about").textContent = `${called(measure)}, ${told}`;
  }

  // What was swept but the seed, each with the jobs of all its seeds.
  function settings() {
    const found = new Map();
    for (const job of page.sweep.jobs) {
      const key = JSON.stringify(chosen().map((path) => groupOf(job, path)));
      found.set(key, [...(found.get(key) || []), job]);
    }
    return [...found.values()];
  }

  const chosen = () => fields().filter((path) => path !== "spec.seed");

  // By the means over seeds: the best single job would be its seed's luck.
  function best() {
    const [name, sense, held] = ["sweep-best", "sweep-sense", "sweep-held"].map((id) => byId(id).value);
    const least = byId("sweep-least").value === "" ? -Infinity : Number(byId("sweep-least").value);
    const of = (jobs, one) => mean(jobs.map((job) => result(job, one)));
    const done = settings().map((jobs) => ({ jobs, value: of(jobs, name), held: of(jobs, held) })).filter((one) => one.value);
    const fit = done.filter((one) => least === -Infinity || (one.held && one.held.middle >= least));
    const sign = sense === "smallest" ? -1 : 1;
    const winner = fit.reduce((top, one) => (!top || sign * one.value.middle > sign * top.value.middle ? one : top), null);
    const seeds = fields().includes("spec.seed");
    const what = seeds ? "settings" : "jobs";
    const place = byId("sweep-winner");
    if (!winner) {
      place.textContent = done.length ? `None of ${done.length} ${what} has ${called(held)} of at least ${least}.` : "No job has succeeded yet.";
      return;
    }
    const { jobs, value } = winner;
    const told = chosen().map((path) => `${short(path)} ${text(jobs[0].values[path])}`).join(", ") || "All seeds";
    const href = jobs.length > 1 ? `/compare?jobs=${jobs.map((job) => job.id).join(",")}` : `/jobs/${jobs[0].id}`;
    const shown = [[name, value], ...(held === name || !winner.held ? [] : [[held, winner.held]])].map(([one, found]) => `${called(one)} ${about(one, found)}`).join(", ");
    const equal = fit.filter((one) => one.value.middle === value.middle).length;
    const tied = equal > 1 ? `; ${equal - 1} more ${equal > 2 ? "are" : "is"} as good` : "";
    const over = seeds ? `mean of ${value.count} of ${jobs.length} seeds${value.count > 1 ? " ± one standard deviation" : ""}; ` : "";
    place.replaceChildren(element("a", told, { href }), `: ${shown} (${over}${fit.length} of ${done.length} ${what} fit${tied})`);
  }

  const about = (name, { middle, spread, count }) => said(name, middle) + (count > 1 ? ` ± ${said(name, spread)}` : "");

  // A job's name without the sweep's, with which all of them begin.
  function own(job) {
    const before = `${page.sweep.name} · `;
    return (job.name || job.id).startsWith(before) ? job.name.slice(before.length) : job.name || job.id;
  }

  function table() {
    const names = [...new Set([byId("sweep-measure").value, "test/accuracy", "norm/intrinsic"])].filter((name) => measures().includes(name));
    const head = element("tr", null);
    head.append(...["Job", "State", ...fields().map(short), ...names.map(called)].map((word) => element("th", word, { scope: "col" })));
    const rows = page.sweep.jobs.map((job) => {
      const row = element("tr", null);
      const link = element("td", null);
      link.append(element("a", own(job), { href: `/jobs/${job.id}` }));
      row.append(link, element("td", job.state), ...fields().map((path) => element("td", groupOf(job, path))));
      row.append(...names.map((name) => element("td", Number.isFinite(measured(job, name)) ? said(name, measured(job, name)) : "–", { className: "number" })));
      return row;
    });
    byId("sweep-jobs").replaceChildren(head, ...rows);
  }

  function say() {
    const { counts, done, jobs } = page.sweep;
    byId("sweep-bar").style.transform = `scaleX(${done})`;
    byId("sweep-bar").parentElement.setAttribute("aria-valuenow", String(Math.round(100 * done)));
    byId("sweep-said").textContent = Object.entries(counts).map(([state, count]) => `${count} ${state}`).join(" · ");
    byId("sweep-cancel").hidden = jobs.every((job) => ENDED.includes(job.state));
  }

  function all() {
    if (!byId("sweep")) return;
    say();
    choices();
    draw();
    best();
    table();
  }

  // --- a page begins, and goes on while jobs run --------------------------------------------------------
  function start() {
    stops.forEach((end) => end());
    stops = [];
    const place = document.querySelector("[data-sweep]");
    if (!place) return null;
    page = { ...JSON.parse(place.dataset.sweep), timer: 0 };
    all();
    if (page.sweep.jobs.some((job) => !ENDED.includes(job.state))) {
      stops = [scope.events.on("state", changed), scope.events.on("opened", soon), scope.events.open({ owner: place })];
    }
    return Date.now();
  }

  function changed(job) {
    if (page && page.sweep.jobs.some((one) => one.id === job.id)) soon();
  }

  function soon() {
    if (!byId("sweep")) return; // its reader has gone on
    page.timer = page.timer || window.setTimeout(() => {
      page.timer = 0;
      renew(page).catch(() => {}); // the banner says when the API is away; "opened" asks again
    }, 1000);
  }

  async function renew(mine) {
    const answer = await fetch(`/api/v1/sweeps/${mine.sweep.id}`);
    if (!answer.ok || page !== mine) return;
    mine.sweep = await answer.json();
    all();
    if (mine.sweep.jobs.every((one) => ENDED.includes(one.state))) stops.forEach((end) => end());
  }

  function csv() {
    const names = measures();
    const head = ["id", "state", ...fields(), ...names];
    const rows = page.sweep.jobs.map((job) => [job.id, job.state, ...fields().map((path) => groupOf(job, path)), ...names.map((name) => (name === "robust accuracy" ? page.robust[job.id] : job.summary[name]) ?? "")]);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([scope.csv([head, ...rows])], { type: "text/csv" }));
    link.download = `sweep-${page.sweep.id}.csv`;
    link.click();
  }

  document.addEventListener("input", (event) => {
    if (!page || !byId("sweep")) return;
    if (PICKS.includes(event.target.id) || event.target.id === "sweep-least") {
      choices();
      draw();
      best();
      table();
    }
  });
  document.addEventListener("click", async (event) => {
    if (!page || !byId("sweep")) return;
    if (event.target.id === "sweep-csv") csv();
    if (event.target.id === "sweep-cancel") byId("sweep-confirm").showModal();
    if (event.target.id === "sweep-confirm-yes") {
      page.sweep = await scope.post(`/sweeps/${page.sweep.id}/cancel`, {});
      all();
    }
  });

  scope.sweep = { scatter };
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.sweep = { start };
})();
