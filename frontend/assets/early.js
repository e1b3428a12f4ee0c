// In the head: what a page's script asks of REST first is on its way while the page itself loads.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const BUDGET = 30000; // points on a card of Compare, over all jobs
  const MOST_JOBS = 100;
  const FRESH_MS = 20000; // since the page began: what is older is read anew
  const SHOWN = "test/accuracy,test/loss,norm/intrinsic,attack/worst/accuracy_at_largest_eps";
  const KNOWN = { state: ["queued", "running", "interrupted", "succeeded", "failed", "cancelled"], kind: ["train", "attack", "diagnose"] };
  const SORTED = ["name", "state", "created_at"]; // the columns that can be
  const query = new URLSearchParams(window.location.search);
  const list = (name) => (query.get(name) || "").split(",").filter(Boolean);
  const asked = new Map();

  const points = (jobs) => Math.max(60, Math.min(2000, Math.floor(BUDGET / jobs)));

  function overlay(jobs, names, of = jobs.length, range = "") {
    const joined = (all) => encodeURIComponent(all.join(","));
    return `/api/v1/overlay?jobs=${joined(jobs)}&name=${joined(names)}&points=${points(of)}${range}`;
  }

  // The filters as REST takes them; blocks of rows are pages of `limit`, with what columns show.
  function jobs(filters, sort, limit, cursor = null) {
    const all = new URLSearchParams(filters);
    all.set("summary", SHOWN);
    all.set("sort", sort);
    all.set("limit", limit);
    if (cursor) all.set("cursor", cursor);
    return `/api/v1/jobs?${all}`;
  }

  // What the page of jobs makes of its address: of states and kinds those that there are.
  function filters() {
    const told = ["q", "state", "kind", "tag"].map((name) => [name, (query.get(name) || "").trim()]);
    const known = ([name, value]) => [name, KNOWN[name] ? value.split(",").filter((one) => KNOWN[name].includes(one)).join(",") : value];
    return told.map(known).filter(([, value]) => value);
  }

  function sort() {
    const asked = new URLSearchParams(window.location.search).get("sort") || "";
    return SORTED.includes(asked.replace(/^-/, "")) ? asked : "-created_at";
  }

  function ask(url) {
    const found = fetch(url);
    found.catch(() => {}); // whoever takes it is told
    asked.set(url, found);
  }

  // The answer that is on its way, or a new one; `early` tells which.
  function take(url) {
    const found = performance.now() < FRESH_MS ? asked.get(url) : null;
    asked.delete(url);
    return { early: Boolean(found), answer: found || fetch(url) };
  }

  // The table's own script, which would be asked for only once the table is made.
  function preload(href) {
    document.head.append(Object.assign(document.createElement("link"), { rel: "preload", as: "script", href }));
  }

  const { pathname } = window.location;
  if (pathname === "/compare" && list("jobs").length && list("name").length) ask(overlay(list("jobs").slice(0, MOST_JOBS), list("name")));
  if (pathname === "/jobs") {
    ask(jobs(filters(), sort(), 100));
    preload("/_dash-component-suites/dash_ag_grid/async-community.js");
  }
  scope.early = { overlay, jobs, sort, points, take };
})();
