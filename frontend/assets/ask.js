// Questions to the desk about a trained network:
//   normscope.ask(job, { name: "shift", log2: [1] }, { lane: "shift", peers: [] })
//     -> { values, seconds, took } or an Error with `status` and `stale`
// Of a lane only the newest question counts; those before it end with `stale`.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const visit = Math.random().toString(36).slice(2, 10);
  const newest = {};

  async function ask(job, probe, { lane = null, peers = [] } = {}) {
    const began = performance.now();
    const mine = (newest[lane] = (newest[lane] || 0) + 1);
    const body = { probe, peers, lane: lane && `${lane}-${visit}` };
    const answer = await post(`/jobs/${encodeURIComponent(job)}/probes`, body);
    if (lane && newest[lane] !== mine) throw refused(409, "a newer question was asked");
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
