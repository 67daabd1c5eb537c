(function () {
  "use strict";
  if (window.parent === window) return;
  // frame-ancestors decides who can be the parent.
  JSON.parse(document.getElementById("messages").textContent).forEach(function (message) {
    window.parent.postMessage(message, "*");
  });
  // The color scheme is light, like most pages that embed this one.
  document.documentElement.setAttribute("data-framed", "");
  // This link would load the platform into the frame.
  var back = document.getElementById("back");
  if (back) back.remove();
  // Browsers ignore autofocus in a frame of another origin, and log a warning.
  var problem = document.getElementById("problem");
  if (problem) problem.focus();
  var form = document.getElementById("form");
  if (!form) return;
  form.hidden = false; // the form of a dead link is hidden outside of frames
  form.elements.framed.value = "yes";
  var sent = false;
  form.addEventListener("submit", function (event) {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", function () { sent = false; });
})();
