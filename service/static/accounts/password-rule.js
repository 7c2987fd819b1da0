// Ticks the parts of the password rule while somebody types. The server judges anew; without this file its answers tick.
"use strict";
(() => {
  const rule = document.querySelector("[data-password-rule]");
  const input = rule && document.getElementById(rule.dataset.passwordRule);
  if (!input) return;

  const groups = {
    uppercase: /\p{Lu}/u,
    lowercase: /\p{Ll}/u,
    number: /[0-9]/,
    special: /[!@#$%]/,
  };

  const judge = (text) => {
    const length = [...text.normalize("NFC")].length;
    const met = Object.fromEntries(Object.entries(groups).map(([part, pattern]) => [part, pattern.test(text)]));
    met.length = length >= 8 && length <= 64;
    met.groups = Object.keys(groups).filter((part) => met[part]).length >= 3;
    return met;
  };

  const show = (line, met) => {
    const said = line.querySelector("[data-said]");
    line.querySelector("[data-mark]").textContent = met ? "✓" : "✗";
    said.textContent = met ? said.dataset.met : said.dataset.unmet;
  };

  // The list of common passwords and the own names stay on the server: those lines wait for its answer.
  const tick = () => {
    for (const [part, met] of Object.entries(judge(input.value))) {
      const line = rule.querySelector(`[data-part="${part}"]`);
      if (line) show(line, met);
    }
  };

  input.addEventListener("input", tick);
})();
