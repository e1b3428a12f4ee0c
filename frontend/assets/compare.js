// The Compare page: fetches the chosen measurements of all jobs as columns, keeps them growing while
// jobs run, and has them drawn. What is chosen stays in the address.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const LIVE_MS = 1000;
  const SHARE = 6; // times as long as the last drawing took
  const HEARD = 20000; // points told of late: those that a reading of the store does not have yet
  const byId = (id) => document.getElementById(id);
  const ENDED = ["succeeded", "failed", "cancelled"];
  const COLUMNS = ["step", "epoch", "time", "value"];
  const NONE = { jobs: [], names: [], found: Promise.resolve(null) };
  let page = null;
  let read = NONE; // what was asked for as soon as the address was known
  let stops = [];

  // --- what is fetched ---------------------------------------------------------------------------
  const { points } = scope.early;

  async function overlay(jobs, names, range = "") {
    const answer = await scope.early.take(scope.early.overlay(jobs, names, page ? page.jobs.length : jobs.length, range)).answer;
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.detail || answer.statusText);
    return found;
  }

  const ids = () => page.jobs.map((job) => job.id);

  // The curves are on their way while the page is made.
  function ahead(asked) {
    const { jobs, names } = asked;
    read = jobs.length ? { jobs, names, found: overlay(jobs, names).catch(() => null) } : NONE;
    return window.dash_clientside.no_update;
  }

  // What was read ahead counts for jobs that have measured nothing since; the others are read again.
  async function items(names) {
    const early = names.every((name) => read.names.includes(name)) ? await read.found : null;
    const same = (job) => early && early.cursors[job] === page.byId[job].cursor;
    const known = early ? early.items.filter((item) => names.includes(item.name) && page.byId[item.job] && same(item.job)) : [];
    const rest = ids().filter((job) => !same(job));
    return rest.length ? [...known, ...(await overlay(rest, names)).items] : known;
  }

  // A stretch of a series counts its seconds from where the whole of it began.
  function column(item) {
    const known = page.columns[item.name] && page.columns[item.name].get(item.job);
    const began = known ? known.began : item.time[0];
    const number = (value) => (typeof value === "number" ? value : NaN);
    return { ...item, time: item.time.map((time) => time - began), began, value: item.value.map(number) };
  }

  async function load(names) {
    const missing = names.filter((name) => !page.columns[name]);
    if (!missing.length) return;
    try {
      const mine = page;
      const found = await items(missing);
      if (page !== mine) return;
      for (const name of missing) page.columns[name] = new Map();
      for (const item of found.map(column)) page.columns[item.name].set(item.job, item);
      for (const { job, item } of page.heard) if (missing.includes(item.name)) take(page.columns[item.name], job, item);
    } catch (error) {
      notes(missing, `This measurement could not be read: ${error.message}`);
    }
  }

  // A reader zoomed in: the same stretch at full resolution.
  async function zoom(name, low, high) {
    const mine = (page.zoomed[name] = (page.zoomed[name] || 0) + 1);
    const stretch = steps(name, low, high);
    if (!stretch) return;
    try {
      const found = await overlay(ids(), [name], `&from=${stretch[0]}&to=${stretch[1]}`);
      if (!page || page.zoomed[name] !== mine) return;
      scope.overlay.draw(page, name, new Map(found.items.map(column).map((item) => [item.job, item])));
    } catch (error) {
      notes([name], `This stretch could not be read: ${error.message}`);
    }
  }

  // The steps of all jobs between two places on the x axis, and one known point to either side, so
  // that lines go on to the edges.
  function steps(name, low, high) {
    let [from, to] = [Infinity, -Infinity];
    for (const column of (page.columns[name] || new Map()).values()) {
      const x = column[page.choice.along];
      const first = x.findIndex((value) => value >= low);
      const after = x.findIndex((value) => value > high);
      if (first < 0 || after === 0) continue;
      from = Math.min(from, column.step[Math.max(0, first - 1)]);
      to = Math.max(to, column.step[after < 0 ? x.length - 1 : after]);
    }
    return from <= to ? [from, to] : null;
  }

  function whole(name) {
    page.zoomed[name] = (page.zoomed[name] || 0) + 1;
    scope.overlay.draw(page, name);
  }

  function notes(names, text) {
    for (const name of names) {
      const card = byId(`card-${scope.overlay.key(name)}`);
      const place = card && card.querySelector("[data-thinned]");
      if (place) place.textContent = text;
    }
  }

  // --- what comes in while jobs run ----------------------------------------------------------------
  function measured(batch) {
    if (!page || !page.byId[batch.job]) return;
    for (const item of batch.items) {
      if (item.shape !== "scalar") continue;
      page.byId[batch.job].summary[item.name] = item.value;
      page.heard.push({ job: batch.job, item });
      if (page.columns[item.name]) take(page.columns[item.name], batch.job, item);
    }
    if (page.heard.length > HEARD) page.heard.splice(0, HEARD / 2);
    if (!page.timer) page.timer = window.setTimeout(flush, page.pause);
  }

  function take(known, job, item) {
    const mine = known.get(job) || fresh(known, job, item);
    if (item.attempt < mine.attempt || (item.attempt === mine.attempt && item.seq <= mine.seq)) return;
    if (item.attempt > mine.attempt) cut(mine, item);
    mine.step.push(item.step);
    mine.epoch.push(item.epoch);
    mine.time.push(item.time - mine.began);
    mine.value.push(typeof item.value === "number" ? item.value : NaN);
    mine.attempt = item.attempt;
    mine.seq = item.seq;
    if (mine.value.length > 2 * points(page.jobs.length)) thin(mine);
    page.changed.add(item.name);
  }

  // A long watch must not slow the page: half of the points give way, extremes stay.
  function thin(mine) {
    const gaps = mine.value.map((value) => (Number.isFinite(value) ? value : null));
    const kept = scope.series.extremes(gaps, 4);
    for (const name of COLUMNS) mine[name] = kept.map((at) => mine[name][at]);
    mine.downsampled = true;
  }

  function fresh(known, job, item) {
    const made = { job, name: item.name, step: [], epoch: [], time: [], value: [], began: item.time, attempt: item.attempt, seq: 0 };
    known.set(job, made);
    return made;
  }

  // A later attempt goes over the same steps again: its points take the place of the earlier one's.
  function cut(mine, item) {
    const keep = mine.step.findIndex((step) => step >= item.step);
    if (keep < 0) return;
    for (const name of COLUMNS) mine[name].length = keep;
  }

  // Drawing takes a share of the time at most, however many points there are.
  async function flush() {
    const mine = page;
    const began = performance.now();
    const names = [...mine.changed].filter((name) => mine.choice.names.includes(name) && !mine.close[name]);
    mine.changed.clear();
    try {
      await Promise.all(names.map((name) => scope.overlay.draw(mine, name)));
      await scope.relations.draw(mine);
    } finally {
      mine.pause = Math.max(LIVE_MS, SHARE * (performance.now() - began));
      mine.timer = page === mine && mine.changed.size ? window.setTimeout(flush, mine.pause) : 0;
    }
  }

  function state(job) {
    const mine = page && page.byId[job.id];
    if (!mine) return;
    mine.state = job.state;
    mine.summary = { ...job.summary, ...mine.summary };
    if (!page.timer) page.timer = window.setTimeout(flush, page.pause);
  }

  // --- a page begins, a choice is made ---------------------------------------------------------------
  // The lines first, as the address asks for them; then all else.
  async function start(told) {
    stop();
    if (!told || !byId("compare-page")) return null;
    page = {
      ...told, byId: Object.fromEntries(told.jobs.map((job) => [job.id, job])),
      columns: {}, heard: [], changed: new Set(), zoomed: {}, close: {}, timer: 0, pause: LIVE_MS,
    };
    listen(page.jobs.filter((job) => !ENDED.includes(job.state)).slice(0, 50));
    const mine = page;
    await show(mine);
    mine.shown = true;
    return page === mine ? Date.now() : null;
  }

  function listen(running) {
    stops = [scope.events.on("measured", measured), scope.events.on("state", state)];
    if (!running.length) return;
    const after = Object.fromEntries(running.map((job) => [job.id, job.cursor]));
    stops.push(scope.events.open({ jobs: running.map((job) => job.id), after, owner: byId("compare-page") }));
  }

  async function show(mine, turned = false) {
    await load(mine.choice.names);
    await Promise.all(mine.choice.names.map((name) => scope.overlay.draw(mine, name, (!turned && mine.close[name]) || null)));
    window.requestAnimationFrame(() =>
      window.setTimeout(() => {
        if (page !== mine) return;
        address(mine.choice);
        scope.relations.draw(mine);
      }),
    );
  }

  // The controls take longer to make than the lines: they come once these are seen.
  async function later(live, controls) {
    const mine = page;
    await new Promise((done) => window.requestAnimationFrame(() => window.setTimeout(done)));
    const none = window.dash_clientside.no_update;
    return live && page === mine ? controls : [none, none];
  }

  function stop() {
    stops.forEach((end) => end());
    stops = [];
    if (page) window.clearTimeout(page.timer);
    page = null;
  }

  async function choose(color, dash, facet, band, smooth, along, left, up, names) {
    if (page) {
      const wanted = { color, dash, facet, band, smooth: Number(smooth) || 0, along, left, up, names: names || [] };
      const same = Object.keys(wanted).every((key) => String(wanted[key]) === String(page.choice[key]));
      const turned = page.choice.along !== along;
      page.choice = wanted;
      if (!same) await show(page, turned);
    }
    return window.dash_clientside.no_update;
  }

  // Cards came or went: a place that was another card's, or is new, has nothing drawn yet.
  async function placed() {
    const drawn = (name) => scope.chart.all().some((chart) => chart.spec && chart.key === scope.overlay.key(name) && chart.card.id === `card-${chart.key}`);
    if (page && page.shown && !page.choice.names.every(drawn)) await show(page);
    return window.dash_clientside.no_update;
  }

  function address({ color, dash, facet, band, smooth, along, left, up, names }) {
    scope.plots.setQueries({
      name: names.length ? names.join(",") : null, color, left, up,
      dash: dash === "none" ? null : dash, facet: facet === "none" ? null : facet,
      band: band ? "1" : null, smooth: smooth ? String(smooth) : null, x: along === "step" ? null : along,
    });
  }

  // --- the table as CSV --------------------------------------------------------------------------------
  function csv() {
    const names = [...new Set(page.jobs.flatMap((job) => Object.keys(job.summary)))].sort();
    const head = ["id", "name", "state", ...page.paths, ...names];
    const rows = page.jobs.map((job) => [job.id, job.name, job.state, ...page.paths.map((path) => job.spec[path]), ...names.map((name) => job.summary[name])]);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([scope.csv([head, ...rows])], { type: "text/csv" }));
    link.download = "compare.csv";
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  document.addEventListener("click", (event) => {
    if (page && event.target.id === "compare-csv") csv();
  });

  scope.compare = { zoom, whole, get page() { return page; } };
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.compare = { ahead, start, later, choose, placed };
})();
