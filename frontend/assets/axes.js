// Axes that grow in steps while a job runs, until the reader zooms; and where a series broke.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});

  // Dash answers every change of an axis by drawing anew the figure that it was given first, without
  // what has happened since: on these plots nobody but us listens.
  function own(gd) {
    if (gd.normscopeOwn) return;
    gd.normscopeOwn = true;
    gd.removeAllListeners("plotly_relayout");
    gd.removeAllListeners("plotly_restyle");
    gd.on("plotly_relayout", (change) => moved(gd, change));
  }

  function touched(event) {
    const card = event.target.closest && event.target.closest(".plot-card");
    const gd = card && card.querySelector(".js-plotly-plot");
    if (gd && gd.removeAllListeners) own(gd);
  }
  document.addEventListener("pointerover", touched, true);
  document.addEventListener("pointerdown", touched, true);

  // The reader moved an axis: it is theirs; a double click gives it back.
  function moved(gd, change) {
    const known = gd.normscope;
    if (!known || known.mine) return;
    for (const [name, key] of [["x", "xaxis"], ["y", "yaxis"]]) {
      if (`${key}.range[0]` in change || `${key}.range` in change) known.own[name] = false;
      if (change[`${key}.autorange`]) {
        known.own[name] = true;
        known.box = null;
      }
    }
  }

  function relayout(gd, change) {
    const known = gd.normscope;
    known.mine = true;
    return Promise.resolve(Plotly.relayout(gd, change)).finally(() => (known.mine = false));
  }

  function grow(gd, known, update, page) {
    const log = gd.layout.yaxis.type === "log";
    if (!known.box || known.box.log !== log) known.box = measure(gd, log);
    else stretch(known.box, update.x, update.y, log);
    const change = {};
    if (known.own.x && !inside(known.x, known.box.right)) {
      known.x = rightEnd(known.box.right, gd.layout.meta.along, page);
      change["xaxis.range"] = [0, known.x];
    }
    if (known.own.y && known.box.low <= known.box.high && !holds(known, log)) {
      known.y = ends(known.box, log, gd.layout.yaxis);
      known.y.log = log;
      change["yaxis.range"] = [known.y.low, known.y.high];
      if (log) change["yaxis.dtick"] = logTicks(known.y.high - known.y.low);
    }
    if (Object.keys(change).length) relayout(gd, change);
  }

  const inside = (end, value) => end !== undefined && value <= end;

  function holds(known, log) {
    const { y, box } = known;
    if (!y || y.log !== log) return false;
    const low = log ? Math.log10(box.low) : box.low;
    const high = log ? Math.log10(box.high) : box.high;
    return low >= y.low && high <= y.high;
  }

  function measure(gd, log) {
    const box = { right: 0, low: Infinity, high: -Infinity, log };
    const shown = gd.data.filter((trace) => trace.visible !== "legendonly" && trace.meta && trace.meta.series);
    stretch(box, shown.map((trace) => trace.x), shown.map((trace) => trace.y), log);
    return box;
  }

  function stretch(box, xs, ys, log) {
    for (const x of xs) if (x.length) box.right = Math.max(box.right, x[x.length - 1]);
    for (const y of ys) {
      for (const value of y) {
        if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
        if (value < box.low) box.low = value;
        if (value > box.high) box.high = value;
      }
    }
  }

  // A quarter further than is needed, and never past the end of the run.
  function rightEnd(right, along, page) {
    const whole = along === "step" ? page.steps : along === "epoch" ? page.epochs : null;
    const further = Math.max(right * 1.3, along === "time" ? 2 : 0.1 * (whole || 0));
    return whole ? Math.min(further, whole) : further;
  }

  function ends(box, log, axis) {
    if (log) {
      const low = Math.log10(box.low);
      const high = Math.log10(box.high);
      const pad = Math.max(0.08 * (high - low), 0.05);
      return { low: Math.floor((low - pad) * 4) / 4, high: Math.ceil((high + pad) * 4) / 4 };
    }
    const span = box.high - box.low || Math.abs(box.high) || 1;
    const step = 10 ** Math.floor(Math.log10(span)) / 2;
    const percent = axis.tickformat === ".0%";
    const high = Math.ceil((box.high + 0.04 * span) / step) * step;
    const low = Math.floor((box.low - 0.04 * span) / step) * step;
    return { low: box.low >= 0 ? Math.max(low, 0) : low, high: percent ? Math.min(high, 1.02) : high };
  }

  // As log_ticks in frontend/plots/series.py: whole decades alone, or 2 and 5 between them.
  function logTicks(decades) {
    if (decades > 2.2) return Math.max(1, Math.round(decades / 6));
    return decades > 0.5 ? "D2" : null;
  }

  // A cross where a series stopped being finite, on the plot's last trace.
  function broke(gd, known, one, item) {
    if (one.meta.role === "smooth" || known.said.has(one.meta.series)) return;
    known.said.add(one.meta.series);
    const index = gd.data.findIndex((trace) => trace.meta && trace.meta.role === "broken");
    if (index < 0) return;
    const { trace } = one;
    const label = String(trace.name).split(",")[0];
    const mark = gd.data[index];
    const told = mark.meta.step.includes(item.step); // one label a step
    const words = told || trace.visible === "legendonly" ? "" : `${label} became ${item.value} at step ${item.step}`;
    const height = [...trace.y].reverse().find((y) => y !== null) ?? 1;
    mark.meta.step.push(item.step);
    mark.meta.epoch.push(item.epoch);
    mark.meta.time.push(item.seconds);
    const along = gd.layout.meta.along;
    const x = { step: item.step, epoch: item.epoch, time: item.seconds }[along];
    const side = `middle ${x < (gd._fullLayout.xaxis.range[0] + gd._fullLayout.xaxis.range[1]) / 2 ? "right" : "left"}`;
    window.setTimeout(() => Plotly.extendTraces(gd, { x: [[x]], y: [[height]], text: [[words]], textposition: [[side]] }, [index]));
  }

  // After a change of scale or measure: while a job runs the ranges are ours again.
  function forget(gd) {
    const known = gd.normscope;
    if (!known) return;
    known.box = null;
    known.x = undefined;
    known.y = undefined;
    known.own = { x: true, y: true };
  }

  scope.axes = { grow, own, broke, forget, logTicks };
})();
