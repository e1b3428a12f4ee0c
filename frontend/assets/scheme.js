// Before the first paint: the stored colour scheme, else the system's, so that nothing flashes.
(function () {
  "use strict";
  let stored = null;
  try {
    stored = window.localStorage.getItem("mantine-color-scheme-value");
  } catch (error) {
    stored = null; // storage may be forbidden
  }
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const scheme = stored === "dark" || stored === "light" ? stored : dark ? "dark" : "light";
  document.documentElement.setAttribute("data-mantine-color-scheme", scheme);
})();
