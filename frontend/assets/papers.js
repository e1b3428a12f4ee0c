// A paper's page: runs the tests of its claims, follows their jobs, shows verdicts and points.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const AGAIN_MS = 500; // jobs that end together are told together
  const TONES = { holds: "teal", "does not hold": "red", undecided: "orange", "not tested yet": "gray" };
  const byId = (id) => document.getElementById(id);
  let page = null; // { paper, claims, driven, sent, timer }
  let stops = [];

  const place = (claim) => byId(`claim-${claim.name}`);
  const key = (claim) => `claim-${claim.name.replaceAll("_", "-")}`;
  const waiting = (claim) => ["queued", "running", "interrupted"].reduce((sum, state) => sum + (claim.counts[state] || 0), 0);

  // --- what is shown -------------------------------------------------------------------------------
  function show(claim) {
    const root = place(claim);
    if (!root) return;
    badge(root.querySelector(".claim-verdict"), claim.runs.length ? claim.verdict : "not tested yet");
    root.querySelector(".claim-words").textContent = claim.runs.length ? sentence(claim.words) : "No run yet.";
    progress(root, claim);
    buttons(root, claim);
    points(claim);
  }

  function badge(place, said) {
    place.textContent = said;
    place.className = `state state-${TONES[said]} claim-verdict`;
  }

  const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`.replaceAll("-", "−");

  function progress(root, claim) {
    const all = claim.wanted * (claim.attack ? 2 : 1);
    const done = Math.min(claim.runs.length, claim.wanted) + (claim.attack ? claim.attacked : 0);
    const open = waiting(claim) > 0;
    const bar = root.querySelector(".claim-bar");
    bar.hidden = !open;
    bar.firstElementChild.style.transform = `scaleX(${Math.min(1, done / all)})`;
    const here = `${claim.runs.length} of ${claim.wanted} runs are here${claim.attack ? `, ${claim.attacked} attacked` : ""}.`;
    const rest = open && done < all ? ` ${all - done} ${all - done === 1 ? "job" : "jobs"} to go.` : "";
    const failed = claim.counts.failed ? ` ${claim.counts.failed} failed.` : "";
    say(root, open || claim.runs.length || failed ? here + rest + failed : "");
  }

  function say(root, words, refused = false) {
    const said = root.querySelector(".claim-said");
    said.textContent = words;
    said.classList.toggle("refused", refused);
  }

  function buttons(root, claim) {
    const open = waiting(claim);
    const short = claim.runs.length < claim.wanted;
    const hide = (what, hidden) => (root.querySelector(`[data-do=${what}]`).hidden = hidden);
    hide("run", Boolean(open) || !short);
    hide("attack", Boolean(open) || short || !claim.attackable.length);
    hide("cancel", !open);
    const compare = root.querySelector(".claim-compare");
    compare.hidden = claim.runs.length < 2;
    compare.href = `/compare?jobs=${claim.runs.join(",")}${measures(claim)}`;
    const jobs = root.querySelector(".claim-jobs");
    jobs.hidden = !claim.runs.length && !open;
    jobs.href = `/jobs?tag=${encodeURIComponent(claim.tag)}`;
  }

  // Those that trainings measure; attacks have theirs on jobs of their own.
  function measures({ test }) {
    const names = [test.measure, test.other, test.low, test.high].filter((name) => name && !name.startsWith("attack/"));
    return names.length ? `&name=${encodeURIComponent(names.join(","))}` : "";
  }

  // --- its points ------------------------------------------------------------------------------------
  function points(claim) {
    const { kind } = claim.test;
    const traces = kind === "greater" || kind === "never_above" ? groups(claim) : [single(claim)];
    const line = { greater: null, never_above: 1, exceeds: 0 }[kind];
    const shapes = typeof line === "number" ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: line, y1: line, line: { color: scope.draw.color("zero"), width: 1.5 } }] : [];
    const none = !claim.points.length;
    const note = { text: "no point yet", xref: "paper", yref: "paper", x: 0.5, y: 0.5, showarrow: false, font: { size: 13, color: scope.draw.color("soft") } };
    const named = Boolean(claim.test.names);
    scope.draw.show(key(claim), traces, {
      shapes, showlegend: false, annotations: none ? [note] : [],
      xaxis: { showticklabels: named || !none, showgrid: !none }, yaxis: { showticklabels: !none, showgrid: !none },
    });
  }

  function groups({ test, points: found }) {
    const color = (at) => (test.of === undefined ? "blue" : { [test.of]: "vermillion", [test.than]: "blue" }[at] || "grey");
    return test.names.flatMap((name, at) => {
      const y = found.filter((point) => point.group === name).map((point) => point.value);
      const marker = { color: scope.draw.color(color(at)), size: 9, opacity: 0.75, symbol: at % 2 ? "square" : "circle" };
      const dots = { type: "scatter", mode: "markers", name, x: y.map(() => name), y, marker, hovertemplate: "%{y:.4~g}<extra>%{x}</extra>" };
      return y.length ? [dots, { ...dots, name: `${name}, median`, x: [name], y: [median(y)], marker: { color: marker.color, symbol: "line-ew-open", size: 34, line: { width: 2 } } }] : [];
    });
  }

  function single({ test, points: found }) {
    const x = test.kind === "exceeds" ? found.map((_, at) => at + 1) : found.map((point) => point.x);
    return {
      type: "scatter", mode: "markers", name: test.label, x, y: found.map((point) => point.value),
      marker: { color: scope.draw.color("vermillion"), size: 9, opacity: 0.75 }, hovertemplate: "%{x:.4~g}, %{y:.4~g}<extra></extra>",
    };
  }

  function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  // --- its jobs --------------------------------------------------------------------------------------
  async function run(claim) {
    await scope.post("/sweeps", claim.sweep);
    page.driven.add(claim.name);
  }

  async function attack(claim) {
    const sources = claim.attackable.filter((source) => !page.sent.has(source));
    sources.forEach((source) => page.sent.add(source));
    await Promise.all(sources.map((source) => scope.post("/jobs", { kind: "attack", spec: { source, ...claim.attack }, tags: [claim.tag] })));
  }

  async function cancel(claim) {
    page.driven.delete(claim.name);
    const found = await read(`/jobs?tag=${encodeURIComponent(claim.tag)}&state=queued,running,interrupted&limit=1000`);
    await Promise.all(found.items.map((job) => scope.post(`/jobs/${job.id}/cancel`)));
  }

  const DO = { run, attack, cancel };
  const DOING = { run: "Queueing the runs…", attack: "Queueing the attacks…", cancel: "Cancelling…" };

  async function act(button) {
    const claim = page.claims.find((one) => one.name === button.closest(".claim").dataset.claim);
    button.disabled = true;
    say(place(claim), DOING[button.dataset.do]);
    try {
      await DO[button.dataset.do](claim);
      await renew();
    } catch (error) {
      refuse(claim, error);
    }
    button.disabled = false;
  }

  function refuse(claim, error) {
    if (place(claim)) say(place(claim), error.message, true);
  }

  // --- it goes on by itself ----------------------------------------------------------------------------
  async function read(path) {
    const answer = await fetch(`/api/v1${path}`);
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.detail || answer.statusText);
    return found;
  }

  async function renew() {
    const mine = page;
    const found = await read(`/papers?name=${encodeURIComponent(page.paper)}`);
    if (page !== mine) return;
    page.claims = found.items[0].claims;
    page.claims.forEach(show);
    for (const claim of page.claims.filter((one) => page.driven.has(one.name) && one.attackable.length)) {
      await attack(claim).catch((error) => refuse(claim, error));
    }
  }

  function state(job) {
    if (page && page.claims.some((claim) => (job.tags || []).includes(claim.tag))) soon();
  }

  function soon() {
    if (!page || !byId("paper")) return; // its reader has gone on
    page.timer = page.timer || window.setTimeout(() => {
      if (!page || !byId("paper")) return;
      page.timer = 0;
      renew().catch(() => {}); // the banner says when the API is away; "opened" asks again
    }, AGAIN_MS);
  }

  function start() {
    stops.forEach((end) => end());
    stops = [];
    page = null;
    const root = byId("paper");
    if (!root) return null;
    page = { ...JSON.parse(root.dataset.paper), driven: new Set(), sent: new Set(), timer: 0 };
    equation(root);
    page.claims.forEach(show);
    stops = [scope.events.on("state", state), scope.events.on("opened", soon)];
    stops.push(scope.events.open({ owner: root }));
    return Date.now();
  }

  function equation(root) {
    const found = root.querySelector(".paper-equation");
    const math = new DOMParser().parseFromString(found.dataset.math, "application/xml").documentElement;
    found.replaceChildren(document.importNode(math, true));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".claim [data-do]");
    if (page && button) act(button);
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.papers = { start };
})();
