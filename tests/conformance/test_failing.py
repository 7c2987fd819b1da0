"""Every kind of check can fail: a server that does one thing wrong fails exactly the requirements that speak of it."""

from dataclasses import replace

import pytest

from service.conformance import runner
from service.conformance.report import Verdict
from service.conformance.sections import REQUIREMENTS
from service.conformance.trial import Trial
from tests.conformance.misdeeds import (
    Alter,
    Changes,
    after,
    any_audience,
    asked,
    at,
    changed,
    claims,
    instead,
    posted,
    to_app,
    unless_authorized,
    where,
    without,
)
from tests.conformance.proxy import Call, Misdeed, Proxy, Reply

SMART = at(r"/fhir/r4/\.well-known/smart-configuration")
OPENID = at(r"/\.well-known/openid-configuration")
DOCUMENTS = at(r".*/\.well-known/.*")
METADATA, PATIENT = at("/fhir/r4/metadata"), at("/fhir/r4/Patient/.*")
TOKEN, REFRESH = at("/oauth/token", "POST"), at("/oauth/token", "POST", grant_type="refresh_token")
INTROSPECT = at("/oauth/introspect", "POST")
CORS = "Access-Control-Allow-Origin"
JSON = [("Content-Type", "application/json")]
EMPTY, INACTIVE = Reply(200, JSON, b"{}"), Reply(200, JSON, b'{"active": false}')
BUNDLE = Reply(200, JSON, b'{"resourceType": "Bundle", "type": "searchset"}')
Case = tuple[Misdeed, set[str]]
"""What the server does wrong, and all that must fail then of the section."""


def each(name: str) -> set[str]:
    """This requirement of every launch offered."""
    return {f"standalone.{launch}.{name}" for launch in ("public", "post", "symmetric", "asymmetric")}


def named(section: str, *names: str) -> set[str]:
    """Requirements of a section."""
    return {f"{section}.{name}" for name in names}


def header(name: str, value: str) -> Alter:
    """An answer with this header."""
    return lambda reply: reply.with_header(name, value)


def more_scope(scope: str) -> Misdeed:
    """Grant what nobody asked for."""
    return after(TOKEN, changed(lambda told: told.update(scope=f"{told['scope']} {scope}")))


def introspected(change: Changes) -> Misdeed:
    """Tell something else of live tokens."""
    return after(INTROSPECT, changed(lambda told: change(told) if told["active"] else None))


def _introspection_by_bearer(call: Call) -> bool:
    return INTROSPECT(call) and call.headers.get("Authorization", "").startswith("Bearer ")


def _another_state(query: dict[str, str]) -> None:
    if "state" in query:
        query["state"] = "another"


def _without_category(query: dict[str, str]) -> None:
    query["scope"] = " ".join(scope.partition("?")[0] for scope in query.get("scope", "").split())


def _redirects_anywhere(call: Call) -> bool:
    return at("/oauth/authorize")(call) and "elsewhere.example" in call.path


