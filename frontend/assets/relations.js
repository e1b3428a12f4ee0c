// Final values against each other with Kendall's tau, and a line a job through all that differs.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const FEWEST = 5;

  // A measurement's last value, or one of the values that follow from several.
  function final(job, name) {
    const number = (key) => (typeof job.summary[key] === "number" ? job.summary[key] : NaN);
    return name === "generalization gap" ? number("train/accuracy") - number("test/accuracy") : number(name);
  }

  function draw(page) {
    scatter(page);
    if (page.paths.length) parallel(page);
  }

  function scatter(page) {
    const { left, up } = page.choice;
    const { of } = scope.overlay.groups(page);
    const shown = page.jobs.map((job) => ({ job, x: final(job, left), y: final(job, up), ...of.get(job.id) }));
    const known = shown.filter((one) => Number.isFinite(one.x) && Number.isFinite(one.y));
    const byGroup = new Map();
    for (const one of known) {
      if (!byGroup.has(one.label)) byGroup.set(one.label, []);
      byGroup.get(one.label).push(one);
    }
    const traces = [...byGroup.entries()].map(([label, group]) => ({
      type: "scatter", mode: "markers", name: label, x: group.map((one) => one.x), y: group.map((one) => one.y),
      text: group.map((one) => one.job.name || one.job.id), marker: { color: group[0].color, size: 8 },
      hovertemplate: "%{text}<br>%{x:.4~g}, %{y:.4~g}<extra></extra>",
    }));
    const axis = (title) => ({ title: { text: title, font: { size: 11.5, color: scope.draw.color("soft") } }, autorange: true });
    scope.draw.show("cmp-scatter", traces, { xaxis: axis(left), yaxis: axis(up), showlegend: byGroup.size > 1 && byGroup.size <= 10 });
    say(known, left, up, page.jobs.length);
  }

  function say(known, left, up, all) {
    const place = document.getElementById("compare-tau");
    if (!place) return;
    const missing = all - known.length;
    const rest = missing ? ` · ${missing} of ${all} jobs lack one of the two` : "";
    if (known.length < FEWEST) {
      place.textContent = `${known.length} jobs: too few for a rank correlation (${FEWEST} are needed)${rest}`;
      return;
    }
    const xs = known.map((one) => one.x);
    const ys = known.map((one) => one.y);
    const tau = scope.stats.kendall(xs, ys);
    const range = tau === null ? null : scope.stats.interval(xs, ys);
    const round = (value) => value.toFixed(2).replace("-", "−");
    place.textContent =
      tau === null ? `one of the two does not vary${rest}`
      : `Kendall’s τ ${round(tau)}${range ? `, 95 % interval ${round(range[0])} to ${round(range[1])} (bootstrap over jobs)` : ""} · ${known.length} jobs${rest}`;
  }

  // --- parallel coordinates: every axis scaled to its own ends -----------------------------------------
  function parallel(page) {
    const paths = page.paths.filter((path) => path !== "seed" || page.paths.length === 1).slice(0, 8);
    const axes = [...paths.map((path) => axis(page, path, (job) => job.spec[path])), axis(page, page.choice.up, (job) => final(job, page.choice.up))];
    const { of } = scope.overlay.groups(page);
    const traces = page.jobs.map((job) => ({
      type: "scatter", mode: "lines+markers", name: job.name || job.id, showlegend: false,
      x: axes.map((_, at) => at), y: axes.map((one) => one.place(job)),
      text: axes.map((one) => `${one.title}: ${one.said(job)}`), line: { color: of.get(job.id).color, width: 1.3 }, marker: { size: 4 }, opacity: 0.75,
      hovertemplate: `%{text}<extra>${(job.name || job.id).replace(/[<>%{}]/g, " ")}</extra>`,
    }));
    const annotations = axes.flatMap((one, at) => [
      { x: at, y: 1.2, text: one.title.split(".").slice(-2).join("."), showarrow: false, font: { size: 11.5 } },
      ...one.ticks.map(([place, text]) => ({ x: at, y: place, text, showarrow: false, xshift: 5, yshift: place > 0.5 ? 8 : -8, xanchor: "left", font: { size: 10.5, color: scope.draw.color("soft") } })),
    ]);
    const shapes = axes.map((_, at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, line: { color: scope.draw.color("zero"), width: 1 } }));
    scope.draw.show("cmp-parallel", traces, {
      annotations, shapes, xaxis: { visible: false, range: [-0.15, axes.length - 0.6] }, yaxis: { visible: false, range: [-0.14, 1.26] },
    });
  }

  function axis(page, title, read) {
    const values = page.jobs.map(read);
    const known = values.filter((value) => value !== undefined && value !== null && !Number.isNaN(value));
    const numeric = known.length && known.every((value) => typeof value === "number");
    return numeric ? scaled(title, read, known) : listed(title, read, [...new Set(known.map(String))]);
  }

  function scaled(title, read, known) {
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const log = low > 0 && high / low > 50;
    const to = (value) => (log ? Math.log(value) : value);
    const place = (value) => (high === low ? 0.5 : (to(value) - to(low)) / (to(high) - to(low)));
    const ticks = high === low ? [[0.5, scope.draw.number(low, 3)]] : [low, high].map((value) => [place(value), scope.draw.number(value, 3)]);
    const known_ = (job) => typeof read(job) === "number" && Number.isFinite(read(job));
    return { title, ticks, place: (job) => (known_(job) ? place(read(job)) : null), said: (job) => (known_(job) ? scope.draw.number(read(job)) : "–") };
  }

  function listed(title, read, names) {
    const place = (name) => (names.length < 2 ? 0.5 : names.indexOf(name) / (names.length - 1));
    const said = (job) => (read(job) === undefined || read(job) === null ? "–" : String(read(job)));
    const cut = (name) => (name.length > 18 ? `${name.slice(0, 17)}…` : name);
    return { title, ticks: names.slice(0, 12).map((name) => [place(name), cut(name)]), place: (job) => (names.includes(said(job)) ? place(said(job)) : null), said };
  }

  scope.relations = { draw, final };
})();
