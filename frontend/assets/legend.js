// The list of series beside a plot that has more of them than a legend can name: search, show, hide.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});

  function toggle(button) {
    const gd = button.closest(".plot-card").querySelector(".js-plotly-plot");
    if (!gd || !gd.data) return;
    const name = button.dataset.series;
    const mine = gd.data.flatMap((trace, at) => ((trace.legendgroup || trace.name) === name ? [at] : []));
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    scope.axes.own(gd);
    scope.axes.forget(gd);
    Plotly.restyle(gd, { visible: shown ? true : "legendonly" }, mine);
  }

  // Every word has to be in the name.
  function search(box) {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of box.closest(".series-list").querySelectorAll("li")) {
      const name = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => name.includes(word));
    }
  }

  // After a change of scheme: `map` has the other scheme's colour for each.
  function recolor(map) {
    for (const mark of document.querySelectorAll(".series-mark")) {
      const color = map.get(mark.dataset.color.toLowerCase()) || mark.dataset.color;
      mark.dataset.color = color;
      mark.style.borderTopColor = color;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-series]");
    if (button) toggle(button);
  });
  document.addEventListener("input", (event) => {
    if (event.target.closest(".series-search")) search(event.target);
  });

  scope.legend = { recolor };
})();
