// The table of jobs: pages of rows straight from REST by its cursors, live by state events.
(function () {
  "use strict";

  const PAGE = 100;
  const byId = (id) => document.getElementById(id);
  let query = new URLSearchParams(); // the filters, as REST takes them
  let grid = null;
  let pages = { of: null, cursors: new Map() }; // where each block of rows starts
  let refreshing = 0;
  let stop = () => {};

  async function page(sort, cursor) {
    const asked = new URLSearchParams(query);
    asked.set("sort", sort);
    asked.set("limit", PAGE);
    if (cursor) asked.set("cursor", cursor);
    const response = await fetch("/api/v1/jobs?" + asked);
    if (!response.ok) throw new Error("status " + response.status);
    return response.json();
  }

  // REST pages by cursor, the grid by row number: a block's cursor comes with the block before.
  async function block(start, sort) {
    const of = query + "|" + sort;
    if (pages.of !== of) pages = { of, cursors: new Map([[0, null]]) };
    let at = start;
    while (at > 0 && !pages.cursors.has(at)) at -= PAGE;
    for (; ; at += PAGE) {
      const found = await page(sort, pages.cursors.get(at));
      if (found.next) pages.cursors.set(at + PAGE, found.next);
      else [...pages.cursors.keys()].filter((row) => row > at).forEach((row) => pages.cursors.delete(row));
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

  // What the grid asks for when it needs a block of rows; the stamp makes every answer a new one.
  async function rows(request) {
    if (!request) return window.dash_clientside.no_update;
    await ready();
    const sort = order(request.sortModel);
    address(sort);
    try {
      const found = await block(request.startRow, sort);
      const end = found.next ? last() + 1 : request.startRow + found.items.length;
      if (request.startRow === 0) nothing(found.items.length === 0);
      return { rowData: found.items, rowCount: end, storeInfo: Date.now() };
    } catch (error) {
      refresh(3000); // the banner says what is away; the rows come when it is back
      return { rowData: [], rowCount: request.startRow, storeInfo: Date.now() };
    }
  }

  function nothing(none) {
    const filtered = [...query.keys()].length > 0;
    byId("jobs-empty").hidden = !none || filtered;
    byId("jobs-table").hidden = none && !filtered;
    if (none && filtered) grid.showNoRowsOverlay();
    else grid.hideOverlay();
  }

  function address(sort) {
    const shown = new URLSearchParams(query);
    if (sort !== "-created_at") shown.set("sort", sort);
    const search = shown.toString();
    window.history.replaceState(window.history.state, "", "/jobs" + (search ? "?" + search : ""));
  }

  function refresh(delay = 600) {
    window.clearTimeout(refreshing);
    refreshing = window.setTimeout(() => {
      if (!grid || grid.isDestroyed()) return;
      if (grid.getDisplayedRowCount() > 0) grid.refreshInfiniteCache();
      else purge();
    }, delay);
  }

  function purge() {
    if (grid && !grid.isDestroyed()) grid.purgeInfiniteCache();
  }

  function told(job) {
    if (!grid || grid.isDestroyed()) return;
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
    api.setColumnsVisible(["data", "methods", "norm", "robust", "took"], false);
    api.applyColumnState({ state: [{ colId: "name", width: 190 }, { colId: "progress", width: 110 }] });
  }

  async function ready() {
    const api = await window.dash_ag_grid.getApiAsync("jobs-grid");
    if (grid === api) return;
    grid = api;
    narrow(api);
    stop();
    stop = window.normscope.events.on("state", told);
    window.normscope.events.open({ owner: byId("jobs-grid") });
  }

  // The filters of the page, at first and whenever they change.
  function look(q, states, kind, tag) {
    const asked = new URLSearchParams();
    if (q && q.trim()) asked.set("q", q.trim());
    if (states && states.length) asked.set("state", states.join(","));
    if (kind && kind !== "all") asked.set("kind", kind);
    if (tag && tag.trim()) asked.set("tag", tag.trim());
    const same = asked.toString() === query.toString();
    query = asked;
    if (!same) purge();
    return window.dash_clientside.no_update;
  }

  // After cancel or delete: the rows anew, nothing selected.
  function done() {
    if (grid && !grid.isDestroyed()) grid.deselectAll();
    purge();
    return window.dash_clientside.no_update;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.jobs = { look, rows, done };
})();
