// The attack page's address: the form as a packed request, the results that are shown.
(function () {
  "use strict";

  function address(packed, main, beside) {
    const { setQuery } = window.normscope.plots;
    if (packed) setQuery("r", packed);
    setQuery("run", main || null);
    setQuery("beside", beside && beside.length ? beside.join(",") : null);
    return window.dash_clientside.no_update;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.attack = { address };
})();
