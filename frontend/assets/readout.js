// The numbers beside the plots while a job runs: figures, progress, the banner of a stale page.
// Text only, in places whose size does not change.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

  // As frontend/words.py says them.
  function number(value, digits = 3) {
    if (value === undefined || value === null) return "–";
    const x = Number(value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);
    if (Number.isNaN(x)) return "not a number";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    if (x === 0) return "0";
    const exponent = Math.floor(Math.log10(Math.abs(x)));
    if (exponent >= -3 && exponent < 6) {
      const [whole, part] = Math.abs(x).toFixed(Math.max(digits - 1 - exponent, 0)).split(".");
      const grouped = whole.replace(/\B(?=(\d{3})+$)/g, " ");
      return (x < 0 ? "−" : "") + grouped + (part ? "." + part : "");
    }
    const power = String(exponent).replace(/[-\d]/g, (sign) => SUPERSCRIPT[sign]);
    return `${(x / 10 ** exponent).toFixed(digits - 1)} × 10${power}`.replace("-", "−");
  }

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

  const FORMATS = {
    number: (page, name) => number(page.latest[name]),
    percent: (page, name) => percent(page.latest[name]),
    first: (page, name) => number(page.first[name]),
    times: (page, name) => {
      const [over, under] = name.split(" ").map((part) => page.latest[part]);
      return under > 0 && Number.isFinite(over) ? number(over / under, 2) : null;
    },
  };

  function write(element, text) {
    if (text !== null && element.textContent !== text) element.textContent = text;
  }

  function say(page) {
    for (const element of document.querySelectorAll("[data-value]")) {
      const { value, format } = element.dataset;
      const names = value.split(" ");
      if (names.every((name) => name in page.latest)) {
        if (format === "first" && element.textContent !== "–") continue;
        write(element, FORMATS[format](page, value));
      }
    }
    progress(page);
  }

  // Steps a second over the last three seconds of what was measured.
  function rate(pace) {
    const last = pace[pace.length - 1];
    const first = last && pace.find((point) => last.time - point.time <= 3);
    const passed = first ? last.time - first.time : 0;
    return passed > 0.2 ? (last.step - first.step) / passed : NaN;
  }

  function progress(page) {
    const box = document.getElementById("job-progress");
    if (!box) return;
    const done = page.kind === "attack" ? attacked(page) : trained(page);
    if (!done) return;
    box.querySelector(".bar-done").style.transform = `scaleX(${Math.min(done.share, 1)})`;
    box.querySelector(".bar").setAttribute("aria-valuenow", String(Math.round(100 * done.share)));
    write(box.querySelector(".progress-text"), done.text);
  }

  function trained(page) {
    const last = page.pace[page.pace.length - 1];
    const steps = (page.progress && page.progress.steps) || page.steps;
    if (!last || !steps || page.state !== "running") return null;
    const pace = rate(page.pace);
    const epoch = Math.min(Math.floor(last.epoch) + 1, page.epochs);
    const words = [`epoch ${epoch} of ${page.epochs}`];
    if (Number.isFinite(pace)) words.push(`${duration((steps - last.step) / pace)} left`, `${number(pace)} steps/s`);
    return { share: last.step / steps, text: words.join(" · ") };
  }

  function attacked(page) {
    const names = page.attacks || [];
    const parts = names.map((name) => Number(page.latest[`attack/${name}/progress`] || 0));
    if (!parts.length || page.state !== "running") return null;
    const share = parts.reduce((sum, part) => sum + part, 0) / parts.length;
    const at = names[parts.findIndex((part) => part < 1)];
    return { share, text: `${Math.round(100 * share)} % done` + (at && names.length > 1 ? ` · ${at}` : "") };
  }

  function stale(shown, lastPoint) {
    const banner = document.getElementById("stale");
    if (!banner) return;
    const at = lastPoint ? new Date(lastPoint).toLocaleTimeString() : null;
    banner.textContent = shown
      ? "Not connected: these curves may be old." + (at ? ` The last point came at ${at}.` : "") + " They go on by themselves once the server is back."
      : "";
    banner.hidden = !shown;
  }

  scope.readout = { say, stale, number, percent, duration };
})();
