// A launch as the library's own documentation shows it; what to ask for stands in this page's address. A portal adds iss
// and launch to it, which the library finds by itself.
const asked = new URL(location.href).searchParams;

FHIR.oauth2
  .authorize({
    iss: asked.get("base") || undefined,
    clientId: asked.get("client"),
    scope: asked.get("scope"),
    redirectUri: "/callback",
    pkceMode: "required",
  })
  .catch((problem) => {
    document.getElementById("problem").textContent = problem.message;
  });
