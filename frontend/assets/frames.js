// Where the panels of a chart lie, which ranges they show, and what a place in them means.
//
// A chart is { panels: ["", …], marks: [mark, …], x, y, pick, bare?, texts?, rules? }; its axes are
// { title, zero?, pad?, range?, log? }. A mark is { kind: "line" | "band" | "points", panel, x, y,
// color, … }, a band with `low` and `high` in place of `y`. On a log axis ranges are logarithms.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const ACROSS = 3;
  const LEAST = 170; // pixels of a panel beside others
  const ROOM = { right: 16, bottom: 20, title: 17, top: 10, label: 20, between: 14 };
  const BESIDE = 110; // pixels for words to either side of a bare chart, where there are as many
  const PAD = 0.04;

  const heights = (mark) => (mark.kind === "band" ? [mark.low, mark.high] : [mark.y]);

  // The ends of what is drawn at all, or of what lies between two places on the x axis.
  function reach(marks, log, within = null) {
    const box = { x: [Infinity, -Infinity], y: [Infinity, -Infinity] };
    for (const mark of marks) {
      for (let at = 0; at < mark.x.length; at += 1) {
        const x = mark.x[at];
        if (within && (x < within[0] || x > within[1])) continue;
        widen(box.x, x);
        for (const values of heights(mark)) if (!log || values[at] > 0) widen(box.y, log ? Math.log10(values[at]) : values[at]);
      }
    }
    return box;
  }

  function widen(ends, value) {
    if (!Number.isFinite(value)) return;
    if (value < ends[0]) ends[0] = value;
    if (value > ends[1]) ends[1] = value;
  }

  function padded([low, high], share, floor) {
    if (low > high) return [0, 1];
    const room = high > low ? share * (high - low) : Math.abs(high) * 0.05 || 0.5;
    return [floor && low >= 0 ? Math.max(0, low - room) : low - room, high + room];
  }

  // `view` is what the reader chose: { x, y, log }, each null where the data decide.
  function ranges(chart, view) {
    const box = reach(chart.marks, view.log);
    const x = view.x || chart.x.range || along(box.x, chart.x);
    const y = view.y || chart.y.range || padded((view.x ? reach(chart.marks, view.log, x) : box).y, PAD, !view.log && !chart.y.pad);
    return { x, y };
  }

  function along([low, high], { zero, pad }) {
    if (low > high) return [0, 1];
    const from = zero ? Math.min(0, low) : low;
    return pad || from === high ? padded([low, high], PAD, false) : [from, high];
  }

  function grid(panels, width) {
    const across = Math.max(1, Math.min(panels, ACROSS, Math.floor(width / LEAST)));
    return { across, rows: Math.ceil(panels / across) };
  }

  // A frame a panel: its box in pixels, its ranges, and ways from values to pixels and back.
  function frames(chart, size, view, wide) {
    const { x, y } = ranges(chart, view);
    const { across, rows } = grid(chart.panels.length, size.width);
    const beside = Math.min(BESIDE, 0.26 * size.width);
    const margin = chart.bare ? { left: beside, bottom: 0, right: beside } : { left: wide(y) + ROOM.label + 6, bottom: ROOM.bottom, right: ROOM.right };
    const cell = { width: (size.width - ROOM.label) / across, height: (size.height - (chart.bare ? 0 : ROOM.label)) / rows };
    return chart.panels.map((title, panel) => {
      const [column, row] = [panel % across, Math.floor(panel / across)];
      const left = chart.bare ? margin.left : column * cell.width + margin.left - (column ? ROOM.label - ROOM.between : 0);
      const top = size.top + row * cell.height + (title ? ROOM.title : ROOM.top);
      const right = chart.bare ? size.width - margin.right : (column + 1) * cell.width + ROOM.label - margin.right;
      const bottom = size.top + (row + 1) * cell.height - margin.bottom;
      return frame({ panel, title, left, top, width: Math.max(20, right - left), height: Math.max(20, bottom - top), x, y, log: view.log });
    });
  }

  function frame(one) {
    const across = one.width / (one.x[1] - one.x[0]);
    const up = one.height / (one.y[1] - one.y[0]);
    const to = one.log ? Math.log10 : (value) => value;
    return {
      ...one, across, up,
      toX: (value) => one.left + (value - one.x[0]) * across,
      toY: (value) => one.top + one.height - (to(value) - one.y[0]) * up,
      fromX: (pixel) => one.x[0] + (pixel - one.left) / across,
      fromY: (pixel) => one.y[0] + (one.top + one.height - pixel) / up,
      holds: (x, y) => x >= one.left && x <= one.left + one.width && y >= one.top && y <= one.top + one.height,
    };
  }

  scope.frames = { frames, grid };
})();
