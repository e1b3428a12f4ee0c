// Feeds the plots of a job's page: events come in, wait in a log, and reach each plot by
// Plotly.extendTraces at most once a frame. A trace is found by its `meta`: series and role.
(function () {
  "use strict";

  const SPACING_MS = 60;
  const HIDDEN_MS = 1000; // for plots off the screen, and while the tab is hidden
  const KEPT = 20000;
  const PACE_SPACING_S = 0.25;
  const scope = (window.normscope = window.normscope || {});
  let page = null;
  let frame = 0;
  let flushed = 0;
  let cost = 0;
  let stops = [];
  let ticking = 0;

  const number = (value) => (typeof value === "number" ? value : NaN);
  const plots = () => [...document.querySelectorAll(".plot-card .js-plotly-plot")];

  // --- what comes in ------------------------------------------------------------------------
  function measured(batch) {
    if (!page || batch.job !== page.job) return;
    scope.readout.heard(page);
    if (batch.attempt > page.attempt) return again(batch.attempt);
    for (const item of batch.items) {
      if (item.attempt === page.attempt) {
        if (item.shape === "scalar") scalar(item);
        else shaped(item);
      }
    }
    ask();
  }

  // The next attempt tells: what the one before told is gone, whatever state was told last.
  function again(attempt) {
    const fresh = { log: {}, latest: {}, first: {}, pace: [], rate: null, until: 0, gap: 0, asked: new Set(), progress: null, began: null };
    Object.assign(page, fresh, { attempt, state: "running" });
    scope.readout.became(page);
    renew("plots");
    renew("head");
  }

  function scalar(item) {
    page.began = page.began ?? item.time;
    item.seconds = Math.round((item.time - page.began) * 1000) / 1000;
    const log = (page.log[item.name] = page.log[item.name] || []);
    log.push(item);
    if (log.length > KEPT) {
      log.splice(0, KEPT / 2);
      page.trimmed = true;
    }
    page.latest[item.name] = item.value;
    if (!(item.name in page.first)) page.first[item.name] = item.value;
    walked(item);
    if (!page.drawn.has(item.name) && !/(^|\/)progress$/.test(item.name)) unknown(item.name);
  }

  // Where the training was when: the newest point, and before it one for each PACE_SPACING_S.
  function walked({ step, epoch, time }) {
    const [before, last] = page.pace.slice(-2);
    const newest = last || before;
    if (newest && step <= newest.step) return;
    if (last && last.time - before.time < PACE_SPACING_S) page.pace.pop();
    page.pace.push({ step, epoch, time });
    if (page.pace.length > 400) page.pace.splice(0, 200);
  }

  function unknown(name) {
    if (page.asked.has(name)) return;
    page.asked.add(name);
    renew("plots");
  }

  function shaped(item) {
    for (const gd of plots()) {
      (gd.data || []).forEach((trace, index) => {
        const meta = trace.meta;
        if (!meta || meta.series !== item.name || !REDRAW[meta.role]) return;
        page.drawn.add(item.name);
        const said = gd.closest(".plot-card").querySelector("[data-at-step]");
        if (said) said.textContent = `at step ${item.step}`;
        scope.axes.own(gd);
        Plotly.restyle(gd, REDRAW[meta.role](item.value), [index]);
      });
    }
    const places = [...document.querySelectorAll("[data-measurement]")];
    const shown = places.some((place) => place.dataset.measurement.split(" ").includes(item.name));
    if (shown) renew("plots");
    else if (!page.drawn.has(item.name)) unknown(item.name);
  }

  // A shape's next value takes the place of the one before.
  const heights = (values) => values.map((value) => (Number.isFinite(value) ? value : null));
  const REDRAW = {
    surface: (value) => ({ x: [value.x], y: [value.y], z: [value.z.map(heights)] }),
    curve: (value) => ({ x: [value.x], y: [heights(value.y)] }),
    band: (value) => ({
      x: [[...value.x, ...[...value.x].reverse()]],
      y: [[...heights(value.high), ...heights(value.low).reverse()]],
    }),
    histogram: (value) => ({
      x: [value.counts.map((_, at) => (value.edges[at] + value.edges[at + 1]) / 2)],
      width: [value.counts.map((_, at) => value.edges[at + 1] - value.edges[at])],
      y: [heights(value.counts)],
    }),
  };

  // Ask the server for a part of the page anew: at once, then at most every 1.2 s.
  function renew(part) {
    const wait = Math.max(0, (page.renewed[part] || 0) + 1200 - Date.now());
    if (page.renewing[part]) return;
    page.renewing[part] = window.setTimeout(() => {
      if (!page || !document.getElementById(page.owner)) return;
      page.renewing[part] = 0;
      page.renewed[part] = Date.now();
      const query = scope.plots.query();
      window.dash_clientside.set_props(page.renews[part], { data: { at: Date.now(), query } });
    }, wait);
  }

  function state(job) {
    if (!page || job.id !== page.job) return;
    scope.readout.heard(page);
    if (job.attempt >= page.attempt && job.progress) page.progress = job.progress;
    // A point may have come before its state: only what was told is compared with what is told.
    const told = `${job.attempt} ${job.state}`;
    if (told !== page.told) {
      Object.assign(page, { told, state: job.state });
      if (job.progress && job.progress.steps) page.steps = job.progress.steps;
      scope.readout.became(page);
      renew("head");
      if (ended()) window.setTimeout((close) => ended() && close(), 4000, page.close);
    }
    ask();
  }

  const ended = () => page && ["succeeded", "failed", "cancelled"].includes(page.state);

  // --- what goes out: at most once a frame --------------------------------------------------
  function ask() {
    if (frame) return;
    const wait = Math.max(0, flushed + Math.max(SPACING_MS, 2 * cost) - performance.now());
    frame = window.setTimeout(
      () => (document.hidden ? flush() : window.requestAnimationFrame(flush)),
      document.hidden ? HIDDEN_MS : wait
    );
  }

  function flush() {
    frame = 0;
    if (!page) return;
    const began = performance.now();
    let later = false;
    for (const gd of plots()) {
      if (!gd.data) continue;
      const known = seeded(gd);
      if (!seen(gd) && began - known.at < HIDDEN_MS) later = true;
      else extend(gd, known, began);
    }
    scope.readout.say(page);
    flushed = performance.now();
    cost = flushed - began;
    if (later) window.setTimeout(ask, HIDDEN_MS);
  }

  function seen(gd) {
    const box = gd.getBoundingClientRect();
    return box.bottom > 0 && box.top < window.innerHeight;
  }

  // What is known of a plot, made anew whenever Dash gave it a new figure.
  function seeded(gd) {
    if (gd.normscope && gd.normscope.data === gd.data) return gd.normscope;
    const traces = [];
    gd.data.forEach((trace, index) => {
      const meta = trace.meta;
      if (!meta || !meta.series) return;
      page.drawn.add(meta.series);
      if (meta.role !== "line" && meta.role !== "smooth") return;
      const last = trace.y.length ? number(trace.y[trace.y.length - 1]) : NaN;
      traces.push({ index, trace, meta, at: 0, mean: last, weight: Number.isFinite(last) ? scope.series.steady(meta.tau, meta.step) : 0 });
    });
    const known = { data: gd.data, traces, at: 0, said: new Set(), mine: false, own: { x: true, y: true }, box: null };
    scope.axes.own(gd);
    gd.normscope = known;
    return known;
  }

  function extend(gd, known, now) {
    const along = gd.layout.meta && gd.layout.meta.along;
    const indices = [];
    const update = { x: [], y: [] };
    for (const one of known.traces) {
      const found = added(gd, known, one);
      if (!found.y.length) continue;
      indices.push(one.index);
      update.x.push(found[along] || found.step);
      update.y.push(found.y);
    }
    if (!indices.length) return;
    known.at = now;
    Plotly.extendTraces(gd, update, indices);
    known.data = gd.data;
    scope.axes.grow(gd, known, update, page);
    if (known.traces.some((one) => one.meta.step.length > scope.series.MOST_POINTS)) scope.series.thin(gd, known, along);
  }

  // The points of a trace's series that it does not show yet; its meta remembers them.
  function added(gd, known, one) {
    const log = page.log[one.meta.series] || [];
    const found = { step: [], epoch: [], time: [], y: [] };
    if (page.trimmed) one.at = 0;
    for (; one.at < log.length; one.at += 1) {
      const item = log[one.at];
      if (item.seq <= one.meta.seq) continue;
      const value = number(item.value);
      const y = one.meta.role === "smooth" ? scope.series.smooth(one, item.step, value) : value;
      found.step.push(item.step);
      found.epoch.push(item.epoch);
      found.time.push(item.seconds);
      found.y.push(Number.isFinite(y) ? y : null);
      if (!Number.isFinite(value)) scope.axes.broke(gd, known, one, item);
      one.meta.seq = item.seq;
    }
    for (const measure of scope.series.X) one.meta[measure].push(...found[measure]);
    return found;
  }

  // --- a page begins -------------------------------------------------------------------------
  // `told`: what the server says of the job whose plots are on the page.
  function start(told) {
    stop();
    const owner = told && document.getElementById(told.owner);
    if (!owner) return null;
    page = {
      log: {}, latest: {}, first: {}, pace: [], progress: null, asked: new Set(), drawn: new Set(),
      renewed: {}, renewing: {}, close: () => {}, trimmed: false, heard: Date.now(), gap: 0, ...told,
    };
    if (told.eta) page.until = Date.now() / 1000 + told.eta;
    if (told.name) document.title = `${told.name} – Normscope`;
    stops = [
      scope.events.on("measured", measured),
      scope.events.on("state", state),
      scope.events.on("offline", ({ lastPoint }) => scope.readout.stale(true, lastPoint)),
      scope.events.on("online", () => scope.readout.stale(false)),
    ];
    if (!ended()) {
      page.close = scope.events.open({ jobs: [told.job], after: { [told.job]: told.after }, owner });
      stops.push(page.close);
    }
    ticking = window.setInterval(tick, 1000);
    ask();
    return Date.now();
  }

  // A figure that Dash mounts late, or renews from what the server knew before, may come after the
  // last event: it still has to be given what was heard since.
  function tick() {
    if (!page) return;
    scope.readout.progress(page);
    const places = [...document.querySelectorAll(".plot-card .plot-place")];
    const current = (gd) => gd && gd.data && gd.normscope && gd.normscope.data === gd.data;
    if (!places.every((place) => current(place.querySelector(".js-plotly-plot")))) ask();
  }

  function stop() {
    stops.forEach((end) => end());
    stops = [];
    page = null;
    window.clearTimeout(frame);
    window.clearInterval(ticking);
    frame = 0;
  }

  scope.live = { start, stop, ask, get page() { return page; } };
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.live = { start };
})();
