// What the cells of the table of jobs show, and how it is read from a job's document.
(function () {
  "use strict";

  const text = (tag, props, ...children) => window.React.createElement(tag, props, ...children);
  const scope = (window.normscope = window.normscope || {});
  const COLORS = (scope.STATE_COLORS = {
    queued: "gray", running: "indigo", succeeded: "teal",
    failed: "red", cancelled: "gray", interrupted: "orange",
  });
  const ended = (job) => ["succeeded", "failed", "cancelled"].includes(job.state);

  function seconds(moment) {
    if (moment === null || moment === undefined) return null;
    return typeof moment === "number" ? moment : Date.parse(moment) / 1000;
  }

  // --- words ------------------------------------------------------------------------------
  function duration(value) {
    if (value === null || !Number.isFinite(value)) return "";
    if (value < 0.05) return "under 0.1 s";
    if (value < 10) return value.toFixed(1) + " s";
    const whole = Math.round(value);
    if (whole < 60) return whole + " s";
    if (whole < 3600) return Math.floor(whole / 60) + " min " + (whole % 60) + " s";
    if (whole < 86400) return Math.floor(whole / 3600) + " h " + Math.floor((whole % 3600) / 60) + " min";
    return Math.floor(whole / 86400) + " d " + Math.floor((whole % 86400) / 3600) + " h";
  }

  function created(job) {
    const at = seconds(job.created_at);
    if (at === null) return "";
    const passed = Date.now() / 1000 - at;
    if (passed < 60) return "just now";
    if (passed < 3600) return Math.floor(passed / 60) + " min ago";
    if (passed < 86400) return Math.floor(passed / 3600) + " h ago";
    return new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ");
  }

  function took(job) {
    const from = seconds(job.started_at);
    if (from === null) return "";
    const to = seconds(job.ended_at);
    return duration((to === null ? Date.now() / 1000 : to) - from);
  }

  const grouped = (whole) => String(whole).replace(/\B(?=(\d{3})+$)/g, " ");
  const SPECIAL = { nan: "NaN", inf: "∞", "-inf": "−∞" };

  function number(value) {
    if (value === undefined || value === null) return "";
    if (typeof value === "string") return SPECIAL[value] || value;
    const size = Math.abs(value);
    if (value !== 0 && (size < 1e-3 || size >= 1e6)) {
      const [mantissa, exponent] = value.toExponential(1).split("e");
      const power = String(Number(exponent)).replace(/./g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
      return mantissa + " × 10" + power;
    }
    return (size >= 1000 ? grouped(Math.round(value)) : value === 0 ? "0" : value.toPrecision(3)).replace("-", "−");
  }

  function percent(value) {
    return typeof value === "number" ? (100 * value).toFixed(1) + " %" : number(value);
  }

  // --- values -----------------------------------------------------------------------------
  // An attack's data and network are those of the job that trained it.
  function data(job) {
    const spec = job.source || job.spec || {};
    const model = spec.model || {};
    const widths = [...(model.channels || []), ...(model.hidden || [])].join("–");
    return [spec.dataset && spec.dataset.name, [model.name, widths].filter(Boolean).join(" ")]
      .filter(Boolean)
      .join(" · ");
  }

  function methods(job) {
    const spec = job.spec || {};
    if (job.kind === "attack") return (spec.attacks || []).map(attackWords).join(", ");
    if (job.kind === "diagnose") return (spec.diagnostics || []).map((one) => one.name.replaceAll("_", " ")).join(", ");
    const chosen = spec.methods || [];
    const told = chosen.filter(({ name }) => name !== "cross_entropy").map(({ name, strength }) => name.replaceAll("_", " ") + (typeof strength === "number" ? " " + strength : ""));
    return told.join(", ") || (chosen.length ? "plain" : "");
  }

  // As attack_words in frontend/views/head.py: PGD-20, linf.
  function attackWords(attack) {
    const steps = attack.steps ? "-" + attack.steps : "";
    const { name } = attack;
    const plain = name.length <= 4 ? name.toUpperCase() : name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
    return plain + steps + (attack.norm ? ", " + attack.norm : "");
  }

  // What is left at the largest budget, under the worst of the job's attacks.
  const ROBUST = "attack/worst/accuracy_at_largest_eps";
  const robust = (job) => (job.summary || {})[ROBUST];

  function robustWords(job) {
    const { attacks, eps_grid: grid } = job.spec || {};
    if (robust(job) === undefined || !attacks || !grid) return undefined;
    const told = attacks.map(attackWords).join("; ");
    const worst = attacks.length > 1 ? "the worst of " : "";
    const examples = (job.info || {}).examples;
    return `accuracy under ${worst}${told} at ε = ${Math.max(...grid)}` + (examples ? `, ${examples} examples` : "");
  }

  const of = (read) => (params) => (params.data ? read(params.data) : "");
  const last = (name) => (job) => (job.summary || {})[name];

  window.dashAgGridFunctions = Object.assign(window.dashAgGridFunctions || {}, {
    jobData: of(data),
    jobMethods: of(methods),
    jobCreated: of(created),
    jobTook: of(took),
    jobAccuracy: of((job) => percent(last("test/accuracy")(job))),
    jobLoss: of((job) => number(last("test/loss")(job))),
    jobNorm: of((job) => number(last("norm/intrinsic")(job))),
    jobRobust: of((job) => percent(robust(job))),
    jobRobustWords: of(robustWords),
  });

  // --- cells ------------------------------------------------------------------------------
  // Of a sweep's job first what tells it from the others: the sweep's own name may be cut off.
  function short(job) {
    const [own, ...sweep] = (job.name || job.id).split(" · ").reverse();
    return job.sweep ? [own, ...sweep.reverse()].join(" · ") : job.name || job.id;
  }

  // What a narrow table says under the name, in the place of columns: what came of it, else what it is.
  function below(job) {
    const found = [["accuracy", last("test/accuracy")(job)], ["robust", robust(job)]].filter(([, value]) => typeof value === "number");
    const { step, steps } = job.progress || {};
    const done = job.state === "running" && steps ? [`${Math.round((100 * step) / steps)} %`] : [];
    return [...done, ...found.map(([word, value]) => `${word} ${percent(value)}`), methods(job), data(job), created(job)].filter(Boolean).join(" · ");
  }

  function jobName({ data: job }) {
    if (!job) return text("span", { className: "cell-wait" });
    const path = "/jobs/" + job.id;
    const visit = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      window.normscope.go(path);
    };
    const name = job.name || job.id;
    const tags = (job.tags || []).filter(Boolean);
    const said = tags.length ? `${name} (${tags.join(", ")})` : name;
    return text("span", { className: "cell-name", title: said },
      text("a", { href: path, onClick: visit }, short(job)),
      ...tags.map((tag) => text("span", { className: "tag", key: tag }, tag)),
      text("span", { className: "cell-below" }, below(job)));
  }

  function jobState({ data: job }) {
    if (!job) return null;
    const word = job.cancelling && !ended(job) ? "cancelling" : job.state;
    const why = (job.error && job.error.message) || job.message || undefined;
    return text("span", { className: "state state-" + COLORS[job.state], title: why }, word);
  }

  function jobProgress({ data: job }) {
    if (!job || !job.progress || !job.progress.steps) return null;
    const { step, steps, eta_s: left } = job.progress;
    const share = Math.min(100, (100 * step) / steps);
    const counted = { train: " steps", attack: " inputs" }[job.kind] || "";
    if (job.state === "succeeded") return text("span", { className: "cell-soft" }, counted ? grouped(steps) + counted : "");
    const told = job.state === "running" && left !== null && left !== undefined
      ? duration(left).replace(/( min| h| d) .*/, "$1") + " left" : Math.round(share) + " %";
    const bar = { className: "bar", role: "progressbar", "aria-valuenow": Math.round(share), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Progress" };
    return text("span", { className: "cell-progress" },
      text("span", bar, text("span", { style: { width: share + "%" }, "data-state": job.state })),
      text("span", { className: "cell-soft" }, told));
  }

  window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    jobName, jobState, jobProgress,
  });
})();
