// The strokes of a chart, with either pen: axes, then marks.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const CROWD = 12; // beyond so many lines each is a hairline, which is painted thirty times as fast
  const X_EVERY = 90; // pixels between two ticks
  const Y_EVERY = 38;
  const TITLE = 11.5;
  const LEADING = 13; // pixels from a line of words to the next
  const color = (name) => scope.draw.color(name);

  function yTicks({ y, log, height }) {
    const count = height / Y_EVERY;
    return log ? scope.ticks.log(10 ** y[0], 10 ** y[1], count) : scope.ticks.linear(y[0], y[1], count);
  }

  // The room that the labels of the y axis need.
  function wide(pen, log) {
    return (y) => Math.max(0, ...yTicks({ y, log, height: 200 }).map(({ text }) => pen.width(text)));
  }

  function axes(pen, chart, frame) {
    const soft = color("soft");
    const grid = { color: color("grid"), width: 1 };
    const { left, top, width, height } = frame;
    const line = (x0, y0, x1, y1) => {
      pen.begin();
      pen.move(x0, y0);
      pen.to(x1, y1);
      pen.stroke(grid);
    };
    for (const { at, text } of yTicks(frame)) {
      const y = Math.round(frame.toY(at)) + 0.5;
      line(left, y, left + width, y);
      pen.text(left - 6, y, text, { color: soft, align: "right" });
    }
    for (const { at, text } of scope.ticks.linear(...frame.x, width / X_EVERY)) {
      const x = Math.round(frame.toX(at)) + 0.5;
      line(x, top, x, top + height);
      const align = x + pen.width(text) / 2 > left + width + 14 ? "right" : "center";
      pen.text(align === "right" ? left + width + 14 : x, top + height + 11, text, { color: soft, align });
    }
    if (frame.title) pen.text(left + width / 2, top - 9, frame.title, { color: color("ink"), size: 12, align: "center" });
  }

  function titles(pen, chart, size) {
    const soft = { color: color("soft"), size: TITLE, align: "center" };
    pen.text(size.width / 2, size.top + size.height - 9, chart.x.title, soft);
    pen.text(9, size.top + size.height / 2, chart.y.title, { ...soft, turn: -90 });
  }

  function marks(pen, chart, frame, moving) {
    const mine = chart.marks.filter((mark) => mark.panel === frame.panel);
    const thin = moving || chart.marks.length > CROWD;
    if (!chart.bare) pen.clip(frame);
    for (const mark of mine) {
      if (mark.kind === "band") band(pen, frame, mark);
      else if (mark.kind === "points") points(pen, frame, mark);
      else line(pen, frame, mark, thin ? 1 : mark.width);
    }
    if (!chart.bare) pen.unclip();
  }

  // The points between the frame's edges, and one beyond either.
  function visible({ x }, [low, high]) {
    return [Math.max(0, first(x, low) - 1), Math.min(x.length, first(x, high) + 2)];
  }

  // Where the first value that is not less than `wanted` stands.
  function first(values, wanted) {
    let [low, high] = [0, values.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function trace(pen, frame, mark, values) {
    const { left, top, height, across, up, log } = frame;
    const [x0, y0] = [frame.x[0], frame.y[0]];
    const base = top + height;
    const [from, to] = mark.loop ? [0, mark.x.length] : visible(mark, frame.x);
    let down = false;
    for (let at = from; at < to; at += 1) {
      const value = log ? Math.log10(values[at]) : values[at];
      if (!Number.isFinite(value)) down = false;
      else if (down) pen.to(left + (mark.x[at] - x0) * across, base - (value - y0) * up);
      else pen.move(left + (mark.x[at] - x0) * across, base - (value - y0) * up);
      down = Number.isFinite(value);
    }
  }

  function line(pen, frame, mark, width) {
    pen.begin();
    trace(pen, frame, mark, mark.y);
    pen.stroke({ color: color(mark.color), width, dash: mark.dash, opacity: mark.opacity });
    if (mark.dots || mark.x.length < 2) points(pen, frame, mark);
  }

  function points(pen, frame, mark) {
    mark.x.forEach((x, at) => {
      const [px, py] = [frame.toX(x), frame.toY(mark.y[at])];
      const name = mark.colors ? mark.colors[at] : mark.color;
      if (Number.isFinite(px) && Number.isFinite(py)) pen.disc(px, py, mark.size || 3, { color: color(name), opacity: mark.opacity });
    });
  }

  // On a log axis a band that reaches zero goes down to the axis.
  function band(pen, frame, mark) {
    const bottom = frame.top + frame.height;
    const known = mark.x.map((_, at) => at).filter((at) => Number.isFinite(frame.toY(mark.high[at])));
    if (!known.length) return;
    pen.begin();
    known.forEach((at, index) => (index ? pen.to : pen.move)(frame.toX(mark.x[at]), frame.toY(mark.high[at])));
    for (const at of known.reverse()) {
      const low = frame.toY(mark.low[at]);
      pen.to(frame.toX(mark.x[at]), Number.isFinite(low) ? low : bottom);
    }
    pen.fill({ color: color(mark.color), opacity: mark.opacity });
  }

  // What a bare chart says instead of axes: upright rules, and words at places of its own.
  function furniture(pen, chart, frame) {
    for (const x of chart.rules || []) {
      pen.begin();
      pen.move(frame.toX(x), frame.toY(1.03));
      pen.to(frame.toX(x), frame.toY(-0.03));
      pen.stroke({ color: color("zero"), width: 1.2 });
    }
    for (const one of chart.texts || []) said(pen, frame, one);
  }

  // Words at a place, in as many lines as their room asks for: around the place, or all above it.
  function said(pen, frame, { x, y, shift = 0, words, room = 1, above = false, ...style }) {
    const from = frame.toX(x) + shift;
    const lines = wrapped(pen, words, Math.min(room * frame.across - 12, edge(frame, from, style.align) - 4), style);
    const top = frame.toY(y) - LEADING * (above ? lines.length - 1 : (lines.length - 1) / 2);
    const look = { ...style, color: color(style.color), halo: color("paper") };
    lines.forEach((line, at) => pen.text(from, top + LEADING * at, line, look));
  }

  // How many pixels there are to the edge of a bare chart, which has as much to either side.
  function edge(frame, from, align) {
    const after = 2 * frame.left + frame.width - from;
    return { right: from, left: after }[align] ?? 2 * Math.min(from, after);
  }

  // Broken after spaces, dots, underscores and dashes; what is longer than a line stays whole.
  function wrapped(pen, words, width, style) {
    const lines = [""];
    for (const part of words.split(/(?<=[ _–/])|(?<=\.)(?=\D)/)) {
      const longer = lines[lines.length - 1] + part;
      if (lines[lines.length - 1] && pen.width(longer.trim(), style) > width) lines.push(part);
      else lines[lines.length - 1] = longer;
    }
    return lines.map((line) => line.trim());
  }

  // All of it, into a box { width, height, top }; where the frames came to lie.
  function paint(pen, chart, size, view) {
    const found = scope.frames.frames(chart, size, view, wide(pen, view.log));
    for (const frame of found) {
      if (!chart.bare) axes(pen, chart, frame);
      marks(pen, chart, frame, view.moving);
      furniture(pen, chart, frame);
    }
    if (!chart.bare) titles(pen, chart, size);
    return found;
  }

  scope.strokes = { paint, line, first, CROWD };
})();
