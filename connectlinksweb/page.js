(function () {
  "use strict";
  var form = document.getElementById("connectlink-form");
  var button = document.getElementById("connectlink-start");
  if (!form || !button) return;
  var text = button.textContent;
  form.addEventListener("submit", function () {
    button.disabled = true;
    button.textContent = button.dataset.pressed;
  });
  // The back button brings the page back as it was left.
  window.addEventListener("pageshow", function () {
    button.disabled = false;
    button.textContent = text;
  });
})();
