// Numbers about numbers, for pages that compare jobs. Pure: nothing here touches the page.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});

  // An exponential mean without the bias of its start: weight `keep` for what was before.
  function smoothed(values, keep) {
    let mean = 0;
    let weight = 0;
    return values.map((value) => {
      if (!Number.isFinite(value)) return null;
      mean = keep * mean + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
      return mean / weight;
    });
  }

  // Kendall's tau-b of two samples; null where one of them does not vary.
  function kendall(xs, ys) {
    let balance = 0;
    let tiedX = 0;
    let tiedY = 0;
    let pairs = 0;
    for (let i = 1; i < xs.length; i += 1) {
      for (let j = 0; j < i; j += 1) {
        const product = Math.sign(xs[i] - xs[j]) * Math.sign(ys[i] - ys[j]);
        pairs += 1;
        balance += product;
        if (xs[i] === xs[j]) tiedX += 1;
        if (ys[i] === ys[j]) tiedY += 1;
      }
    }
    const scale = Math.sqrt((pairs - tiedX) * (pairs - tiedY));
    return scale ? balance / scale : null;
  }

  // Its 95 % interval by the percentile bootstrap over jobs, the same for the same points.
  function interval(xs, ys, draws = 500) {
    let seed = 12345;
    const random = () => {
      seed = (1103515245 * seed + 12345) % 2147483648;
      return seed / 2147483648;
    };
    const found = [];
    for (let draw = 0; draw < draws; draw += 1) {
      const picked = xs.map(() => Math.floor(random() * xs.length));
      const tau = kendall(picked.map((at) => xs[at]), picked.map((at) => ys[at]));
      if (tau !== null) found.push(tau);
    }
    if (found.length < draws / 2) return null;
    found.sort((a, b) => a - b);
    return [found[Math.floor(0.025 * found.length)], found[Math.min(found.length - 1, Math.floor(0.975 * found.length))]];
  }

  // Mean and standard deviation over lines, at the steps of the one with most points; each line is
  // read off between its points, and counts only where it reaches.
  function band(lines) {
    const longest = lines.reduce((best, line) => (line.x.length > best.x.length ? line : best), lines[0]);
    const found = { x: [], mean: [], low: [], high: [] };
    for (const x of longest.x) {
      const values = lines.map((line) => at(line, x)).filter(Number.isFinite);
      if (!values.length) continue;
      const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
      const spread = values.length > 1 ? Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (values.length - 1)) : 0;
      found.x.push(x);
      found.mean.push(mean);
      found.low.push(mean - spread);
      found.high.push(mean + spread);
    }
    return found;
  }

  function at(line, x) {
    const { x: xs, y } = line;
    if (!xs.length || x < xs[0] || x > xs[xs.length - 1]) return NaN;
    let low = 0;
    let high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= x) low = middle;
      else high = middle;
    }
    if (xs[high] === xs[low]) return y[low];
    const share = (x - xs[low]) / (xs[high] - xs[low]);
    return y[low] + share * (y[high] - y[low]);
  }

  scope.stats = { smoothed, kendall, interval, band };
})();
