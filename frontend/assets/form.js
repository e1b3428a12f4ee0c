// A form whose controls come and go: what they all hold, in one store, and each error at its field.
// Both answer at once and in order. A server's callback that listened to the controls themselves
// would be asked anew for every control that appears, and could answer for what stood there before.
(function () {
  "use strict";

  const context = () => window.dash_clientside.callback_context;
  const name = ({ id }) => id.path ?? id;

  // The value of each control by its path or its id; the last argument is what was known before.
  function gather(...values) {
    const known = values.pop();
    const found = {};
    for (const input of context().inputs_list.flat()) found[name(input)] = input.value ?? null;
    const same = known && JSON.stringify(found) === JSON.stringify(known);
    return same ? window.dash_clientside.no_update : found;
  }

  // `wrong`: what is said at a path. Where a button was pressed on it, the first of them is gone to.
  function place(wrong) {
    if (Date.now() - pressed < ANSWER_MS && Object.keys(wrong || {}).length) toFirst();
    return context().outputs_list.flat().map((output) => (wrong || {})[name(output)] ?? null);
  }

  // --- a button pressed while a field is wrong -------------------------------------------------
  const SENDS = "#launch-submit, #diagnose-run";
  const ANSWER_MS = 10000;
  let pressed = 0; // when; 0 once it was answered or somebody types on

  // The errors are drawn a moment after they are told.
  function toFirst(tries = 40) {
    const field = document.querySelector("#content .form [aria-invalid=true]");
    if (field) go(field);
    else if (tries) window.setTimeout(toFirst, 50, tries - 1);
  }

  function go(field) {
    pressed = 0;
    for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    field.scrollIntoView({ block: "center" });
    field.focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest(SENDS)) return;
    pressed = Date.now();
    toFirst(0);
  });
  document.addEventListener("keydown", () => (pressed = 0));

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.form = { gather, place };
})();
