// A job that failed or was cancelled goes on as its next attempt.
(function () {
  "use strict";

  function refused(button, message) {
    const said = document.getElementById("resume-refused") || document.createElement("span");
    said.id = "resume-refused";
    said.className = "refused";
    said.setAttribute("role", "status");
    said.textContent = message;
    button.after(said);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-resume]");
    if (!button) return;
    button.disabled = true;
    try {
      await window.normscope.post(`/jobs/${button.dataset.resume}/resume`, {});
      window.location.reload();
    } catch (error) {
      button.disabled = false;
      refused(button, error.message);
    }
  });
})();
