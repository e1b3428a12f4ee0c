// Numbers, shares and durations as frontend/words.py says them: one way of writing on every page.
//   normscope.numbers.number(1234.5)    "1 234"        three digits, those that are zero too
//   normscope.numbers.exact(0.05, 3)    "0.05"         at most so many digits: what was chosen
//   normscope.numbers.percent(0.9284)   "92.8 %"
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const JOINT = "\u00a0"; // between thousands: no line ends within a number
  const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const INFINITE = { inf: Infinity, "-inf": -Infinity };

  function number(value, digits = 3) {
    return written(value, digits, (part) => part);
  }

  function exact(value, digits = 4) {
    return written(value, digits, (part) => part.replace(/0+$/, ""));
  }

  // `kept`: which of the digits after the point are written.
  function written(value, digits, kept) {
    if (value === undefined || value === null) return "–";
    const x = Number(INFINITE[value] ?? value);
    if (Number.isNaN(x)) return "not a number";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    if (x === 0) return "0";
    const sign = x < 0 ? "−" : "";
    const [mantissa, power] = Math.abs(x).toExponential(digits - 1).split("e");
    const exponent = Number(power);
    if (exponent < -3 || exponent >= 6) return `${sign}${joined(mantissa, kept)} × 10${raised(exponent)}`;
    return sign + joined(Math.abs(x).toFixed(Math.max(digits - 1 - exponent, 0)), kept);
  }

  function joined(text, kept) {
    const [whole, part = ""] = text.split(".");
    const rest = kept(part);
    return whole.replace(/\B(?=(\d{3})+$)/g, JOINT) + (rest ? `.${rest}` : "");
  }

  const raised = (exponent) => String(exponent).replace(/[-\d]/g, (sign) => SUPERSCRIPT[sign]);

  function percent(value) {
    return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–";
  }

  function duration(seconds) {
    if (!Number.isFinite(seconds)) return "–";
    if (seconds < 10) return `${Math.max(seconds, 0).toFixed(0)} s`;
    const whole = Math.round(seconds);
    for (const [large, small, scale, rest] of [["d", "h", 86400, 3600], ["h", "min", 3600, 60], ["min", "s", 60, 1]]) {
      if (whole >= scale) {
        const left = Math.floor((whole % scale) / rest);
        return `${Math.floor(whole / scale)} ${large}` + (left ? ` ${left} ${small}` : "");
      }
    }
    return `${whole} s`;
  }

  scope.numbers = { number, exact, percent, duration, raised };
})();
