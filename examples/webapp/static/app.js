(() => {
  "use strict";

  // A form is sent once, until the back button brings its page back.
  const buttons = () => document.querySelectorAll("form[data-once] button");
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-once]")) return;
    // Afterwards: which button it was decides where the form goes.
    setTimeout(() => buttons().forEach((button) => (button.disabled = true)));
  });
  window.addEventListener("pageshow", () => buttons().forEach((button) => (button.disabled = false)));

  // What the frame says is a hint. Whether it is true is found out at data-return.
  document.addEventListener("connectlink:created", (event) => {
    location.replace(event.target.closest("[data-return]").dataset.return);
  });
  document.addEventListener("connectlink:exited", () => {
    document.getElementById("embedded").hidden = true;
    const left = document.getElementById("embed-left");
    left.hidden = false;
    left.focus();
  });
})();
