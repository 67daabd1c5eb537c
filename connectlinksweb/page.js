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
  // The back button shows the page as the customer left it.
  window.addEventListener("pageshow", function () {
    button.disabled = false;
    button.textContent = text;
  });
})();
