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

  // `wrong`: what is said at a path.
  function place(wrong) {
    return context().outputs_list.flat().map((output) => (wrong || {})[name(output)] ?? null);
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.form = { gather, place };
})();
