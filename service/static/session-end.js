// Two minutes before its session ends a page asks whether to stay signed in (WCAG 2.2.1); after the end it goes away, since
// what it shows is private, unless something is written on it. Another window may be in use, so that the server is asked
// before anything is shown; that question puts nothing off.
"use strict";
{
  const WARNING = 120000, AGAIN = 10000, PATIENCE = 60000, KEPT = 15 * PATIENCE;
  const given = document.currentScript.dataset;
  const dialogs = Object.fromEntries(["idle", "last", "over", "lost"].map((name) => [name, document.getElementById(`session-${name}`)]));
  let end, isLast = given.last === "yes", warned = false, isOver = false, isStaying = false, turn = 0, token = "", timer;

  // By two clocks: that of the day may be set back, the other one stands still while the computer sleeps.
  const endsIn = (seconds) => {
    end = [Date.now() + seconds * 1000, performance.now() + seconds * 1000];
  };
  const restNow = () => Math.min(end[0] - Date.now(), end[1] - performance.now());

  const ask = async (address, more) => {
    try {
      const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store", ...more });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  };

  const learn = (told) => {
    endsIn(told.seconds);
    if (!told.seconds) return;
    isLast = told.last;
    for (const place of document.querySelectorAll("[data-session-time]")) place.textContent = told.time;
    for (const line of document.querySelectorAll("[data-session-line]")) line.hidden = (line.dataset.sessionLine === "last") !== isLast;
    // A step up in another window has renewed it.
    token = told.token;
    for (const field of document.querySelectorAll("#sign-out [name=csrf_token]")) field.value = token;
  };

  const left = async () => {
    const found = await ask(`${given.left}?lang=${document.documentElement.lang}`);
    // Who has signed in meanwhile in another window is somebody else: for this page's reader the session is over.
    return found && found.seconds && found.who !== given.who ? { seconds: 0, kept: false } : found;
  };

  const close = () => Object.values(dialogs).forEach((dialog) => dialog.close());

  const show = (name) => {
    close();
    dialogs[name].showModal();
  };

  const look = async () => {
    clearTimeout(timer);
    if (isOver || isStaying) return;
    if (restNow() > WARNING) return wait(restNow() - WARNING);
    const mine = ++turn, told = await left();
    // Whatever was asked or done since then knows better: an answer that came late would put the question again.
    if (mine !== turn) return;
    if (told) learn(told);
    const rest = restNow();
    if (told && !told.seconds) return leave(told.kept);
    if (!told && rest < -PATIENCE) return leave(rest > -KEPT);
    if (rest > WARNING) {
      if (warned) close();
      warned = false;
      return wait(rest - WARNING);
    }
    if (!warned) show(isLast ? "last" : "idle");
    warned = true;
    wait(rest > 0 ? Math.min(AGAIN, rest) : AGAIN);
  };

  const wait = (milliseconds) => {
    clearTimeout(timer);
    // Timers sleep with the computer.
    timer = setTimeout(look, Math.min(milliseconds, AGAIN));
  };

  const stay = async () => {
    clearTimeout(timer);
    turn++;
    isStaying = true;
    dialogs.idle.close();
    const told = await left();
    if (told) learn(told);
    const kept = told && told.seconds && await ask(given.keep, { method: "POST", body: new URLSearchParams({ csrf_token: token }) });
    if (kept) learn(kept);
    isStaying = warned = false;
    look();
  };

  const isWritten = (field) => {
    if (["hidden", "password", "submit", "button"].includes(field.type)) return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.type === "file") return field.files.length > 0;
    if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
    // A form that came back, refused or after a sign-in, holds what was written as if it had been there from the first.
    return field.value !== field.defaultValue || (given.written === "yes" && field.value !== "");
  };

  // `isKept`: a form that is sent within half an hour stands here again after the sign-in.
  const leave = (isKept) => {
    isOver = true;
    if ([...document.querySelectorAll("main form[method=post] :is(input, select, textarea)")].some(isWritten)) return show(isKept ? "over" : "lost");
    close();
    location.replace(location.pathname + location.search);
  };

  for (const dialog of Object.values(dialogs)) {
    const button = dialog.querySelector("[data-session-press]");
    button.addEventListener("click", () => button.dataset.sessionPress === "stay" ? stay() : dialog.close());
  }
  dialogs.idle.addEventListener("cancel", (event) => {
    event.preventDefault();
    stay();
  });
  document.addEventListener("visibilitychange", () => document.hidden || look());
  addEventListener("pageshow", (event) => event.persisted && look());
  endsIn(Number(given.seconds));
  look();
}
