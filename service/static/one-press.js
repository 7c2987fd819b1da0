// A second press on the button of a form within three seconds sends nothing: the first is on its way, and what it has
// renewed (the browser's cookie, a code) would let the second one fail before its person's eyes.
"use strict";
{
  const sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (event.timeStamp - (sent.get(event.target) ?? -Infinity) < 3000) event.preventDefault();
    else sent.set(event.target, event.timeStamp);
  });
}
