// The frame's own script: where we are, the keys, who computes, the banner.
// Everything it shows comes from /api/v1/readyz and /api/v1/workers, asked every few seconds.
(function () {
  "use strict";

  const EVERY_MS = 4000;
  const byId = (id) => document.getElementById(id);
  const start = "python -m worker.serve";
  let timer = null;

  // --- where we are -----------------------------------------------------------------------
  function here(path, href) {
    return href === "/" ? path === "/" : path === href || path.startsWith(href + "/");
  }

  function arrive(path, search) {
    const guide = new URLSearchParams(search || "").get("guide");
    document.querySelectorAll("[data-guide-strip]").forEach((strip) => {
      strip.hidden = strip.dataset.guideStrip !== guide;
    });
    document.querySelectorAll("#rail .rail-link[href]").forEach((link) => {
      const current = here(path, link.getAttribute("href"));
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    openRail(false);
    look();
    return path;
  }

  function openRail(open) {
    const button = byId("rail-button");
    if (!button) return;
    document.documentElement.classList.toggle("rail-open", open);
    button.setAttribute("aria-expanded", String(open));
  }

  // --- workers and readiness --------------------------------------------------------------
  async function ask(path) {
    const response = await fetch("/api/v1" + path, { headers: { Accept: "application/json" } });
    let body = null;
    try {
      body = await response.json();
    } catch (error) {
      body = null;
    }
    return { status: response.status, body };
  }

  let shown = null;

  // A text with `code` in backticks, as nodes.
  function say(text) {
    const banner = byId("banner");
    if (!banner || (shown === text && banner.hidden === !text)) return;
    shown = text;
    banner.hidden = !text;
    banner.replaceChildren(
      ...(text || "").split("`").map((part, index) => {
        if (index % 2 === 0) return document.createTextNode(part);
        const code = document.createElement("code");
        code.textContent = part;
        return code;
      })
    );
  }

  // What is away, from the readiness document; null where all that pages need is there.
  function away({ status, body }) {
    if (status === 200) return null;
    const checks = (body && body.checks) || {};
    const back = " This page goes on by itself once it is back.";
    if (checks.database === false) return "The database is away: nothing can be read or kept." + back;
    if (checks.broker === false) return "The broker is away: jobs cannot be started or followed." + back;
    if (checks.worker === false) return null;
    return ((body && body.detail) || "The API is away.") + back;
  }

  const waiting = "Jobs wait: no worker is alive. Start one with `" + start + "` where Normscope is installed.";
  const stranger = "This browser's token is no longer good. Open the address that `make run` printed.";
  let round = 0;

  // The workers each time; readiness when they cannot be told, and now and then for the database.
  async function trouble() {
    const listed = await ask("/workers");
    if (listed.status === 401) return stranger;
    if (listed.status !== 200) return away(await ask("/readyz")) || "The API is away.";
    const workers = listed.body.items || listed.body;
    window.normscope.workers.say(workers);
    if (!workers.length) return waiting;
    round += 1;
    const doubtful = round % 3 === 1 || (shown && shown !== waiting);
    return doubtful ? away(await ask("/readyz")) : null;
  }

  async function look() {
    window.clearTimeout(timer);
    try {
      const told = await trouble();
      if (told && told !== waiting) window.normscope.workers.say(null);
      else if (document.querySelector("#content .failed.away")) window.location.reload();
      say(told);
    } catch (error) {
      say("The web server does not answer. This page goes on by itself once it is back.");
      window.normscope.workers.say(null);
    }
    timer = window.setTimeout(look, document.hidden ? 5 * EVERY_MS : EVERY_MS);
  }

  // --- keys -------------------------------------------------------------------------------
  let awaitingPlace = 0;

  function typing(target) {
    return target && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
  }

  // As dcc.Link does it: the page changes without a reload.
  function go(path) {
    window.history.pushState({}, "", path);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  // --- elements that scripts make -----------------------------------------------------------
  function made(tag, text, more = {}) {
    const found = document.createElement(tag);
    if (text !== null) found.textContent = text;
    return Object.assign(found, more);
  }

  // A link to another page, without a reload.
  function link(path, text, more = {}) {
    const found = made("a", text, { href: path, ...more });
    found.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(path);
    });
    return found;
  }

  // A page without a search sends one to the jobs' own, which takes a moment to be there.
  function searchJobs(tries = 40) {
    if (window.location.pathname !== "/jobs") go("/jobs");
    const box = document.querySelector("#content [data-search]");
    if (box) box.focus();
    else if (tries) window.setTimeout(searchJobs, 50, tries - 1);
  }

  function press(event) {
    if (event.key === "Escape") openRail(false);
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) return;
    const places = { h: "/", j: "/jobs", c: "/catalogue" };
    if (Date.now() - awaitingPlace < 1000 && places[event.key]) {
      awaitingPlace = 0;
      event.preventDefault();
      go(places[event.key]);
    } else if (event.key === "g") {
      awaitingPlace = Date.now();
    } else if (event.key === "n") {
      event.preventDefault();
      go("/launch");
    } else if (event.key === "/") {
      const box = document.querySelector("#content [data-search], #content input[type=search]");
      event.preventDefault();
      if (box) box.focus();
      else searchJobs();
    } else if (event.key === "?") {
      const list = byId("keys-help");
      if (list && !list.open) list.showModal();
    }
  }

  async function copy(button) {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(byId(button.dataset.copy).textContent);
      button.textContent = "Copied";
    } catch (error) {
      button.textContent = "Select and copy by hand"; // browsers allow it on https and localhost
    }
    window.setTimeout(() => (button.textContent = before), 1500);
  }

  // --- one listener for the frame ---------------------------------------------------------
  document.addEventListener("keydown", press);
  document.addEventListener("visibilitychange", () => document.hidden || look());
  document.addEventListener("click", (event) => {
    const closer = event.target.closest("[data-close]");
    if (closer) byId(closer.dataset.close).close();
    const copier = event.target.closest("[data-copy]");
    if (copier) copy(copier);
    if (event.target.closest("#rail-button")) {
      openRail(!document.documentElement.classList.contains("rail-open"));
    } else if (!event.target.closest("#rail")) {
      openRail(false);
    }
  });

  // The catalogue's filters in the address.
  function address(q, kind) {
    const shown = new URLSearchParams();
    if (q) shown.set("q", q);
    if (kind && kind !== "all") shown.set("kind", kind);
    const search = shown.toString();
    const path = window.location.pathname;
    window.history.replaceState(window.history.state, "", path + (search ? "?" + search : ""));
    return window.dash_clientside.no_update;
  }

  window.normscope = window.normscope || {};
  Object.assign(window.normscope, { go, made, link });
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.shell = { arrive, address };
})();
