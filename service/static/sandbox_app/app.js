// SMART launch, by itself or from the plan's gallery (authorization code with PKCE, S256), then a few reads;
// nothing is kept but in this tab.
"use strict";

const app = document.body.dataset;
const element = (id) => document.getElementById(id);
const kept = {
  read: (name) => JSON.parse(sessionStorage.getItem(name) || "null"),
  write: (name, value) => sessionStorage.setItem(name, JSON.stringify(value)),
  forget: (name) => sessionStorage.removeItem(name),
};

function say(sentence) {
  element("status").textContent = sentence;
}

function show(connected) {
  element("connect").hidden = connected;
  for (const id of ["read", "refresh", "console", "record"]) element(id).hidden = !connected;
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function configuration() {
  const answer = await fetch(`${app.fhirBase}/.well-known/smart-configuration`, { headers: { Accept: "application/json" } });
  return answer.json();
}

// `launch` names the member whom the plan's portal has chosen; without it the plan asks.
async function connect(launch = null) {
  const verifier = random();
  const state = random();
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  kept.write("request", { verifier, state });
  const asked = new URLSearchParams({
    response_type: "code", client_id: app.clientId, redirect_uri: app.redirectUri, state,
    scope: launch ? app.scopes.replace("launch/patient", "launch") : app.scopes, ...(launch && { launch }),
    aud: app.fhirBase, code_challenge: base64url(new Uint8Array(hash)), code_challenge_method: "S256",
  });
  location.assign(`${(await configuration()).authorization_endpoint}?${asked}`);
}

function begin(opened) {
  kept.forget("tokens");
  history.replaceState(null, "", location.pathname);
  // An app connects only to plans that it knows: another address could be a trap.
  if (opened.get("iss") !== app.fhirBase) return say("This app was opened by a plan that it does not know.");
  return connect(opened.get("launch"));
}

async function exchange(parameters) {
  const { token_endpoint: endpoint } = await configuration();
  const body = new URLSearchParams({ client_id: app.clientId, ...parameters });
  const answer = await fetch(endpoint, { method: "POST", body });
  const given = await answer.json();
  if (!answer.ok) return given;
  kept.write("tokens", given);
  return null;
}

async function comeBack(answered) {
  const request = kept.read("request");
  kept.forget("request");
  history.replaceState(null, "", location.pathname);
  if (answered.get("error")) return say(`The plan did not let this app in (${answered.get("error")}).`);
  if (!request || request.state !== answered.get("state")) return say("This answer belongs to another request. Please connect again.");
  const problem = await exchange({
    grant_type: "authorization_code", code: answered.get("code"), redirect_uri: app.redirectUri, code_verifier: request.verifier,
  });
  if (problem) return say(`The plan did not give this app a token (${problem.error}).`);
  return read();
}

async function get(path) {
  const { access_token: token } = kept.read("tokens");
  const answer = await fetch(`${app.fhirBase}/${path}`, {
    headers: { Authorization: `Bearer ${token}`, Accept: "application/fhir+json" },
  });
  return { status: answer.status, body: answer.ok ? await answer.json() : null };
}

async function read() {
  const { patient } = kept.read("tokens");
  const [person, claims] = await Promise.all([get(`Patient/${patient}`), get(`ExplanationOfBenefit?patient=${patient}&_count=20`)]);
  if (person.status === 401) return ended();
  show(true);
  showPerson(person.body);
  showClaims(claims.body);
  return say(`Connected. Read at ${new Date().toLocaleTimeString()}.`);
}

async function refresh() {
  const { refresh_token: token } = kept.read("tokens");
  if (!token) return say("This app was not given access while you are away: connect again to go on.");
  return (await exchange({ grant_type: "refresh_token", refresh_token: token })) ? ended() : read();
}

function ended() {
  kept.forget("tokens");
  show(false);
  say("Access has ended: the plan answers this app no more. What it had read is cleared from this page.");
}

function showPerson(patient) {
  const name = patient?.name?.[0];
  element("who").textContent = name ? `${(name.given || []).join(" ")} ${name.family}` : "The member did not share who they are";
  element("details").textContent = patient ? `Born ${patient.birthDate}` : "";
}

function showClaims(bundle) {
  const rows = (bundle?.entry || []).map((entry) => entry.resource).filter((found) => found.resourceType === "ExplanationOfBenefit");
  element("claims").replaceChildren(...rows.map(row));
  if (!rows.length) element("claims").replaceChildren(cells(["", "No claims are shared with this app", "", ""]));
}

function row(claim) {
  const kind = claim.type?.coding?.find((coding) => coding.code)?.code || "";
  const billed = (claim.total || []).find((total) => total.category?.coding?.some((coding) => coding.code === "submitted"));
  const amount = billed ? billed.amount.value.toLocaleString("en-US", { style: "currency", currency: "USD" }) : "";
  return cells([claim.billablePeriod?.start || claim.created || "", kind, claim.status, amount]);
}

function cells(texts) {
  const made = document.createElement("tr");
  made.append(...texts.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return made;
}

element("connect").addEventListener("click", () => connect());
element("read").addEventListener("click", read);
element("refresh").addEventListener("click", refresh);

const answered = new URLSearchParams(location.search);
if (answered.has("launch")) begin(answered);
else if (answered.has("code") || answered.has("error")) comeBack(answered);
else if (kept.read("tokens")) read();