DISCOVERY: dict[str, Case] = {
    "plain beside S256": (
        after(DOCUMENTS, lambda reply: replace(reply, body=reply.body.replace(b'["S256"]', b'["S256", "plain"]'))),
        named("discovery", "pkce_methods"),
    ),
    "a capability of its own": (
        after(SMART, changed(lambda told: told["capabilities"].append("our-own"))),
        named("discovery", "capability_strings"),
    ),
    "no keys beside sign-on": (
        after(SMART, changed(lambda told: told.pop("jwks_uri"))), named("discovery", "openid_fields"),
    ),
    "a relative address": (
        after(SMART, changed(lambda told: told.update(management_endpoint="/apps"))), named("discovery", "addresses"),
    ),
    "no scopes": (
        after(DOCUMENTS, changed(lambda told: told.update(scopes_supported=[]))), named("discovery", "us_core_fields"),
    ),
    "no code grant": (
        after(DOCUMENTS, changed(lambda told: told.update(grant_types_supported=["refresh_token"]))),
        named("discovery", "grant_types"),
    ),
    "two truths": (
        after(OPENID, changed(lambda told: told.update(token_endpoint="https://x.example/token"))),
        named("discovery", "same_facts"),
    ),
    "another token endpoint in the CapabilityStatement": (
        after(METADATA, lambda reply: replace(reply, body=reply.body.replace(b"/oauth/token", b"/oauth/tokens"))),
        named("discovery", "capability_statement"),
    ),
    "kept for a day": (after(SMART, header("Cache-Control", "max-age=86400")), named("discovery", "cache")),
    "FHIR's content type": (
        after(SMART, header("Content-Type", "application/fhir+json")), named("discovery", "accept"),
    ),
    "both shapes of the address": (
        instead(at(r"/\.well-known/smart-configuration/fhir/r4"), EMPTY), named("discovery", "appended"),
    ),
    "a mandatory capability less": (
        after(SMART, changed(lambda told: told["capabilities"].remove("permission-user"))), named("discovery", "carin"),
    ),
}  # fmt: skip
TRANSPORT: dict[str, Case] = {
    "no CORS on metadata": (after(METADATA, without(CORS)), named("transport", "cors_documents")),
    "no CORS on tokens": (after(TOKEN, without(CORS)), named("transport", "cors_token")),
    "no CORS on reads": (after(PATIENT, without(CORS)), named("transport", "cors_read")),
    "CORS on authorize": (after(at("/oauth/authorize"), header(CORS, "*")), named("transport", "cors_authorize")),
    "a preflight with a token": (
        instead(at("/fhir/r4/.*", "OPTIONS"), Reply(401, [], b"")), named("transport", "preflight"),
    ),
    "a wildcard with credentials": (
        after(SMART, header("Access-Control-Allow-Credentials", "true")), named("transport", "cors_credentials"),
    ),
}  # fmt: skip
STANDALONE: dict[str, Case] = {
    "no state": (to_app(lambda query: query.pop("state", None)), each("state") | named("standalone", "odd_state")),
    "another state": (to_app(_another_state), each("state") | named("standalone", "odd_state")),
    "no iss": (to_app(lambda query: query.pop("iss", None)), named("standalone", "iss")),
    "an error beside the code": (to_app(lambda query: query.update(error="server_error")), each("code")),
    "no Pragma": (after(TOKEN, without("Pragma")), each("headers")),
    "no-cache instead of no-store": (after(TOKEN, header("Cache-Control", "no-cache")), each("headers")),
    "a lifetime in words": (
        after(TOKEN, changed(lambda told: told.update(expires_in="3600"))), each("token") | each("lifetime"),
    ),
    "a day's token": (after(TOKEN, changed(lambda told: told.update(expires_in=86_400))), each("lifetime")),
    "another type of token": (after(TOKEN, changed(lambda told: told.update(token_type="mac"))), each("token")),
    "a scope of no form": (more_scope("patient/Patient.sr"), each("scopes")),
    "scopes for a program": (more_scope("system/*.rs"), named("standalone", "no_system")),
    "no banner": (
        after(TOKEN, changed(lambda told: told.pop("need_patient_banner", None))), named("standalone", "banner"),
    ),
    "an old fhirContext": (
        after(TOKEN, changed(lambda told: told.update(fhirContext=["Coverage/1"]))),
        named("standalone", "fhir_context"),
    ),
    "open without a token": (unless_authorized("/fhir/r4/Patient/.*", "GET", EMPTY), each("read")),
    "unticked types open": (
        after(at("/fhir/r4/[A-Z][A-Za-z]+"), where(lambda reply: reply.status == 403, lambda _: BUNDLE)),
        named("standalone", "limited_access"),
    ),
    "a type that cannot be searched": (
        instead(at("/fhir/r4/Goal"), Reply(400, JSON, b"{}")), named("standalone", "full_access", "limited_access"),
    ),
    "a refresh token for everybody": (
        after(TOKEN, changed(lambda told: told.update(refresh_token="given-to-all"))),
        named("standalone", "no_refresh_token"),
    ),
}  # fmt: skip
OPENID_CASES: dict[str, Case] = {
    "another audience": (claims(lambda told: told.update(aud="another-app")), named("openid", "audience")),
    "another issuer": (claims(lambda told: told.update(iss=told["iss"] + "/")), named("openid", "issuer")),
    "a token of yesterday": (claims(lambda told: told.update(exp=told["exp"] - 86_400)), named("openid", "times")),
    "nobody": (claims(lambda told: told.update(sub=" ")), named("openid", "subject")),
    "no nonce": (claims(lambda told: told.pop("nonce", None)), named("openid", "nonce")),
    "fhirUser elsewhere": (
        claims(lambda told: told.update(fhirUser="https://x.example/Patient/1")),
        named("openid", "fhir_user", "fhir_user_alone"),
    ),
    "a key that is not published": (
        claims(lambda _: None, {"kid": "another"}), named("openid", "header", "signature"),
    ),
    "claims changed after signing": (
        after(TOKEN, changed(lambda told: told.update(id_token=told.get("id_token", "")[:-8] + "AAAAAAAA"))),
        named("openid", "signature"),
    ),
    "a configuration in HTML": (after(OPENID, header("Content-Type", "text/html")), named("openid", "configuration")),
}  # fmt: skip
TOKENS: dict[str, Case] = {
    "a refresh that may be kept": (after(REFRESH, without("Cache-Control")), named("refresh", "headers")),
    "scopes ignored at refresh": (
        posted("/oauth/token", lambda form: form.pop("scope", None), grant_type="refresh_token"),
        named("refresh", "narrower", "wider"),
    ),
    "any refresh token": (
        instead(at("/oauth/token", "POST", refresh_token="made-up-refresh-token"), EMPTY), named("refresh", "made_up"),
    ),
    "half a refresh": (
        after(REFRESH, changed(lambda told: told.update(expires_in="soon"))),
        named("refresh", "without_scope", "with_scope"),
    ),
    "words about inactive tokens": (
        after(INTROSPECT, changed(lambda told: None if told["active"] else told.update(exp=1))),
        named("introspection", "unknown", "revoked"),
    ),
    "introspection for everybody": (
        unless_authorized("/oauth/introspect", "POST", INACTIVE), named("introspection", "caller"),
    ),
    "introspection without context": (
        introspected(lambda told: told.pop("patient")), named("introspection", "context"),
    ),
    "introspection of somebody else": (
        introspected(lambda told: told.update(sub="other")), named("introspection", "identity"),
    ),
    "introspection with fewer scopes": (
        introspected(lambda told: told.update(scope="openid")), named("introspection", "active"),
    ),
    "no introspection by bearer token": (
        instead(_introspection_by_bearer, Reply(401, JSON, b"{}")), named("introspection", "bearer"),
    ),
    "introspection by any bearer token": (
        instead(_introspection_by_bearer, INACTIVE), named("introspection", "bearer", "unfit_bearer"),
    ),
    "introspection of the past": (introspected(lambda told: told.update(exp=1)), named("introspection", "expiry")),
}  # fmt: skip
REFUSALS: dict[str, Case] = {
    "categories ignored": (
        asked(_without_category),
        named("granular", "search_condition", "search_observation", "read_condition", "read_observation")
        | named("granular", "union", "unknown"),
    ),
    "letters ignored": (
        after(at("/fhir/r4/Coverage.*"), where(lambda reply: reply.status == 403, lambda _: BUNDLE)),
        named("granular", "read_letter", "search_letter", "other_type"),
    ),
    "any audience": (any_audience, named("negatives", "bad_aud", "no_aud", "bad_aud_error")),
    "a challenge of any method": (
        asked(lambda query: query.update(code_challenge_method="S256")), named("negatives", "plain", "no_method"),
    ),
    "a blank verifier": (
        instead(at("/oauth/token", "POST", code_verifier=""), EMPTY), named("negatives", "verifier_blank"),
    ),
    "codes of anybody's making": (
        instead(at("/oauth/token", "POST", code="made-up-code"), EMPTY),
        named("negatives", "bad_code", "error_headers"),
    ),
    "any secret": (
        after(TOKEN, where(lambda reply: bool(reply.header("WWW-Authenticate")), lambda _: EMPTY)),
        named("negatives", "wrong_secret"),
    ),
    "any redirect address": (
        instead(_redirects_anywhere, Reply(303, [("Location", "https://elsewhere.example/callback?error=x")], b"")),
        named("negatives", "unknown_redirect"),
    ),
    "other members' records": (
        after(PATIENT, where(lambda reply: reply.status == 404, lambda reply: replace(reply, status=200))),
        named("negatives", "other_member"),
    ),
    "errors that may be kept": (
        after(TOKEN, where(lambda reply: reply.status == 400, without("Cache-Control"))),
        named("negatives", "error_headers"),
    ),
    "a revocation that does nothing": (
        instead(at("/oauth/revoke", "POST"), EMPTY), named("revocation", "by_app"),
    ),
    "a Revoke button that does nothing": (
        instead(at("/apps/.*/revoke", "POST"), Reply(303, [("Location", "/apps")], b"")),
        named("revocation", "read", "refresh", "introspection", "nothing_left"),
    ),
}  # fmt: skip


