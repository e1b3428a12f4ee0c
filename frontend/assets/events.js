// The page's one EventSource, shared by every script:
//   normscope.events.open({ jobs: ["id"], after: { id: "1.523" }, owner: element }) -> close it
//   normscope.events.on("measured" | "state" | "opened" | "offline" | "online", listener) -> stop listening
// It opens again by itself, with `jobs` after the last point it has seen: nothing is lost or told
// twice. Without, it streams the states of all jobs from now on: what they became before "opened",
// or during a break, is the page's to read. It closes when `owner` leaves the page.
(function () {
  "use strict";

  const FIRST_RETRY_MS = 400;
  const LAST_RETRY_MS = 2000;
  const listeners = { measured: new Set(), state: new Set(), opened: new Set(), offline: new Set(), online: new Set() };
  let source = null;
  let wanted = null; // { jobs, owner }
  let cursors = {}; // job -> [attempt, seq] of the last measurement that was told
  let retry = FIRST_RETRY_MS;
  let timer = 0;
  let offline = false;
  let lastPoint = null; // when the last measurement arrived, in ms

  function parse(cursor) {
    const [attempt, seq] = String(cursor || "0").split(".").map(Number);
    return [attempt || 0, seq || 0];
  }

  function newer(a, b) {
    return a[0] !== b[0] ? a[0] > b[0] : a[1] > b[1];
  }

  function address() {
    if (!wanted.jobs) return "/api/v1/events";
    const after = wanted.jobs.map((job) => `${job}:${(cursors[job] || [0]).join(".")}`).join(",");
    const jobs = encodeURIComponent(wanted.jobs.join(","));
    return `/api/v1/events?jobs=${jobs}&after=${encodeURIComponent(after)}`;
  }

  function tell(kind, data) {
    for (const listener of listeners[kind]) {
      try {
        listener(data);
      } catch (error) {
        console.error(error);
      }
    }
  }

  // The items that are new, in order; those of an attempt before the newest are dropped.
  function fresh(batch) {
    const items = [];
    for (const item of batch.items) {
      const at = [item.attempt ?? batch.attempt, item.seq];
      if (!newer(at, cursors[batch.job] || [0, 0])) continue;
      cursors[batch.job] = at;
      items.push(item);
    }
    return items;
  }

  function measured(event) {
    if (left()) return;
    const batch = JSON.parse(event.data);
    const items = fresh(batch);
    if (!items.length) return;
    lastPoint = Date.now();
    tell("measured", { job: batch.job, attempt: items[items.length - 1].attempt, items });
  }

  function state(event) {
    if (!left()) tell("state", JSON.parse(event.data));
  }

  function left() {
    if (!wanted) return true;
    if (!wanted.owner || wanted.owner.isConnected) return false;
    close();
    return true;
  }

  function up() {
    retry = FIRST_RETRY_MS;
    if (offline) {
      offline = false;
      tell("online", { lastPoint });
    }
    tell("opened", {});
  }

  function down() {
    drop();
    if (left()) return;
    if (!offline) {
      offline = true;
      tell("offline", { lastPoint });
    }
    timer = window.setTimeout(connect, retry);
    retry = Math.min(2 * retry, LAST_RETRY_MS);
  }

  function drop() {
    window.clearTimeout(timer);
    if (source) source.close();
    source = null;
  }

  function connect() {
    drop();
    if (left()) return;
    source = new EventSource(address());
    source.onopen = up;
    source.onerror = down;
    source.addEventListener("measured", measured);
    source.addEventListener("state", state);
  }

  function open({ jobs = null, after = {}, owner = null } = {}) {
    close();
    wanted = { jobs: jobs && jobs.length ? jobs : null, owner };
    for (const job of jobs || []) cursors[job] = parse(after[job]);
    connect();
    const mine = wanted;
    return () => wanted === mine && close(); // never one that was opened since
  }

  function close() {
    drop();
    wanted = null;
    cursors = {};
    retry = FIRST_RETRY_MS;
    offline = false;
    lastPoint = null;
  }

  function on(kind, listener) {
    listeners[kind].add(listener);
    return () => listeners[kind].delete(listener);
  }

  // A page that is hidden, frozen or left must not hold a connection that nobody reads.
  window.setInterval(() => wanted && left(), 2000);
  window.addEventListener("pagehide", drop);
  window.addEventListener("pageshow", (event) => event.persisted && wanted && connect());
  document.addEventListener("visibilitychange", () => !document.hidden && offline && connect());

  window.normscope = window.normscope || {};
  window.normscope.events = {
    open,
    on,
    get online() {
      return Boolean(wanted) && !offline;
    },
    get lastPoint() {
      return lastPoint;
    },
    cursor: (job) => (cursors[job] || [0, 0]).join("."),
  };
})();
