// Where an axis has its marks, and what is written at them.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});

  // 1, 2 or 5 times a power of ten, so that about `count` of them fit.
  function pace(span, count) {
    const raw = span / Math.max(count, 1);
    const power = 10 ** Math.floor(Math.log10(raw));
    const share = raw / power;
    return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  }

  function linear(low, high, count, format = plain) {
    if (!(high > low)) return [{ at: low, text: format(low, 0) }];
    const step = pace(high - low, count);
    const digits = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
    const found = [];
    for (let index = Math.ceil(low / step - 1e-9); index * step <= high + 1e-9 * step; index += 1) {
      const at = index * step || 0;
      found.push({ at, text: format(at, digits) });
    }
    return found;
  }

  // As `log_ticks` of frontend/plots/series.py: whole decades, else 2 and 5 between them, else as on
  // a linear axis. `low` and `high` are the values, not their logarithms.
  function log(low, high, count) {
    const [from, to] = [Math.log10(low), Math.log10(high)];
    if (to - from <= 0.5) return linear(low, high, count);
    const every = to - from > 2.2 ? Math.max(1, Math.round((to - from) / Math.max(count, 2))) : 0;
    const found = [];
    for (let power = Math.floor(from); power <= Math.ceil(to); power += every || 1) {
      for (const one of every ? [1] : [1, 2, 5]) {
        const at = one * 10 ** power;
        if (at >= low * 0.999 && at <= high * 1.001) found.push({ at, text: every ? `10${scope.numbers.raised(power)}` : plain(at, 0) });
      }
    }
    return found;
  }

  function plain(value, digits) {
    const size = Math.abs(value);
    if (size >= 1e6 || (size > 0 && size < 1e-4)) return scope.numbers.exact(value, 3);
    const [whole, part] = (digits ? value.toFixed(digits) : String(Number(value.toPrecision(6)))).split(".");
    const grouped = size < 1e4 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, " ");
    return (part ? `${grouped}.${part}` : grouped).replace("-", "−");
  }

  scope.ticks = { linear, log };
})();
