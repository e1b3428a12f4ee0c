// One card of the Compare page: the lines of all jobs, grouped, smoothed, banded, in facets.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const CYCLE = ["vermillion", "blue", "green", "orange", "purple", "sky", "grey"];
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
  const TITLES = { step: "step", epoch: "epoch", time: "seconds since its first point" };
  const FACETS_A_ROW = 3;
  const MOST_LABELS = 12;
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
      const label = [value(job, color), dash === "none" ? "" : `${short(dash)} ${value(job, dash)}`].filter(Boolean).join(", ");
      found.set(job.id, { label, color: scope.draw.color(name), dash: line, facet: facets.indexOf(value(job, facet)) });
    }
    return { of: found, facets: facet === "none" ? [""] : facets.map((one) => `${short(facet)} = ${one}`) };
  }

  const short = (path) => path.split(".").slice(-2).join(".");

  // --- lines -------------------------------------------------------------------------------------------
  async function draw(page, name, close = null) {
    page.close[name] = close;
    const gd = await scope.draw.graph(key(name));
    const columns = close || page.columns[name];
    if (!gd || !columns) return;
    const { of, facets } = groups(page);
    const lines = page.jobs.filter((job) => columns.has(job.id)).map((job) => line(page, job, columns.get(job.id), of.get(job.id)));
    const traces = page.choice.band ? banded(lines) : lines.flatMap((one) => drawn(one, page.choice.smooth));
    const seen = new Set();
    for (const trace of traces) {
      trace.showlegend = trace.showlegend !== false && !seen.has(trace.name);
      if (trace.showlegend) seen.add(trace.name);
    }
    const { layout, height } = panels(page, facets, gd.layout);
    const hovermode = lines.length > MOST_LABELS ? "closest" : "x unified";
    const showlegend = seen.size > 1 && seen.size <= MOST_LABELS;
    await scope.draw.show(key(name), traces, { ...layout, height, hovermode, showlegend, legend: { title: titled(page.choice.color) } });
    listen(name, gd);
    say(name, columns, lines.length, page, seen.size);
  }

  // What a legend's names are values of.
  function titled(path) {
    const plain = path === "job" || path === "none";
    return { text: plain ? "" : `${short(path)}  `, font: { size: 11.5, color: scope.draw.color("soft") }, side: "left" };
  }

  function line(page, job, column, group) {
    return { ...group, job: job.label, x: column[page.choice.along], y: column.value };
  }

  function placed(one) {
    const at = one.facet > 0 ? String(one.facet + 1) : "";
    return { xaxis: `x${at}`, yaxis: `y${at}`, legendgroup: one.label };
  }

  const plainly = (text) => text.replace(/[<>%{}]/g, " ");
  const finite = (values) => values.map((value) => (Number.isFinite(value) ? value : null));

  function drawn(one, keep) {
    const plain = {
      type: "scatter", mode: one.x.length < 2 ? "markers" : "lines", x: one.x, y: finite(one.y), name: one.label,
      line: { color: one.color, dash: one.dash, width: 1.6 }, hovertemplate: `%{y:.4~g}<extra>${plainly(one.job)}</extra>`,
      meta: { label: one.job }, ...placed(one),
    };
    if (!keep) return [plain];
    const faint = { ...plain, opacity: 0.28, line: { ...plain.line, width: 1 }, showlegend: false, hoverinfo: "skip", hovertemplate: null };
    return [faint, { ...plain, y: scope.stats.smoothed(one.y, keep), meta: { ...plain.meta, role: "smooth" } }];
  }

  // Mean over the jobs of a group, and one standard deviation to either side.
  function banded(lines) {
    const found = new Map();
    for (const one of lines) {
      const name = `${one.label} ${one.facet}`;
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(one);
    }
    return [...found.values()].flatMap((group) => {
      const [first] = group;
      const band = scope.stats.band(group);
      const place = placed(first);
      const outline = {
        type: "scatter", mode: "lines", x: [...band.x, ...[...band.x].reverse()], y: [...band.high, ...[...band.low].reverse()],
        fill: "toself", fillcolor: first.color, opacity: 0.16, line: { width: 0 }, hoverinfo: "skip", showlegend: false, name: `${first.label}, ± 1 sd`, meta: { role: "band" }, ...place,
      };
      const mean = {
        type: "scatter", mode: "lines", x: band.x, y: band.mean, name: `${first.label} (mean of ${group.length})`,
        line: { color: first.color, dash: first.dash, width: 1.9 }, hovertemplate: "%{y:.4~g}", ...place,
      };
      return group.length > 1 ? [outline, mean] : [mean];
    });
  }

  // --- panels --------------------------------------------------------------------------------------------
  function panels(page, facets, base) {
    const across = Math.min(facets.length, window.innerWidth < 700 ? 1 : FACETS_A_ROW);
    const rows = Math.ceil(facets.length / across);
    const layout = { annotations: [], meta: { along: page.choice.along, kind: "overlay" } };
    const title = { ...(base.xaxis || {}).title, text: TITLES[page.choice.along] };
    facets.forEach((label, at) => {
      const suffix = at ? String(at + 1) : "";
      const [column, row] = [at % across, Math.floor(at / across)];
      const left = column / across;
      const top = 1 - row / rows;
      const domain = { x: [left + (column ? 0.05 : 0), (column + 1) / across - 0.01], y: [top - 1 / rows + (rows > 1 ? 0.14 : 0), top - (facets.length > 1 ? 0.06 : 0)] };
      layout[`xaxis${suffix}`] = { ...base.xaxis, title, domain: domain.x, anchor: `y${suffix}`, ...(at ? { matches: "x" } : {}) };
      layout[`yaxis${suffix}`] = { ...base.yaxis, domain: domain.y, anchor: `x${suffix}`, ...(at ? { matches: "y", title: { text: "" } } : {}) };
      if (label) layout.annotations.push({ text: label, xref: "paper", yref: "paper", x: (domain.x[0] + domain.x[1]) / 2, y: domain.y[1], yanchor: "bottom", showarrow: false, font: { size: 12 } });
    });
    return { layout, height: rows > 1 ? 200 * rows + 60 : base.height };
  }

  // --- what the card says, and what a reader does with it --------------------------------------------------
  function say(name, columns, count, page, labels) {
    const card = document.getElementById(`card-${key(name)}`);
    if (!card) return;
    const missing = page.jobs.length - count;
    const words = [`${count} ${count === 1 ? "job" : "jobs"}`];
    if (missing) words.push(`${missing} never measured it`);
    if (page.choice.band) words.push("the band is one standard deviation over the jobs of a group");
    if (labels > MOST_LABELS) words.push("too many groups for a legend: point at a line");
    card.querySelector(".about").textContent = words.join(" · ");
    const thinned = [...columns.values()].some((column) => column.downsampled);
    const note = card.querySelector("[data-thinned]");
    if (note) note.textContent = thinned ? "Down-sampled: the least and the greatest of every stretch. Zoom in for all points." : "";
  }

  function listen(name, gd) {
    if (gd.normscopeOverlay) return;
    gd.normscopeOverlay = true;
    gd.on("plotly_relayout", (change) => relayout(name, gd, change));
    gd.on("plotly_hover", (event) => hover(gd, event));
    gd.on("plotly_unhover", () => others(gd).forEach((one) => Plotly.Fx.unhover(one)));
  }

  const others = (gd) =>
    [...document.querySelectorAll("#compare-cards .js-plotly-plot")].filter((one) => one !== gd && one.data && one.data.length);

  function hover(gd, event) {
    if (!event.event || !event.event.isTrusted) return; // our own, from another card
    const x = event.xvals && event.xvals[0];
    if (x !== undefined) others(gd).forEach((one) => Plotly.Fx.hover(one, [{ xval: x }], ["xy"]));
  }

  // A zoom along x goes to every card, and each asks for what it now shows in full.
  function relayout(name, gd, change) {
    const page = scope.compare.page;
    if (!page || gd.normscopeLinked) return;
    const low = change["xaxis.range[0]"] ?? (change["xaxis.range"] || [])[0];
    const high = change["xaxis.range[1]"] ?? (change["xaxis.range"] || [])[1];
    const reset = change["xaxis.autorange"];
    if (low === undefined && !reset) return;
    for (const other of page.choice.names) {
      const plot = document.querySelector(`#card-${key(other)} .js-plotly-plot`);
      if (!plot || !plot.data) continue;
      if (plot !== gd) {
        plot.normscopeLinked = true;
        const range = reset ? { "xaxis.autorange": true } : { "xaxis.range": [low, high] };
        Promise.resolve(Plotly.relayout(plot, range)).finally(() => (plot.normscopeLinked = false));
      }
      if (reset) scope.compare.whole(other);
      else scope.compare.zoom(other, low, high);
    }
  }

  scope.overlay = { draw, key, groups, value, titled, plainly };
})();
