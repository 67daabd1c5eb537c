(function () {
  "use strict";
  if (window.parent === window) return;
  // Who the parent may be, frame-ancestors has decided.
  JSON.parse(document.getElementById("messages").textContent).forEach(function (message) {
    window.parent.postMessage(message, "*");
  });
  // For the light scheme: the pages around are light.
  document.documentElement.setAttribute("data-framed", "");
  // It would lead the frame out of the flow.
  var back = document.getElementById("back");
  if (back) back.remove();
  // Browsers ignore autofocus in a frame of another origin, and log that they do.
  var problem = document.getElementById("problem");
  if (problem) problem.focus();
  var form = document.getElementById("form");
  if (!form) return;
  form.hidden = false; // a dead link's, which is of no use elsewhere
  form.elements.framed.value = "yes";
  var sent = false;
  form.addEventListener("submit", function (event) {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", function () { sent = false; });
})();
