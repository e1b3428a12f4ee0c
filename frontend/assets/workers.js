// Who computes, told in one place: at the rail's foot on every page, and in Home's card.
//   normscope.workers.say(workers)    as /api/v1/workers lists them; null where nobody can say
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const byId = (id) => document.getElementById(id);
  const made = (tag, text, more) => scope.made(tag, text, more);
  let known; // undefined until the API was asked

  function say(workers) {
    known = workers;
    foot();
    card();
  }

  const device = (worker) => String(worker.device || "cpu").replace(/^\S+/, (word) => word.toUpperCase());

  function foot() {
    const box = byId("rail-workers");
    if (!box) return;
    const alive = known ? known.length : 0;
    const busy = known ? known.filter((worker) => worker.state === "busy").length : 0;
    box.dataset.state = alive === 0 ? "none" : busy ? "busy" : "idle";
    box.querySelector(".rail-workers-text").textContent = words(alive, busy);
  }

  function words(alive, busy) {
    if (known === null) return "workers unknown";
    if (alive === 0) return "no worker";
    const starting = known.every((worker) => worker.state === "starting");
    const doing = starting ? "starting" : busy === 0 ? "idle" : busy === alive ? "busy" : `${busy} busy`;
    const devices = [...new Set(known.map((worker) => device(worker).split(" ")[0]))].join(", ");
    return `${alive} ${alive === 1 ? "worker" : "workers"} · ${devices} · ${doing}`;
  }

  // --- Home's card -------------------------------------------------------------------------------
  function card() {
    const place = byId("home-workers");
    if (!place || known === undefined) return;
    const told = JSON.stringify(known);
    if (place.dataset.told === told) return;
    place.dataset.told = told;
    if (known === null) place.replaceChildren(made("p", "Nobody can say now.", { className: "about" }));
    else if (known.length) place.replaceChildren(table());
    else place.replaceChildren(made("p", "No worker is alive: jobs wait. Start one where Normscope is installed:"), made("pre", "python -m worker.serve"));
  }

  function table() {
    const rows = made("tbody", null);
    rows.append(...known.map(row));
    const found = made("table", null, { className: "recent workers" });
    found.append(rows);
    return found;
  }

  function row(worker) {
    const doing = made("td", worker.job ? null : [worker.state, worker.reason].filter(Boolean).join(": "));
    if (worker.job) doing.append(scope.link(`/jobs/${worker.job}`, "busy"));
    const found = made("tr", null);
    found.append(made("td", worker.name, { className: "clip" }), made("td", device(worker)), doing);
    return found;
  }

  function show() {
    card();
    return window.dash_clientside.no_update;
  }

  scope.workers = { say };
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.workers = { show };
})();
