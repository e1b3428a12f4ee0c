// Final values against each other with Kendall's tau, and a line a job through all that differs.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const FEWEST = 5;
  const MOST_TICKS = 7;
  const MOST_LABELS = 10;

  // A measurement's last value, or one of the values that follow from several.
  function final(job, name) {
    const number = (key) => (typeof job.summary[key] === "number" ? job.summary[key] : NaN);
    return name === "generalization gap" ? number("train/accuracy") - number("test/accuracy") : number(name);
  }

  async function draw(page) {
    const drawn = [scatter(page)];
    if (page.paths.length) drawn.push(parallel(page));
    await Promise.all(drawn);
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
    const legend = byGroup.size > 1 && byGroup.size <= MOST_LABELS;
    // Without a legend one trace holds all: a trace costs more than a hundred points.
    const traces = (byGroup.size > MOST_LABELS ? [["jobs", known]] : [...byGroup.entries()]).map(([label, group]) => ({
      type: "scatter", mode: "markers", name: label, x: group.map((one) => one.x), y: group.map((one) => one.y),
      text: group.map((one) => one.job.label), marker: { color: group.map((one) => one.color), size: 8 },
      hovertemplate: "%{text}<br>%{x:.4~g}, %{y:.4~g}<extra></extra>",
    }));
    const axis = (title) => ({ title: { text: title, font: { size: 11.5, color: scope.draw.color("soft") } }, autorange: true });
    say(known, left, up, page.jobs.length);
    return scope.draw.show("cmp-scatter", traces, { xaxis: axis(left), yaxis: axis(up), showlegend: legend, legend: { title: scope.overlay.titled(page.choice.color) } });
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
    // A parameter that only some jobs have, at one value, says no more than what it is a parameter of.
    const values = (path) => new Set(page.jobs.map((job) => job.spec[path]).filter((value) => value !== undefined && value !== null).map(String));
    const told = page.paths.filter((path) => (path !== "seed" || page.paths.length === 1) && values(path).size > 1);
    const paths = (told.length ? told : page.paths).slice(0, 6);
    const axes = [...paths.map((path) => axis(page, path, (job) => job.spec[path])), axis(page, page.choice.up, (job) => final(job, page.choice.up))];
    const { of } = scope.overlay.groups(page);
    const traces = page.jobs.map((job) => ({
      type: "scatter", mode: "lines+markers", name: job.label, showlegend: false,
      x: axes.map((_, at) => at), y: axes.map((one) => one.place(job)),
      text: axes.map((one) => `${one.title}: ${one.said(job)}`), line: { color: of.get(job.id).color, width: 1.6 }, marker: { size: 6 }, opacity: 0.8,
      hovertemplate: `%{text}<extra>${scope.overlay.plainly(job.label)}</extra>`,
    }));
    const last = axes.length - 1;
    const ends = (at) => (at === 0 ? "left" : at === last ? "right" : "center");
    const font = { size: 10.5, color: scope.draw.color("soft") };
    const annotations = axes.flatMap((one, at) => [
      { x: at, y: 1.16, text: title(one, at === last), showarrow: false, xanchor: ends(at), font: { size: 11.5 } },
      ...one.ticks.map(([place, text]) => ({ x: at, y: place, text, showarrow: false, xshift: at === last ? 7 : -7, xanchor: at === last ? "left" : "right", font })),
    ]);
    const shapes = axes.map((_, at) => ({ type: "line", x0: at, x1: at, y0: -0.03, y1: 1.03, line: { color: scope.draw.color("zero"), width: 1.2 } }));
    const margin = { l: 64, r: 64, t: 12, b: 16 };
    const bare = { visible: false, fixedrange: true, automargin: false, autorange: false };
    return scope.draw.show("cmp-parallel", traces, {
      annotations, shapes, margin, xaxis: { ...bare, range: [-0.04, last + 0.04] }, yaxis: { ...bare, range: [-0.08, 1.24] },
    });
  }

  function title(one, result) {
    const words = `${one.title.split(".").slice(-2).join(".")}${one.log ? " (log)" : ""}`;
    return result ? `<b>${words}</b>` : words;
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
    const each = [...new Set(known)];
    const marked = each.length <= MOST_TICKS ? each : [low, high];
    const ticks = marked.map((value) => [place(value), brief(value)]).filter(([at], index, all) => !all.slice(0, index).some(([other]) => Math.abs(other - at) < 0.07));
    const known_ = (job) => typeof read(job) === "number" && Number.isFinite(read(job));
    return { title, log, ticks, place: (job) => (known_(job) ? place(read(job)) : null), said: (job) => (known_(job) ? scope.draw.number(read(job)) : "–") };
  }

  // As a person wrote it where that is short.
  const brief = (value) => (String(value).length <= 7 ? String(value) : scope.draw.number(value, 3));

  function listed(title, read, names) {
    const place = (name) => (names.length < 2 ? 0.5 : names.indexOf(name) / (names.length - 1));
    const said = (job) => (read(job) === undefined || read(job) === null ? "–" : String(read(job)));
    const cut = (name) => (name.length > 18 ? `${name.slice(0, 17)}…` : name);
    return { title, ticks: names.slice(0, 12).map((name) => [place(name), cut(name)]), place: (job) => (names.includes(said(job)) ? place(said(job)) : null), said };
  }

  scope.relations = { draw, final };
})();
