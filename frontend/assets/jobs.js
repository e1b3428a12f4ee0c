// The table of jobs: pages of rows straight from REST by its cursors, live by state events.
(function () {
  "use strict";

  const PAGE = 100;
  const PAUSE_MS = 150; // between two readings while somebody types
  const byId = (id) => document.getElementById(id);
  let query = new URLSearchParams(); // the filters, as REST takes them
  let grid = null;
  let pages = { of: null, cursors: new Map() }; // where each block of rows starts
  let ahead = null; // the first rows, asked for before there is a grid
  let missed = false; // a job may have changed before there was a grid
  let begun = 0; // when the rows were last asked for anew
  let typing = 0;
  let refreshing = 0;
  let stop = () => {};

  async function page(sort, cursor) {
    const { early, answer } = window.normscope.early.take(window.normscope.early.jobs(query, sort, PAGE, cursor));
    missed ||= early; // it was asked for before anybody listened for changes
    const response = await answer;
    if (!response.ok) throw new Error("status " + response.status);
    return response.json();
  }

  // REST pages by cursor, the grid by row number: a block's cursor comes with the block before.
  async function block(start, sort) {
    const of = query + "|" + sort;
    if (pages.of !== of) pages = { of, cursors: new Map([[0, null]]) };
    const { cursors } = pages;
    let at = start;
    while (at > 0 && !cursors.has(at)) at -= PAGE;
    const early = start === 0 && ahead && ahead.of === of ? ahead.found : null;
    ahead = null;
    for (; ; at += PAGE) {
      const found = await (early || page(sort, cursors.get(at)));
      if (found.next) cursors.set(at + PAGE, found.next);
      else [...cursors.keys()].filter((row) => row > at).forEach((row) => cursors.delete(row));
      if (at === start || !found.next) return at === start ? found : { items: [], next: null };
    }
  }

  // The first row of the last block that is known of: the table is at least that long.
  function last() {
    return Math.max(...pages.cursors.keys());
  }

  function order(model) {
    if (!model || !model.length) return "-created_at";
    return (model[0].sort === "desc" ? "-" : "") + model[0].colId;
  }

  // The grid takes its rows from here, not through Dash: on the way through two callbacks and their
  // renderings a reader would wait a tenth of a second more.
  async function getRows({ startRow, sortModel, successCallback }) {
    const sort = order(sortModel);
    const of = String(query);
    address(sort);
    try {
      const found = await block(startRow, sort);
      if (startRow === 0 && of === String(query)) nothing(found.items.length === 0);
      successCallback(found.items, found.next ? last() + 1 : startRow + found.items.length);
    } catch (error) {
      refresh(3000); // the banner says what is away; the rows come when it is back
      successCallback([], startRow);
    }
  }

  function nothing(none) {
    const filtered = [...query.keys()].length > 0;
    byId("jobs-empty").hidden = !none || filtered;
    byId("jobs-table").hidden = none && !filtered;
    if (none && filtered) grid.showNoRowsOverlay();
    else grid.hideOverlay();
  }

  // Rows may come after their reader has gone on to another page.
  function address(sort) {
    if (window.location.pathname !== "/jobs") return;
    const shown = new URLSearchParams(query);
    if (sort !== "-created_at") shown.set("sort", sort);
    const search = shown.toString();
    window.history.replaceState(window.history.state, "", "/jobs" + (search ? "?" + search : ""));
  }

  function refresh(delay = 600) {
    window.clearTimeout(refreshing);
    refreshing = window.setTimeout(() => {
      if (!made()) return;
      if (grid.getDisplayedRowCount() > 0) grid.refreshInfiniteCache();
      else purge();
    }, delay);
  }

  function purge() {
    if (made()) grid.purgeInfiniteCache();
  }

  const made = () => grid && !grid.isDestroyed();

  function told(job) {
    if (!made()) {
      missed = true;
      return;
    }
    const row = grid.getRowNode(job.id);
    if (row && row.data) {
      const moved = row.data.state !== job.state;
      row.setData({ ...row.data, ...job });
      if (moved && query.has("state")) refresh();
    } else {
      refresh();
    }
  }

  function narrow(api) {
    if (window.innerWidth >= 768) return;
    api.setColumnsVisible(["progress", "data", "methods", "accuracy", "loss", "norm", "robust", "created_at", "took"], false);
  }

  // The first rows that a new grid asks Dash for tell that it is there. It waits for them before it
  // asks anybody else.
  function ready(asked) {
    if (asked && asked.api !== grid) {
      grid = asked.api;
      narrow(grid);
      asked.failCallback();
      grid.setGridOption("datasource", { getRows });
      if (missed) refresh();
      missed = false;
    }
    return window.dash_clientside.no_update;
  }

  // The rows and the jobs' changes are on their way while the grid is made.
  function early() {
    const sort = window.normscope.early.sort();
    missed = false;
    const found = page(sort, null);
    found.catch(() => {}); // whoever waits for it is told
    ahead = { of: query + "|" + sort, found };
    stop();
    const { events } = window.normscope;
    const stops = [events.on("state", told), events.on("online", () => refresh())];
    stop = () => stops.forEach((end) => end());
    events.open({ owner: byId("jobs-table") });
  }

  // The filters of the page, at first and whenever they change.
  function look(q, states, kind, tag) {
    const wanted = new URLSearchParams();
    if (q && q.trim()) wanted.set("q", q.trim());
    if (states && states.length) wanted.set("state", states.join(","));
    if (kind && kind !== "all") wanted.set("kind", kind);
    if (tag && tag.trim()) wanted.set("tag", tag.trim());
    const same = wanted.toString() === query.toString();
    query = wanted;
    if (!made()) early();
    else if (!same) anew();
    return window.dash_clientside.no_update;
  }

  // At once, and while somebody types on, once a pause.
  function anew() {
    window.clearTimeout(typing);
    typing = window.setTimeout(
      () => {
        begun = Date.now();
        purge();
      },
      Math.max(0, begun + PAUSE_MS - Date.now()),
    );
  }

  // After cancel or delete: the rows anew, nothing selected.
  function done() {
    if (made()) grid.deselectAll();
    purge();
    return window.dash_clientside.no_update;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.jobs = { look, ready, done };
})();
