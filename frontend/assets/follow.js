// Jobs whose readings a lab shows: their newest values are kept, and come in while they run.
//   normscope.follow({ owner, runs: [{ id, state, after, values }] }, changed)
// A line with data-run="id" says the job's state. A new call ends the one before.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const ENDED = ["succeeded", "failed", "cancelled"];
  let stops = [];

  function follow({ owner, runs }, changed) {
    stop();
    const byId = new Map(runs.map((run) => [run.id, run]));
    const going = runs.filter((run) => !ENDED.includes(run.state));
    let waiting = 0;
    // Many readings may come at once: one drawing for all of them.
    const draw = () => {
      waiting = waiting || window.setTimeout(() => {
        waiting = 0;
        changed();
      }, 120);
    };
    if (!going.length) return;
    stops = [
      () => window.clearTimeout(waiting),
      scope.events.on("measured", (batch) => {
        const run = byId.get(batch.job);
        if (!run) return;
        for (const item of batch.items) run.values[item.name] = item.value;
        draw();
      }),
      scope.events.on("state", (job) => {
        const run = byId.get(job.id);
        if (!run || run.state === job.state) return;
        run.state = job.state;
        say(run, job);
        draw();
        if (going.every((one) => ENDED.includes(one.state))) window.setTimeout(close, 4000);
      }),
    ];
    const after = Object.fromEntries(going.map((run) => [run.id, run.after]));
    const close = scope.events.open({ jobs: going.map((run) => run.id), after, owner: document.getElementById(owner) });
    stops.push(close);
  }

  function say(run, job) {
    for (const line of document.querySelectorAll(`[data-run="${run.id}"]`)) {
      const badge = line.querySelector(".state");
      badge.textContent = job.state;
      badge.className = `state state-${scope.STATE_COLORS[job.state] || "gray"}`;
      if (job.error) line.querySelector("[data-run-told]").textContent = ` ${job.error.message}`;
    }
  }

  function stop() {
    stops.forEach((end) => end());
    stops = [];
  }

  scope.follow = follow;
})();
