// What a reader does with a plot's card: scale, measure of x, definition, enlarge, download, table;
// and the plots' change of colours with the scheme. What is chosen stays in the address.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const TITLES = { step: "step", epoch: "epoch", time: "seconds since start" };
  const MOST_ROWS = 500;
  const root = document.documentElement;
  const cardOf = (element) => element.closest(".plot-card");
  const plotOf = (card) => card.querySelector(".js-plotly-plot");
  const chartOf = (card) => (card.querySelector(".chart") || {}).chart; // one that is no Plotly figure
  const cards = () => [...document.querySelectorAll(".plot-card")];

  // --- the address ---------------------------------------------------------------------------
  function query() {
    return Object.fromEntries(new URLSearchParams(window.location.search));
  }

  function setQuery(name, value) {
    setQueries({ [name]: value });
  }

  // Null takes a name out of the address.
  function setQueries(values) {
    const all = new URLSearchParams(window.location.search);
    for (const [name, value] of Object.entries(values)) {
      if (value === null) all.delete(name);
      else all.set(name, value);
    }
    const text = all.toString().replaceAll("%2C", ",");
    window.history.replaceState(window.history.state, "", window.location.pathname + (text ? "?" + text : ""));
  }

  function press(buttons, chosen) {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));
  }

  // --- scale and measure ---------------------------------------------------------------------
  function setScale(button) {
    const card = cardOf(button);
    const gd = plotOf(card);
    card.dataset.log = String(button.dataset.scale === "log");
    press(card.querySelectorAll("[data-scale]"), button);
    const logs = cards().filter((one) => one.dataset.log === "true").map((one) => one.dataset.card);
    setQuery("log", logs.join(",") || "none");
    if (chartOf(card)) chartOf(card).setLog(button.dataset.scale === "log");
    if (!gd || !gd.layout) return;
    scope.axes.own(gd);
    scope.axes.forget(gd);
    const log = button.dataset.scale === "log";
    // Plotly draws the labels of a log axis a quarter larger than it is told.
    const size = log ? 9.2 : 11.5;
    Plotly.relayout(gd, { "yaxis.type": log ? "log" : "linear", "yaxis.autorange": true, "yaxis.tickfont.size": size, "yaxis.dtick": null });
    sayHidden(card);
  }

  // Values at or below zero have no place on a log axis: say so rather than lose them in silence.
  function sayHidden(card) {
    const note = card.querySelector("[data-nonpositive]");
    const gd = plotOf(card);
    if (!note || !gd || !gd.data) return;
    const below = gd.data.filter((trace) => trace.meta && trace.meta.series && trace.y.some((y) => y !== null && y <= 0));
    const names = [...new Set(below.map((trace) => trace.name))].join(", ");
    note.textContent = card.dataset.log === "true" && names ? `Not all of it fits a log axis: ${names} has values of 0 or less.` : "";
  }

  function setAlong(button) {
    const along = button.dataset.along;
    press(document.querySelectorAll("[data-along]"), button);
    setQuery("x", along === "step" ? null : along);
    for (const gd of cards().map(plotOf)) {
      if (!gd || !gd.data || !gd.layout.meta || gd.layout.meta.kind !== "series") continue;
      const x = gd.data.map((trace) => [...trace.meta[along]]);
      gd.layout.meta.along = along;
      scope.axes.own(gd);
      scope.axes.forget(gd);
      Plotly.update(gd, { x }, { "xaxis.title.text": TITLES[along], "xaxis.autorange": true });
    }
  }

  // --- definition, enlarge --------------------------------------------------------------------
  function define(button) {
    const dialog = document.getElementById(button.dataset.define);
    const place = dialog.querySelector("[data-math]");
    if (place && !place.firstChild) {
      const math = new DOMParser().parseFromString(place.dataset.math, "application/xml").documentElement;
      place.append(document.importNode(math, true));
    }
    dialog.showModal();
  }

  function enlarge(card, large) {
    card.classList.toggle("enlarged", large);
    root.classList.toggle("holds-enlarged", large);
    const button = card.querySelector("[data-enlarge]");
    button.setAttribute("aria-pressed", String(large));
    button.focus();
    const gd = plotOf(card);
    if (gd && gd.layout) window.requestAnimationFrame(() => Plotly.Plots.resize(gd));
  }

  // --- the data: as a file, as a table --------------------------------------------------------
  // Rows of [series, step, epoch, seconds, value], or [series, x, y] for what is no time series.
  function rows(gd) {
    const live = gd.layout.meta && gd.layout.meta.kind === "series";
    const head = live ? ["series", "step", "epoch", "seconds", "value"] : ["series", "x", "y"];
    const body = [];
    for (const trace of gd.data) {
      const meta = trace.meta || {};
      if (meta.role === "smooth" || meta.role === "broken" || meta.role === "band") continue;
      if (trace.z) trace.z.forEach((row, r) => row.forEach((z, c) => body.push([z, trace.x[c], trace.y[r]])));
      else if (live) trace.y.forEach((y, at) => body.push([meta.series, meta.step[at], meta.epoch[at], meta.time[at], y]));
      else (trace.y || []).forEach((y, at) => body.push([meta.label || trace.name, trace.x[at], y]));
    }
    return { head, body };
  }

  const listed = (card) => (chartOf(card) ? scope.chart.rows(chartOf(card)) : rows(plotOf(card)));

  function save(card, format) {
    const gd = plotOf(card);
    const name = `${document.title.split(" – ")[0]} ${card.dataset.card}`.replace(/[^\w-]+/g, "_");
    if (format !== "csv" && chartOf(card)) {
      chartOf(card).picture(format).then((blob) => download(blob, `${name}.${format}`));
      return;
    }
    if (format !== "csv") {
      const { width } = gd.getBoundingClientRect();
      const page = getComputedStyle(document.body).backgroundColor;
      const figure = { data: gd.data, layout: { ...gd.layout, paper_bgcolor: page }, config: {} };
      Plotly.downloadImage(figure, { format, scale: format === "png" ? 3 : 1, width, height: gd.layout.height, filename: name });
      return;
    }
    const { head, body } = listed(card);
    download(new Blob([scope.csv([head, ...body], "nan")], { type: "text/csv" }), `${name}.csv`);
  }

  function download(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function table(card) {
    const dialog = document.getElementById("plot-table");
    const { head, body } = listed(card);
    const shown = body.length > MOST_ROWS ? body.filter((_, at) => at % Math.ceil(body.length / MOST_ROWS) === 0) : body;
    const title = card.querySelector("h2").textContent;
    dialog.querySelector("h2").textContent = title;
    dialog.querySelector("[data-rows]").textContent =
      shown.length < body.length ? `${shown.length} of ${body.length} rows, evenly spaced; the CSV download has all.` : `${body.length} rows`;
    const made = document.createElement("table");
    made.append(line("th", head), ...shown.map((row) => line("td", row.map(text))));
    dialog.querySelector("[data-table-place]").replaceChildren(made);
    dialog.showModal();
  }

  function text(value) {
    if (value === null || value === undefined) return "not finite";
    return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
  }

  function line(tag, cells) {
    const row = document.createElement("tr");
    for (const cell of cells) {
      const place = document.createElement(tag);
      if (tag === "th") place.scope = "col";
      place.textContent = cell;
      row.append(place);
    }
    return row;
  }

  // --- colours ---------------------------------------------------------------------------------
  function sayScheme() {
    const scheme = root.getAttribute("data-mantine-color-scheme") === "dark" ? "dark" : "light";
    document.cookie = `normscope_scheme=${scheme}; path=/; SameSite=Strict; max-age=31536000`;
    return scheme;
  }

  function swapped(value, map) {
    if (typeof value === "string") return map.get(value.toLowerCase().replaceAll(" ", "")) || value;
    if (Array.isArray(value)) {
      if (value.length > 8 && typeof value[0] === "number") return value; // data, not colours
      return value.map((one) => swapped(one, map));
    }
    if (!value || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
    for (const key of Object.keys(value)) if (key !== "meta") value[key] = swapped(value[key], map);
    return value;
  }

  function recolor() {
    const scheme = sayScheme();
    const palette = document.querySelector("[data-palette]");
    if (!palette) return;
    const pairs = JSON.parse(palette.dataset.palette);
    const map = new Map(pairs.map(([light, dark]) => (scheme === "dark" ? [light, dark] : [dark, light])));
    scope.legend.recolor(map);
    for (const gd of document.querySelectorAll(".js-plotly-plot")) {
      if (!gd.data) continue;
      swapped(gd.data, map);
      swapped(gd.layout, map);
      Plotly.redraw(gd);
    }
  }

  // --- one listener ------------------------------------------------------------------------------
  const ACTIONS = {
    scale: setScale,
    along: setAlong,
    define,
    enlarge: (button) => enlarge(cardOf(button), !cardOf(button).classList.contains("enlarged")),
    save: (button) => {
      save(cardOf(button), button.dataset.save);
      button.closest("details").open = false;
    },
    table: (button) => table(cardOf(button)),
  };

  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    const button = event.target.closest("button");
    const action = button && Object.keys(ACTIONS).find((name) => name in button.dataset);
    if (action) ACTIONS[action](button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const large = document.querySelector(".plot-card.enlarged");
    if (large && !document.querySelector("dialog[open]")) enlarge(large, false);
    document.querySelectorAll("details.menu[open]").forEach((menu) => (menu.open = false));
  });

  sayScheme();
  new MutationObserver(recolor).observe(root, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
  scope.plots = { query, setQuery, setQueries, sayHidden };
})();

// The question before a job is cancelled or deleted; its buttons are <place>-cancel and -delete.
(function () {
  "use strict";

  function end(...clicks) {
    const clientside = window.dash_clientside;
    if (!clicks.some(Boolean)) return clientside.no_update;
    const [place, what] = clientside.callback_context.triggered_id.split("-");
    const remove = what === "delete";
    document.getElementById(`${place}-confirm-yes`).textContent = remove ? "Delete it" : "Cancel it";
    document.getElementById(`${place}-confirm`).showModal();
    return remove
      ? "Delete this job, its curves and its files? This cannot be undone."
      : "Cancel this job? What it has measured is kept.";
  }

  function shut(event) {
    const answer = event.target.closest("[id$='-confirm-yes'], [id$='-confirm-no']");
    const dialog = answer && answer.closest("dialog");
    if (dialog) dialog.close();
  }

  document.addEventListener("click", shut);
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ask = { end };
})();
