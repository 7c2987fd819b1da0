// Asks the device for a passkey, or to make one, and sends its answer by the form around the button. Without this file
// the buttons stay hidden, and the page offers its other ways.
"use strict";
(() => {
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const toText = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""))
      .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  const withBytes = (options) => {
    options.challenge = toBytes(options.challenge);
    if (options.user) options.user.id = toBytes(options.user.id);
    for (const known of [...(options.allowCredentials ?? []), ...(options.excludeCredentials ?? [])]) {
      known.id = toBytes(known.id);
    }
    return options;
  };

  const ceremonies = {
    make: async (publicKey) => {
      const { rawId, response, type } = await navigator.credentials.create({ publicKey });
      return { rawId: toText(rawId), type, response: {
        clientDataJSON: toText(response.clientDataJSON),
        attestationObject: toText(response.attestationObject),
        transports: response.getTransports?.() ?? [],
      } };
    },
    show: async (publicKey) => {
      const { rawId, response, type } = await navigator.credentials.get({ publicKey });
      return { rawId: toText(rawId), type, response: {
        clientDataJSON: toText(response.clientDataJSON),
        authenticatorData: toText(response.authenticatorData),
        signature: toText(response.signature),
        ...(response.userHandle && { userHandle: toText(response.userHandle) }),
      } };
    },
  };

  // The question is asked for at the press of the button, so that its five minutes begin then.
  const ask = async (address, form) => {
    const body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
    const answer = await fetch(address, { method: "POST", body, redirect: "manual" });
    // Redirected: the password is asked for again, which a reload of this page does.
    if (answer.type === "opaqueredirect") location.reload();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.json();
  };

  const problems = { NotAllowedError: "stopped", AbortError: "stopped", InvalidStateError: "held" };

  const answer = async (area, form) => {
    const told = form.querySelector("[data-problem]");
    const button = form.querySelector("button");
    told.hidden = true;
    button.disabled = true;
    try {
      const { publicKey, question } = await ask(area.dataset.question, form);
      const made = await ceremonies[area.dataset.passkey](withBytes(publicKey));
      form.elements.question.value = question;
      form.elements.answer.value = JSON.stringify(made);
      form.submit();
    } catch (problem) {
      told.textContent = told.dataset[problems[problem.name] ?? "failed"];
      told.hidden = false;
    } finally {
      button.disabled = false;
    }
  };

  if (!window.PublicKeyCredential) return;
  for (const instead of document.querySelectorAll("[data-no-passkey]")) instead.hidden = true;
  for (const area of document.querySelectorAll("[data-passkey]")) {
    const form = area.querySelector("form");
    area.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer(area, form);
    });
  }
})();
