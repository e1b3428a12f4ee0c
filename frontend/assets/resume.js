// A job that failed or was cancelled goes on as its next attempt.
(function () {
  "use strict";

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-resume]");
    if (!button) return;
    button.disabled = true;
    try {
      await window.normscope.post(`/jobs/${button.dataset.resume}/resume`, {});
      window.location.reload();
    } catch (error) {
      button.disabled = false;
      button.title = error.message;
      button.textContent = "Resume: refused";
    }
  });
})();
