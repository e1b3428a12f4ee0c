// What a reader does on a chart: drag to zoom, drag with Shift to pan, double click for the whole;
// with the keyboard arrows, + and −, and 0.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const LEAST = 6; // pixels that make a drag
  const KEYS = { ArrowLeft: [-0.1, 1], ArrowRight: [0.1, 1], "+": [0, 0.7], "=": [0, 0.7], "-": [0, 1 / 0.7] };

  function listen(chart) {
    const { plane } = chart;
    plane.tabIndex = 0;
    plane.setAttribute("role", "group");
    plane.setAttribute("aria-label", "Arrows move, plus and minus zoom, 0 shows the whole");
    plane.addEventListener("pointerdown", (event) => down(chart, event));
    plane.addEventListener("dblclick", () => whole(chart));
    plane.addEventListener("keydown", (event) => key(chart, event));
  }

  function place(chart, event) {
    const box = chart.plane.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  function down(chart, event) {
    if (!chart.spec || event.button !== 0) return;
    const from = place(chart, event);
    const frame = chart.frames.find((one) => one.holds(from.x, from.y));
    if (!frame || chart.spec.still) return;
    event.preventDefault();
    chart.plane.focus({ preventScroll: true });
    (event.shiftKey ? pan : zoom)(chart, frame, from, event.pointerId);
  }

  // Calls `move` at most once a frame while the pointer is down, and `up` when it is let go.
  function drag(chart, pointer, move, up) {
    let waiting = 0;
    let last = null;
    const ends = new AbortController();
    const flush = () => {
      waiting = 0;
      if (last) move(last);
    };
    const moved = (event) => {
      last = place(chart, event);
      waiting = waiting || window.requestAnimationFrame(flush);
    };
    const done = (event) => {
      window.cancelAnimationFrame(waiting);
      ends.abort();
      up(event.type === "pointerup" ? place(chart, event) : null);
    };
    chart.plane.setPointerCapture(pointer);
    for (const kind of ["pointermove"]) chart.plane.addEventListener(kind, moved, { signal: ends.signal });
    for (const kind of ["pointerup", "pointercancel"]) chart.plane.addEventListener(kind, done, { signal: ends.signal });
  }

  function pan(chart, frame, from, pointer) {
    const { x, y } = frame;
    const begun = { x: chart.view.x, y: chart.view.y };
    const move = (to) => {
      const [across, up] = [(from.x - to.x) / frame.across, (to.y - from.y) / frame.up];
      Object.assign(chart.view, { x: x.map((end) => end + across), y: y.map((end) => end + up), moving: true });
      chart.paint();
    };
    drag(chart, pointer, move, (to) => {
      chart.view.moving = false;
      if (!to || Math.abs(to.x - from.x) + Math.abs(to.y - from.y) < LEAST) Object.assign(chart.view, begun);
      else {
        move(to);
        chart.view.moving = false;
        told(chart);
      }
      chart.paint();
    });
  }

  // A narrow drag along one axis zooms that axis alone.
  function zoom(chart, frame, from, pointer) {
    drag(
      chart, pointer,
      (to) => scope.hover.select(chart, stretch(frame, from, to)),
      (to) => {
        scope.hover.clear(chart);
        const box = to && stretch(frame, from, to);
        if (!box || (!box.wide && !box.high)) return;
        if (box.wide) chart.view.x = [frame.fromX(box.left), frame.fromX(box.right)];
        if (box.high) chart.view.y = [frame.fromY(box.bottom), frame.fromY(box.top)];
        chart.paint();
        if (box.wide) told(chart);
      },
    );
  }

  function stretch(frame, from, to) {
    const inside = (value, low, size) => Math.min(low + size, Math.max(low, value));
    const xs = [from.x, inside(to.x, frame.left, frame.width)].sort((a, b) => a - b);
    const ys = [from.y, inside(to.y, frame.top, frame.height)].sort((a, b) => a - b);
    const [across, down] = [xs[1] - xs[0], ys[1] - ys[0]];
    const wide = across >= LEAST && across > 0.3 * down;
    const high = down >= LEAST && (down > 0.3 * across || !wide) && (down > 24 || !wide);
    return {
      wide, high,
      left: wide ? xs[0] : frame.left, right: wide ? xs[1] : frame.left + frame.width,
      top: high ? ys[0] : frame.top, bottom: high ? ys[1] : frame.top + frame.height,
    };
  }

  function whole(chart) {
    Object.assign(chart.view, { x: null, y: null });
    chart.paint();
    told(chart);
  }

  // The page may link charts, and ask for what is now seen in full.
  function told(chart) {
    if (chart.ranged) chart.ranged(chart.view.x);
  }

  function key(chart, event) {
    if (!chart.frames.length || chart.spec.still || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "0") whole(chart);
    else if (KEYS[event.key]) {
      const [shift, scale] = KEYS[event.key];
      const [low, high] = chart.frames[0].x;
      const [middle, half] = [(low + high) / 2 + shift * (high - low), (scale * (high - low)) / 2];
      chart.view.x = [middle - half, middle + half];
      chart.paint();
      told(chart);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  scope.gestures = { listen };
})();
