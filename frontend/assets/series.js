// What becomes of a series' points on a live page: smoothed as they come, thinned when they are many.
(function () {
  "use strict";

  const MOST_POINTS = 4000;
  const X = ["step", "epoch", "time"];
  const scope = (window.normscope = window.normscope || {});

  // As `smoothed` in frontend/plots/series.py. The weight that a running mean has gathered after many points of this spacing.
  function steady(tau, step) {
    const spacing = step.length > 1 ? (step[step.length - 1] - step[0]) / (step.length - 1) : 1;
    const full = 1 / (1 - Math.exp(-Math.max(spacing, 1e-9) / tau));
    return Math.min(full, step.length);
  }

  function smooth(one, step, value) {
    if (!Number.isFinite(value)) {
      one.weight = 0;
      return NaN;
    }
    const steps = one.meta.step;
    const before = one.last ?? (steps.length ? steps[steps.length - 1] : step);
    const fading = Math.min(one.meta.tau, 0.08 * step + 1);
    const keep = one.weight ? one.weight * Math.exp(-Math.max(step - before, 0) / fading) : 0;
    one.mean = keep ? (keep * one.mean + value) / (keep + 1) : value;
    one.weight = keep + 1;
    one.last = step;
    return one.mean;
  }

  // A long run must not slow its page: the older points give way, extremes stay.
  function thin(gd, known, along) {
    const restyled = { x: [], y: [] };
    const indices = [];
    for (const { trace, meta, index } of known.traces) {
      if (meta.step.length <= MOST_POINTS) continue;
      const kept = extremes(trace.y, 4);
      for (const measure of X) meta[measure] = kept.map((at) => meta[measure][at]);
      restyled.x.push([...(meta[along] || meta.step)]);
      restyled.y.push(kept.map((at) => trace.y[at]));
      indices.push(index);
    }
    const note = gd.closest(".plot-card").querySelector("[data-thinned]");
    if (note) note.textContent = "Older points are thinned on this page: the smallest and largest of every four are shown.";
    Plotly.restyle(gd, restyled, indices);
  }

  // Where the smallest and the largest of every `size` values are, in order; gaps are kept.
  function extremes(values, size) {
    const kept = [];
    for (let from = 0; from < values.length; from += size) {
      let low = from;
      let high = from;
      let gap = -1;
      for (let at = from; at < Math.min(from + size, values.length); at += 1) {
        if (values[at] === null) gap = at;
        else {
          if (values[low] === null || values[at] < values[low]) low = at;
          if (values[high] === null || values[at] > values[high]) high = at;
        }
      }
      kept.push(...[...new Set([low, high, gap].filter((at) => at >= 0))].sort((a, b) => a - b));
    }
    return kept;
  }

  scope.series = { X, MOST_POINTS, steady, smooth, thin };
})();
