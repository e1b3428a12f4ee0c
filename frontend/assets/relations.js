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
    if (name !== "generalization gap") return number(name);
    // Until a job has succeeded, its training accuracy is of one batch: no gap could be told by it.
    return job.state === "succeeded" ? number("train/accuracy") - number("test/accuracy") : NaN;
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
    const marks = [...byGroup.entries()].map(([label, group]) => ({
      kind: "points", panel: 0, name: label, group: label, color: group[0].color, size: 4, x: group.map((one) => one.x), y: group.map((one) => one.y),
      labels: group.map((one) => one.job.label), said: (at) => `${group[at].job.label}: ${scope.draw.number(group[at].x)}, ${scope.draw.number(group[at].y)}`,
    }));
    say(known, left, up, page.jobs.length);
    return show("cmp-scatter", {
      panels: [""], marks, pick: "near", x: { title: called(page, left), pad: true }, y: { title: called(page, up), pad: true },
      legend: legend ? { title: scope.overlay.titled(page, page.choice.color), entries: marks.map(({ name, group, color }) => ({ label: name, group, color })) } : null,
    });
  }

  const called = (page, name) => page.words[name] || name;

  async function show(key, spec) {
    const chart = await scope.chart.of(key);
    if (chart) chart.show(spec);
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
    const axes = [...paths.map((path) => axis(page, scope.overlay.titled(page, path), (job) => job.spec[path], (job) => scope.overlay.said(page, job, path))), axis(page, called(page, page.choice.up), (job) => final(job, page.choice.up))];
    const { of } = scope.overlay.groups(page);
    const marks = page.jobs.map((job) => ({
      kind: "line", panel: 0, name: job.label, color: of.get(job.id).color, width: 1.6, opacity: 0.8, dots: true, loose: true,
      x: axes.map((_, at) => at), y: axes.map((one) => one.place(job) ?? NaN), said: (at) => `${job.label}: ${axes[at].title} ${axes[at].said(job)}`,
    }));
    return show("cmp-parallel", {
      panels: [""], marks, bare: true, still: true, pick: "near", rules: axes.map((_, at) => at), texts: words(axes),
      x: { title: "axis", range: [0, axes.length - 1] }, y: { title: "place", range: [-0.16, 1.32] },
    });
  }

  // The axes' names above, and what stands at their ticks.
  function words(axes) {
    const last = axes.length - 1;
    const beside = (at) => (at === last ? { shift: 7, align: "left" } : { shift: -7, align: "right" });
    return axes.flatMap((one, at) => [
      { x: at, y: 1.1, words: title(one), align: "center", above: true, bold: at === last, color: "ink" },
      ...one.ticks.map(([y, text]) => ({ x: at, y, words: text, room: at % last ? 0.9 : Infinity, ...beside(at), size: 10.5, color: "soft" })),
    ]);
  }

  const title = (one) => one.title + (one.log ? " (log)" : "");

  // `say`: what a job's value is called where it is no number.
  function axis(page, title, read, say = () => "–") {
    const has = (job) => read(job) !== undefined && read(job) !== null && !Number.isNaN(read(job));
    const known = page.jobs.filter(has).map(read);
    const numeric = known.length && known.every((value) => typeof value === "number");
    return numeric ? scaled(title, read, known) : listed(title, say, [...new Set(page.jobs.filter(has).map(say))]);
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

  function listed(title, said, names) {
    const place = (name) => (names.length < 2 ? 0.5 : names.indexOf(name) / (names.length - 1));
    return { title, ticks: names.slice(0, 12).map((name) => [place(name), name]), place: (job) => (names.includes(said(job)) ? place(said(job)) : null), said };
  }

  scope.relations = { draw, final };
})();
