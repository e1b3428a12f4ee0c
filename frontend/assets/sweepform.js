// The launch form's sweep: fields of the present request, values as a person writes them, the cost.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const byId = (id) => document.getElementById(id);
  const ROWS = [0, 1, 2];
  const WAIT_MS = 350;
  let request = null;
  let fields = []; // of it, as the server tells them: path, group, words, value
  let timer = 0;
  let asked = 0;

  // --- what a person writes ------------------------------------------------------------------------
  // "1, 2" · "0.001..1 x4" in equal ratios · "1..9 by 2" · "64; 64 64" for lists · "sgd, adamw".
  function values(text, example) {
    const range = text.match(/^\s*(-?[\d.e+-]+)\s*\.\.\s*(-?[\d.e+-]+)\s*(?:(x|by)\s*([\d.e+-]+))?\s*$/i);
    if (range) return spread(Number(range[1]), Number(range[2]), range[3] || "by", Number(range[4] || 1));
    if (Array.isArray(example)) return text.split(";").map((part) => part.split(/[\s,]+/).filter(Boolean).map(Number)).filter((one) => one.length);
    return text.split(",").map((part) => part.trim()).filter(Boolean).map((part) => plain(part, example));
  }

  function plain(part, example) {
    if (typeof example === "boolean") return part === "true" || part === "yes";
    return part !== "" && Number.isFinite(Number(part)) ? Number(part) : part;
  }

  function spread(low, high, how, step) {
    if (how.toLowerCase() === "x") {
      const count = Math.max(2, Math.round(step));
      const at = (i) => low * (high / low) ** (i / (count - 1));
      return Array.from({ length: count }, (_, i) => Number(at(i).toPrecision(4)));
    }
    const found = [];
    for (let value = low; value <= high * (1 + 1e-9) && found.length < 1000 && step > 0; value += step) found.push(Number(value.toPrecision(10)));
    return found;
  }

  // --- the fields of the request ---------------------------------------------------------------------
  function offer() {
    for (const row of ROWS) {
      const box = byId(`sweep-field-${row}`);
      const chosen = box.value;
      box.replaceChildren(new Option("–", ""), ...groups());
      if (fields.some(({ path }) => path === chosen)) box.value = chosen;
    }
  }

  // As the form's sections are called, for a seed of the data is not the run's.
  function groups() {
    const found = new Map();
    for (const { path, group, words } of fields) {
      if (!found.has(group)) found.set(group, Object.assign(document.createElement("optgroup"), { label: group }));
      found.get(group).append(new Option(words, path));
    }
    return found.values();
  }

  // --- the sweep -----------------------------------------------------------------------------------------
  function body() {
    const known = new Map(fields.map(({ path, value }) => [path, value]));
    const grid = {};
    for (const row of ROWS) {
      const path = byId(`sweep-field-${row}`).value;
      const text = byId(`sweep-values-${row}`).value;
      if (path && text.trim()) grid[path] = values(text, known.get(path));
    }
    const seeds = byId("sweep-seeds").value.trim() ? values(byId("sweep-seeds").value, 0) : null;
    return { base: request, grid, ...(seeds ? { seeds } : {}) };
  }

  const empty = (sweep) => !Object.keys(sweep.grid).length && !sweep.seeds;

  async function cost() {
    const sweep = body();
    const mine = (asked += 1);
    const place = byId("sweep-cost");
    const one = empty(sweep);
    byId("launch-submit").hidden = !one;
    byId("sweep-send").hidden = one;
    byId("sweep-send").disabled = true;
    byId("sweep-curl").textContent = one ? "" : curl(sweep);
    byId("launch-curl").closest(".card").hidden = !one; // of one job: the sweep has its own
    place.textContent = one ? "" : "…";
    if (one) return;
    try {
      const found = await scope.post("/sweeps/estimate", sweep);
      if (mine !== asked) return;
      const single = sweep.seeds || "spec.seed" in sweep.grid ? "" : "; one seed each, so what tells them apart may be chance";
      place.textContent = `${found.jobs} jobs, about ${time(found.seconds)} in all on one worker${single}`;
      byId("sweep-send").disabled = false;
      byId("sweep-send").textContent = `Launch ${found.jobs} jobs`;
    } catch (error) {
      if (mine === asked) place.textContent = reason(error);
    }
  }

  // The place in the request matters to a shell; the form has one field of the name.
  const reason = (error) => error.message.replace(/^(grid|base)\.spec\./, "");

  function time(seconds) {
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
    return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
  }

  function curl(sweep) {
    const text = JSON.stringify(sweep, null, 1).replaceAll("'", "'\\''");
    return `curl ${window.location.origin}/api/v1/sweeps \\\n  -H "Authorization: Bearer $NORMSCOPE_TOKEN" \\\n  -H "Content-Type: application/json" \\\n  -d '${text}'`;
  }

  function later() {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => request && byId("sweep-form") && cost(), WAIT_MS);
  }

  async function send(button) {
    button.disabled = true;
    try {
      const made = await scope.post("/sweeps", body());
      scope.go(`/sweeps/${made.id}`);
    } catch (error) {
      byId("sweep-cost").textContent = reason(error);
      button.disabled = false;
    }
  }

  function take(told, found) {
    request = told && told.spec ? told : null;
    fields = found || [];
    if (request && byId("sweep-form")) {
      offer();
      later();
    }
    return window.dash_clientside.no_update;
  }

  document.addEventListener("input", (event) => {
    if (event.target.closest("#sweep-form")) later();
  });
  document.addEventListener("click", (event) => {
    if (event.target.id === "sweep-send") send(event.target);
  });

  scope.sweepform = { values };
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.sweepform = { take };
})();
