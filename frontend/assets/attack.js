// The attack page's address: the form as a packed request, the results that are shown. And its
// budgets, which follow the attack until someone writes others.
(function () {
  "use strict";

  function address(packed, main, beside) {
    const { setQuery } = window.normscope.plots;
    if (packed) setQuery("r", packed);
    setQuery("run", main || null);
    setQuery("beside", beside && beside.length ? beside.join(",") : null);
    return window.dash_clientside.no_update;
  }

  let ours = null; // the budgets that were suggested last

  function follow(suggested, grid) {
    const { no_update } = window.dash_clientside;
    if (!suggested) return no_update;
    const untouched = !suggested.first && grid === ours && document.activeElement.id !== "attack-grid";
    ours = suggested.grid;
    return untouched ? suggested.grid : no_update;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.attack = { address, follow };
})();
