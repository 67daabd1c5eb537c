(function () {
  "use strict";
  if (window.parent === window) return;
  // Who the parent may be, frame-ancestors has decided.
  JSON.parse(document.getElementById("messages").textContent).forEach(function (message) {
    window.parent.postMessage(message, "*");
  });
  // It would lead the frame out of the flow.
  var back = document.getElementById("back");
  if (back) back.remove();
  // Browsers heed autofocus in no frame of another origin.
  var problem = document.getElementById("problem");
  if (problem) problem.focus();
  var form = document.getElementById("form");
  if (!form) return;
  form.elements.framed.value = "yes";
  var sent = false;
  form.addEventListener("submit", function (event) {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", function () { sent = false; });
})();
