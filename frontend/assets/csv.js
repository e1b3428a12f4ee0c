// Tables as CSV. A text that a spreadsheet would take for a formula gets a quote before it: names and tags are what
// somebody wrote.
//   normscope.csv([["name", "loss"], ["=1+1", -2]])    "name,loss\n'=1+1,-2\n"
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const FORMULA = /^(?!-inf$)[=+\-@\t\r]/;

  function cell(value, missing) {
    if (value === null || value === undefined) return missing;
    const dangerous = typeof value === "string" && FORMULA.test(value) && Number.isNaN(Number(value));
    const text = dangerous ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  scope.csv = (rows, missing = "") => rows.map((row) => row.map((value) => cell(value, missing)).join(",")).join("\n") + "\n";
})();
