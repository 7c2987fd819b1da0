"""The three discovery documents and their one source."""

import re

from consent.policy import backend_scopes
from consent.representatives import MemberChoice
from oauth.apps.registration import DEFAULT_SCOPES
from oauth.authorization import launching
from oauth.authorization.authorization_request import validate
from oauth.tokens import dpop
from service.plan.models import Member
from tests.oauth.desk import Desk, answer_of, login_of, new_verifier
from tests.oauth.keyed import ec, register_backend, register_keyed, rsa

SMART = "/fhir/r4/.well-known/smart-configuration"
RFC8414 = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


def test_smart_configuration_stands_under_the_fhir_base_only(desk: Desk) -> None:
    browser = desk.app.test_client()
    assert browser.get(SMART).status_code == 200
    for path in ("/.well-known/smart-configuration/fhir/r4", "/.well-known/smart-configuration"):
        assert browser.get(path).status_code == 404


def test_it_is_json_whatever_is_accepted_and_open_to_every_origin(desk: Desk) -> None:
    browser = desk.app.test_client()
    for accept in ("*/*", "application/json", "application/fhir+json", "text/html", None):
        answer = browser.get(SMART, headers={"Accept": accept} if accept else {})
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers
    cached = browser.get(SMART, headers={"If-None-Match": answer.headers["ETag"]})
    assert cached.status_code == 304


def test_smart_configuration_says_what_smart_asks_for(desk: Desk) -> None:
    said = desk.app.test_client().get(SMART).get_json()
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert {"authorization_code", "refresh_token"} <= set(said["grant_types_supported"])
    assert said["response_types_supported"] == ["code"]
    for name, value in said.items():
        if name.endswith(("_endpoint", "_uri")) or name == "issuer":
            assert re.match(r"https?://[^/]+", value), name
    assert {
        "launch-ehr", "context-ehr-patient", "permission-online", "launch-standalone", "client-public",
        "client-confidential-symmetric", "sso-openid-connect",
        "context-standalone-patient", "permission-offline", "permission-patient", "permission-user",
    } <= set(said["capabilities"])  # fmt: skip


def test_the_four_documents_agree(desk: Desk) -> None:
    browser = desk.app.test_client()
    documents = [browser.get(path).get_json() for path in (SMART, RFC8414, OPENID)]
    for name in set().union(*documents):
        said = [document[name] for document in documents if name in document]
        assert all(value == said[0] for value in said), name
    # What apps read of SMART alone; all else that stands there stands in OpenID's document, and says the same.
    assert set(documents[0]) - set(documents[2]) == {
        "capabilities", "management_endpoint", "user_access_brand_bundle", "user_access_brand_identifier",
    }  # fmt: skip
    assert documents[2]["request_uri_parameter_supported"] is False
    assert "RS256" in documents[2]["id_token_signing_alg_values_supported"]
    for document in documents:
        assert document["authorization_response_iss_parameter_supported"] is True
        assert document["dpop_signing_alg_values_supported"] == list(dpop.ALGORITHMS)
        assert document["pushed_authorization_request_endpoint"].endswith("/oauth/par")
    for document in (documents[0], documents[2]):
        assert document["end_session_endpoint"].endswith("/oauth/end-session")
        assert document["userinfo_endpoint"].endswith("/oauth/userinfo")
    assert "select_account" in documents[2]["prompt_values_supported"]
    stated = browser.get("/fhir/r4/metadata").get_json()["rest"][0]["security"]["extension"][0]["extension"]
    facts = {f"{one['url']}_endpoint": one["valueUri"] for one in stated}
    known = {
        "authorize": "authorization", "introspect": "introspection", "revoke": "revocation", "manage": "management",
    }  # fmt: skip
    for name, address in facts.items():
        kind = name.removesuffix("_endpoint")
        assert documents[0][f"{known.get(kind, kind)}_endpoint"] == address, name


def test_every_address_answers(desk: Desk) -> None:
    browser = desk.app.test_client()
    said = browser.get(OPENID).get_json()
    for name, value in said.items():
        if name.endswith(("_endpoint", "_uri")) or name == "service_documentation":
            answer = browser.get(value.removeprefix(desk.settings.base_url))
            assert answer.status_code != 404, name
    for name in ("service_documentation", "op_policy_uri", "op_tos_uri"):
        page = browser.get(said[name].removeprefix(desk.settings.base_url))
        assert page.status_code == 200 and page.mimetype == "text/html", name
        assert browser.get(RFC8414).get_json()[name] == said[name]


def test_every_supported_scope_can_be_asked_for(desk: Desk) -> None:
    # No wildcard reaches what an app must name.
    named = " ".join(f"{context}/AuditEvent.{form}" for context in ("patient", "user") for form in ("rs", "read"))
    scopes = f"{DEFAULT_SCOPES} {named}"
    app, browser = desk.register(launch_uris=["https://app.example.org/launch"], scopes=scopes), desk.app.test_client()
    supported = browser.get(SMART).get_json()["scopes_supported"]
    for form in ("read", "rs"):
        for context in ("patient", "user"):
            for kind in ("ExplanationOfBenefit", "Coverage", "Patient", "Organization", "Practitioner"):
                assert f"{context}/{kind}.{form}" in supported
    of_people = [scope for scope in supported if not scope.startswith(("system/", "__"))]
    with desk.session() as session:
        login = login_of(session, desk.account)
        choice = MemberChoice(session.get_one(Member, desk.member.id), None)
        launch = answer_of(launching.begin(session, app.id, login.account, choice, login))["launch"]
        for scope in of_people:
            asked = f"openid {scope}" if scope in {"fhirUser", "online_access", "offline_access"} else scope
            given = desk.parameters(app, new_verifier(), scope=asked, launch=launch if scope == "launch" else None)
            kept = validate(session, given, repeated=False, settings=desk.settings).scope
            assert set(kept.split()) == set(asked.split()), scope


def test_every_system_scope_can_be_given_to_a_program(desk: Desk) -> None:
    supported = desk.app.test_client().get(SMART).get_json()["scopes_supported"]
    of_programs = [scope for scope in supported if scope.startswith("system/")]
    assert "system/*.rs" in of_programs and "system/PaymentReconciliation.read" in of_programs
    for scope in of_programs:
        assert str(backend_scopes(scope, "system/*.rs", None)) == scope
    assert register_backend(desk).ask(of_programs[0]).get_json()["scope"] == of_programs[0]
    assert [scope for scope in supported if scope.startswith("__")] == ["__introspect"]
    assert register_backend(desk, may_introspect=True).ask("__introspect").get_json()["scope"] == "__introspect"


def test_what_is_said_of_keys_is_what_they_do(desk: Desk) -> None:
    said = desk.app.test_client().get(SMART).get_json()
    assert "client-confidential-asymmetric" in said["capabilities"]
    assert "client_credentials" in said["grant_types_supported"]
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    everything = desk.app.test_client().get(RFC8414).get_json()
    for endpoint in ("token", "revocation", "introspection"):
        assert "private_key_jwt" in everything[f"{endpoint}_endpoint_auth_methods_supported"]
        assert everything[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    for pair in (rsa(), ec()):
        assert pair.algorithm in said["token_endpoint_auth_signing_alg_values_supported"]
        assert register_keyed(desk, pair).knock().status_code == 200


def test_without_consent_no_code_is_given(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    desk.sign_in(browser)
    answer = desk.authorize(browser, app)
    assert "/consent" in answer.location and "code" not in answer_of(f"{answer.location}&x=1")
