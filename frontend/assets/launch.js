// The launch form's address: a preset by its name, anything else as the packed request.
(function () {
  "use strict";

  let followed = null; // the query that the form on the page was filled from

  function preset(clicks) {
    const clientside = window.dash_clientside;
    if (!clicks.some(Boolean)) return clientside.no_update;
    const name = clientside.callback_context.triggered_id.name;
    window.history.replaceState(null, "", "/launch?preset=" + encodeURIComponent(name));
    return { preset: name, at: Date.now() };
  }

  // The first request after a fill is what the address says already; the next is a change of it.
  function address(packed, query) {
    const clientside = window.dash_clientside;
    if (!packed) return clientside.no_update;
    const from = JSON.stringify(query);
    if (followed !== from) followed = from;
    else window.history.replaceState(null, "", "/launch?r=" + packed);
    return clientside.no_update;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.launch = { preset, address };
})();
