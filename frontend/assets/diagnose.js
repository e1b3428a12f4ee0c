// The diagnose page's address: the form as a packed request, and the diagnosis that is shown.
(function () {
  "use strict";

  let first = null; // the form as it was filled: the address need not say it

  function address(packed, picked) {
    const { setQuery } = window.normscope.plots;
    const asked = new URLSearchParams(window.location.search);
    const key = asked.get("job");
    if (packed && first?.key !== key) first = { key, packed };
    else if (packed && packed !== first.packed) setQuery("r", packed);
    setQuery("run", picked || null);
    return window.dash_clientside.no_update;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.diagnose = { address };
})();
