// Home's guided experiments: a button trains what is missing and leads to the right page.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const EVERY_MS = 250;
  const ENDED = ["succeeded", "failed", "cancelled"];
  const pause = () => new Promise((done) => window.setTimeout(done, EVERY_MS));

  async function begin(button) {
    const guide = JSON.parse(button.dataset.guide);
    const place = document.getElementById(button.getAttribute("aria-describedby"));
    button.disabled = true;
    try {
      const jobs = [];
      for (const job of guide.jobs) jobs.push(typeof job === "string" ? job : (await scope.post("/jobs", job)).id);
      if (guide.waits) for (const job of jobs) await trained(job, button, place);
      if (button.isConnected) scope.go(guide.path.replace("{}", jobs.join(",")));
    } catch (error) {
      place.textContent = error.message;
      place.classList.add("refused");
      button.disabled = false;
    }
  }

  // Until the job has ended or the visitor has left.
  async function trained(id, button, place) {
    while (button.isConnected) {
      const answer = await fetch(`/api/v1/jobs/${id}`);
      const job = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(job.detail || answer.statusText);
      place.textContent = told(job);
      if (job.state === "succeeded") return;
      if (ENDED.includes(job.state)) throw new Error(`The training ${job.state}; its page says why.`);
      await pause();
    }
  }

  function told({ state, progress }) {
    if (state !== "running") return state === "succeeded" ? "trained" : "waiting for a worker";
    const { step, steps } = progress || {};
    return steps ? `training, ${Math.floor((100 * step) / steps)} %` : "training";
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-guide]");
    if (button) begin(button);
  });
})();
