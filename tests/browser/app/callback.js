// The app itself: reads the patient and the claims, refreshes on request, and says what went wrong.
const element = (id) => document.getElementById(id);
const show = (id, text) => {
  element(id).textContent = text;
};

async function attempt(deed) {
  show("outcome", "working");
  show("problem", "");
  try {
    await deed();
    show("outcome", "done");
  } catch (problem) {
    show("problem", problem.message);
    show("outcome", "failed");
  }
}

function nameOf(patient) {
  const [name] = patient.name;
  return [...name.given, name.family].join(" ");
}

async function read(client) {
  show("patient", "");
  show("claims", "");
  show("scope", client.state.tokenResponse.scope);
  show("patient-id", client.patient.id);
  show("user", client.user.fhirUser || "");
  show("patient", nameOf(await client.patient.read()));
  const claims = await client.request(
    `ExplanationOfBenefit?patient=${client.patient.id}&_count=10`,
    { pageLimit: 0, flat: true },
  );
  show("claims", String(claims.length));
}

async function refresh(client) {
  await client.refresh();
  show("refreshed", String(Number(element("refreshed").textContent) + 1));
}

attempt(async () => {
  const client = await FHIR.oauth2.ready();
  for (const [id, deed] of [["read", read], ["refresh", refresh]]) {
    element(id).disabled = false;
    element(id).addEventListener("click", () => attempt(() => deed(client)));
  }
  await read(client);
});
