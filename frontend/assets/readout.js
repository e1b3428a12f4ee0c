// The numbers beside the plots while a job runs: figures, progress, the banner of a stale page.
// Text only, in places whose size does not change.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const SILENT_MS = 6000;
  const PACE_S = 20;
  const STEADY_S = 2;

  const { number, percent, duration } = scope.numbers;

  const FORMATS = {
    number: (page, name) => number(page.latest[name]),
    percent: (page, name) => percent(page.latest[name]),
    first: (page, name) => number(page.first[name]),
    times: (page, name) => {
      const [over, under] = name.split(" ").map((part) => page.latest[part]);
      return under > 0 && Number.isFinite(over) ? `${number(over / under, 2)} × the largest measured` : null;
    },
  };

  function write(element, text) {
    if (text !== null && element.textContent !== text) element.textContent = text;
  }

  function say(page) {
    for (const element of document.querySelectorAll("[data-value]")) {
      const { value, format } = element.dataset;
      const names = value.split(" ");
      if (names.every((name) => name in page.latest)) {
        if (format === "first" && element.textContent !== "–") continue;
        write(element, FORMATS[format](page, value));
      }
    }
    progress(page);
  }

  // --- how long it takes yet ----------------------------------------------------------------
  // Steps a second over the last PACE_S seconds of what was measured, anew once a second; not a
  // number before STEADY_S of them.
  function rate(page) {
    const now = Date.now();
    if (page.rate && now - page.rate.at < 1000) return page.rate.value;
    const last = page.pace[page.pace.length - 1];
    const first = page.pace.find((point) => last.time - point.time <= PACE_S);
    const passed = last.time - first.time;
    page.rate = { at: now, value: passed >= STEADY_S ? (last.step - first.step) / passed : NaN };
    return page.rate.value;
  }

  // The time left counts down by itself; an estimate that is a tenth off takes its place.
  function left(page, estimate) {
    const now = Date.now() / 1000;
    const told = page.until ? page.until - now : NaN;
    const near = Math.abs(estimate - told) <= Math.max(1, 0.1 * estimate);
    if (Number.isFinite(estimate) && !near) page.until = now + estimate;
    return page.until ? Math.max(page.until - now, 0) : NaN;
  }

  // --- is anybody there? --------------------------------------------------------------------
  // A point or a state came. What is slow by nature is not silent: the longest wait is remembered.
  function heard(page) {
    const now = Date.now();
    page.gap = Math.max(page.gap, now - page.heard);
    page.heard = now;
  }

  // Words in place of the time left once that would be made up; null while the worker is heard.
  function silence(page) {
    if (!scope.events.online) return "not connected";
    const passed = Date.now() - page.heard;
    if (passed < Math.max(SILENT_MS, 2 * page.gap)) return null;
    return `no word from the worker for ${duration(passed / 1000)}`;
  }

  function progress(page) {
    const box = document.getElementById("job-progress");
    if (!box || page.state !== "running") return;
    const done = { attack: attacked, diagnose: diagnosed }[page.kind]?.(page) || trained(page);
    const silent = silence(page);
    if (!done.words.length && !silent) return;
    if (done.words.length) {
      box.querySelector(".bar-done").style.transform = `scaleX(${Math.min(done.share, 1)})`;
      box.querySelector(".bar").setAttribute("aria-valuenow", String(Math.round(100 * done.share)));
    }
    const words = [...done.words, ...(silent ? [silent] : done.left)];
    write(box.querySelector(".progress-text"), words.join(" · "));
  }

  function trained(page) {
    const last = page.pace[page.pace.length - 1];
    const steps = (page.progress && page.progress.steps) || page.steps;
    if (!last || !steps) return { words: [], left: [] };
    const pace = rate(page);
    const rest = left(page, (steps - last.step) / pace);
    const epoch = Math.min(Math.floor(last.epoch) + 1, page.epochs);
    return {
      share: last.step / steps,
      words: [`epoch ${epoch} of ${page.epochs}`],
      left: [
        ...(Number.isFinite(rest) ? [`${duration(rest)} left`] : []),
        ...(Number.isFinite(pace) ? [`${number(pace)} steps/s`] : []),
      ],
    };
  }

  function attacked(page) {
    const names = page.attacks || [];
    if (!names.some((name) => `attack/${name}/progress` in page.latest)) return { words: [], left: [] };
    const parts = names.map((name) => Number(page.latest[`attack/${name}/progress`] || 0));
    const share = parts.reduce((sum, part) => sum + part, 0) / parts.length;
    const at = names[parts.findIndex((part) => part < 1)];
    const all = page.steps ? ` of ${number(page.steps, 1)} inputs attacked` : " done";
    const words = [`${Math.round(100 * share)} %${all}`, ...(at && names.length > 1 ? [at] : [])];
    return { share, words, left: [] };
  }

  // Each diagnostic ends with `progress`: how many are done.
  function diagnosed(page) {
    const done = Number(page.latest.progress ?? (page.progress && page.progress.step) ?? 0);
    const all = (page.progress && page.progress.steps) || page.steps;
    if (!all) return { words: [], left: [] };
    return { share: done / all, words: [`${done} of ${all} diagnostics`], left: [] };
  }

  // The state's word with what follows from it: progress, and the buttons that it allows. The
  // server's own words, of how long it took and what to do next, come after.
  function became(page) {
    const { state } = page;
    const place = document.getElementById("job-state");
    if (!place) return;
    write(place, state);
    place.className = `state state-${scope.STATE_COLORS[state] || "gray"}`;
    for (const part of document.querySelectorAll("[data-in]")) part.hidden = !part.dataset.in.split(" ").includes(state);
    ended(page);
  }

  const AT_END = { succeeded: "done", failed: "stopped", cancelled: "cancelled" };

  function ended(page) {
    const box = document.getElementById("job-progress");
    if (!box || !(page.state in AT_END)) return;
    write(box.querySelector(".progress-text"), AT_END[page.state]);
    if (page.state !== "succeeded") return;
    box.querySelector(".bar-done").style.transform = "scaleX(1)";
    box.querySelector(".bar").setAttribute("aria-valuenow", "100");
  }

  function stale(shown, lastPoint) {
    const banner = document.getElementById("stale");
    if (!banner) return;
    const at = lastPoint ? new Date(lastPoint).toLocaleTimeString() : null;
    banner.textContent = shown
      ? "Not connected: these curves may be old." + (at ? ` The last point came at ${at}.` : "") + " They go on by themselves once the server is back."
      : "";
    banner.hidden = !shown;
  }

  scope.readout = { say, progress, became, heard, stale };
})();
