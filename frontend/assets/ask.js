// Questions to the desk about a trained network:
//   normscope.ask(job, { name: "shift", log2: [1] }, { lane: "shift", peers: [] })
//     -> { values, seconds, took } or an Error with `status` and `stale`
// Of a lane only the newest question counts; one that it overtook ends with `stale`.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const visit = Math.random().toString(36).slice(2, 10);
  const newest = {}; // lane -> its newest question
  const asking = {}; // lane -> what is settled once the desk has answered

  // Of a lane one question is answered at a time; the newest waits meanwhile, those between are
  // dropped. So answers come while a slider moves, in the order in which they were asked for.
  async function ask(job, probe, { lane = null, peers = [] } = {}) {
    const began = performance.now();
    const mine = { about: `${job} ${peers}` };
    const stale = () => refused(409, "a newer question was asked");
    if (lane) newest[lane] = mine;
    while (lane && asking[lane]) {
      await asking[lane];
      if (newest[lane] !== mine) throw stale();
    }
    const body = { probe, peers, lane: lane && `${lane}-${visit}` };
    const asked = post(`/jobs/${encodeURIComponent(job)}/probes`, body);
    const free = () => delete asking[lane];
    if (lane) asking[lane] = asked.then(free, free);
    const answer = await asked;
    if (lane && newest[lane].about !== mine.about) throw stale();
    return { ...answer, took: performance.now() - began };
  }

  async function post(path, body) {
    let response;
    try {
      response = await fetch("/api/v1" + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(body),
      });
    } catch (error) {
      throw refused(0, "The web server does not answer.");
    }
    const found = await response.json().catch(() => ({}));
    if (!response.ok) throw refused(response.status, found.detail || found.title || response.statusText);
    return found;
  }

  function refused(status, message) {
    return Object.assign(new Error(message), { status, stale: status === 409 });
  }

  scope.ask = ask;
  scope.post = post;
})();
