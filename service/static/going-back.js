// This page answers a form. Its place in the browser's history becomes the page that held the form: who comes back to it
// is not asked to send the form again, and no secret that was shown once is shown twice.
"use strict";
history.replaceState(history.state, "", document.currentScript.dataset.page);
