// One card of the Compare page: the lines of all jobs, grouped, smoothed, banded, in facets.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const CYCLE = ["vermillion", "blue", "green", "orange", "purple", "sky", "grey"];
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
  const TITLES = { step: "step", epoch: "epoch", time: "seconds since its first point" };
  const MOST_LABELS = 12;
  const ROW = 200; // pixels of a row of facets
  const key = (name) => "cmp-" + [...name].map((letter) => (/[\p{L}\p{N}]/u.test(letter) ? letter : "-")).join("");

  // --- groups: what a job is drawn as ----------------------------------------------------------------
  function value(job, path) {
    if (path === "job") return job.label;
    if (path === "none") return "all jobs";
    const found = job.spec[path];
    return found === undefined || found === null ? "–" : String(found);
  }

  // The distinct values of a path over all jobs, numbers in their order.
  function values(page, path) {
    const found = [...new Set(page.jobs.map((job) => (path === "job" ? job.id : value(job, path))))];
    const numbers = found.every((one) => one !== "" && Number.isFinite(Number(one)));
    return numbers && path !== "job" ? found.sort((a, b) => a - b) : found;
  }

  const shades = (index) => [CYCLE[index % CYCLE.length], DASHES[Math.floor(index / CYCLE.length) % DASHES.length]];

  function groups(page) {
    const { color, dash, facet } = page.choice;
    const colors = values(page, color);
    const dashes = values(page, dash);
    const facets = values(page, facet);
    const found = new Map();
    const crowd = colors.length > CYCLE.length * DASHES.length; // no two would differ: a solid line draws faster
    for (const job of page.jobs) {
      const hue = colors.indexOf(color === "job" ? job.id : value(job, color));
      const [name, turn] = shades(hue);
      const line = dash === "none" ? (crowd ? "solid" : turn) : DASHES[dashes.indexOf(value(job, dash)) % DASHES.length];
      const label = [said(page, job, color), dash === "none" ? "" : `${titled(page, dash)} ${said(page, job, dash)}`].filter(Boolean).join(", ");
      found.set(job.id, { label, color: name, dash: line, panel: facets.indexOf(value(job, facet)) });
    }
    return { of: found, facets: facet === "none" ? [""] : facets.map((one) => `${titled(page, facet)} = ${words(page, facet, one)}`) };
  }

  // A field and its value as people say them: the catalogue's titles.
  const titled = (page, path) => (path === "job" || path === "none" ? "" : page.titles[path] || path);
  const words = (page, path, raw) => (page.said[path] || {})[raw] || raw;
  const said = (page, job, path) => words(page, path, value(job, path));

  // --- lines -------------------------------------------------------------------------------------------
  // `close` has the columns of the stretch that is looked at, in the place of the whole.
  async function draw(page, name, close = null) {
    page.close[name] = close;
    const chart = await scope.chart.of(key(name));
    const columns = close || page.columns[name];
    if (!chart || !columns || scope.compare.page !== page) return;
    const { of, facets } = groups(page);
    const lines = page.jobs.filter((job) => columns.has(job.id)).map((job) => line(page, job, columns.get(job.id), of.get(job.id)));
    const marks = page.choice.band ? banded(lines) : lines.flatMap((one) => drawn(one, page.choice.smooth));
    const labels = new Map(marks.filter((mark) => !mark.quiet).map((mark) => [mark.name, mark]));
    if (chart.along !== page.choice.along) Object.assign(chart, { along: page.choice.along }).view.x = null;
    tall(chart, facets.length);
    link(chart, name);
    chart.show({
      panels: facets, marks, legend: legend(page, labels), pick: lines.length > MOST_LABELS ? "near" : "x",
      x: { title: TITLES[page.choice.along], zero: !close }, y: { title: chart.card.dataset.axis || name },
    });
    say(chart, columns, lines.length, page, labels.size);
  }

  function line(page, job, column, group) {
    return { ...group, job: job.id, told: job.label, x: column[page.choice.along], y: column.value };
  }

  function drawn(one, keep) {
    const plain = { kind: "line", panel: one.panel, x: one.x, y: one.y, name: one.label, group: one.label, job: one.job, told: one.told, color: one.color, dash: one.dash, width: 1.6 };
    const said = (y) => (at) => `${one.told}: ${scope.numbers.exact(y[at])}`;
    if (!keep) return [{ ...plain, said: said(one.y) }];
    const smooth = scope.stats.smoothed(one.y, keep).map((y) => y ?? NaN);
    return [{ ...plain, dash: "solid", width: 1, opacity: 0.28, quiet: true }, { ...plain, y: smooth, role: "smooth", said: said(smooth) }];
  }

  // Mean over the jobs of a group, and one standard deviation to either side.
  function banded(lines) {
    const found = new Map();
    for (const one of lines) {
      const name = `${one.label} ${one.panel}`;
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(one);
    }
    return [...found.values()].flatMap((group) => {
      const [first] = group;
      const { x, mean, low, high } = scope.stats.band(group);
      const place = { x, panel: first.panel, color: first.color, group: first.label };
      const line = { ...place, kind: "line", y: mean, name: `${first.label} (mean of ${group.length})`, dash: first.dash, width: 1.9 };
      const band = { ...place, kind: "band", low, high, opacity: 0.16, quiet: true, name: `${first.label}, ± 1 sd` };
      return group.length > 1 ? [band, line] : [line];
    });
  }

  // A name a group, with what it is a value of; none where one could not read them all.
  function legend(page, labels) {
    if (labels.size < 2 || labels.size > MOST_LABELS) return null;
    const entries = [...labels].map(([label, { group, color, dash }]) => ({ label, group, color, dash }));
    return { title: titled(page, page.choice.color), entries };
  }

  // Rows of facets need their height; the card keeps its own otherwise.
  function tall(chart, facets) {
    const { rows } = scope.frames.grid(facets, chart.plane.clientWidth);
    const place = chart.place.closest(".plot-place");
    place.toggleAttribute("data-rows", rows > 1);
    place.style.setProperty("--height", rows > 1 ? `${ROW * rows + 60}px` : place.dataset.height);
  }

  // --- what the card says, and what a reader does with it --------------------------------------------------
  function say(chart, columns, count, page, labels) {
    const missing = page.jobs.length - count;
    const words = [`${count} ${count === 1 ? "job" : "jobs"}`];
    if (missing) words.push(`${missing} never measured it`);
    if (page.choice.band) words.push("the band is one standard deviation over the jobs of a group");
    if (labels > MOST_LABELS) words.push("too many groups for a legend: point at a line");
    chart.card.querySelector(".about").textContent = words.join(" · ");
    const thinned = [...columns.values()].some((column) => column.downsampled);
    const note = chart.card.querySelector("[data-thinned]");
    if (note) note.textContent = thinned ? "Down-sampled: the least and the greatest of every stretch. Zoom in for all points." : "";
  }

  const others = (chart) => scope.chart.all().filter((one) => one !== chart && one.card.closest("#compare-cards"));

  function link(chart, name) {
    chart.hovered = (at) => others(chart).forEach((one) => (at ? scope.hover.follow(one, at.x, at.job) : scope.hover.clear(one)));
    chart.ranged = (x) => {
      others(chart).forEach((one) => {
        Object.assign(one.view, { x, y: x ? one.view.y : null });
        one.paint();
      });
      const page = scope.compare.page;
      for (const each of page ? page.choice.names : [name]) if (x) scope.compare.zoom(each, ...x);
      else scope.compare.whole(each);
    };
  }

  scope.overlay = { draw, key, groups, said, titled };
})();