def _of_group(*names: str) -> set[str]:
    return {f"bulk.group.{name}" for name in names}


def _half_a_line(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[:-20])


KICK_OFF, FILES, EXPORT = at(r"/fhir/r4/Group/.*/\$export"), at("/fhir/r4/bulk/[^/]+/.+"), at("/fhir/r4/bulk/[^/]+")
ENDING = at("/fhir/r4/bulk/[^/]+", "DELETE")
NO_LINES = Reply(200, [("Content-Type", "application/fhir+ndjson")], b"")
BULK: dict[str, Case] = {
    "no Content-Location": (
        after(KICK_OFF, without("Content-Location")),
        _of_group("accepted", "manifest", "files", "profiles", "files_closed", "cancel", "type", "narrow"),
    ),
    "half a manifest": (
        after(EXPORT, where(lambda reply: reply.status == 200, changed(lambda told: told.pop("error")))),
        _of_group("manifest"),
    ),
    "half a file": (
        after(FILES, where(lambda reply: reply.status == 200, _half_a_line)),
        _of_group("files", "profiles"),
    ),
    "files for everybody": (
        unless_authorized("/fhir/r4/bulk/[^/]+/.+", "GET", NO_LINES),
        _of_group("files_closed"),
    ),
    "an export that cannot be ended": (
        instead(ENDING, Reply(202, JSON, b"{}")), _of_group("cancel"),
    ),
    "exports for everybody": (
        unless_authorized(r"/fhir/r4/.*\$export", "GET", Reply(202, JSON, b"{}")),
        _of_group("no_token"),
    ),
    "not instantiated": (
        after(METADATA, changed(lambda told: told.update(instantiates=[]))), named("bulk", "instantiates"),
    ),
}  # fmt: skip

CASES = {**DISCOVERY, **TRANSPORT, **STANDALONE, **OPENID_CASES, **TOKENS, **REFUSALS, **BULK}


# Dozens of searches each: only where they are meant.
SLOW = {
    *named("standalone", "full_access", "limited_access"),
    # What is wrong at one level of export is wrong at each.
    *(one.key for one in REQUIREMENTS if one.key.startswith(("bulk.patient.", "bulk.system."))),
}


@pytest.mark.parametrize("name", CASES)
def test_one_thing_wrong_fails_what_speaks_of_it_and_nothing_else(name: str, trial: Trial, proxy: Proxy) -> None:
    proxy.misdeed, expected = CASES[name]
    sections = {key.partition(".")[0] for key in expected}
    looked_at = [one for one in REQUIREMENTS if one.section in sections and one.key not in SLOW - expected]

    report = runner.run(trial, looked_at)

    assert {outcome.key for outcome in report.outcomes if outcome.verdict is Verdict.FAIL} == expected
