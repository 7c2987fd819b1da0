"""What the server says of itself (conformance A1, B; SMART-1 to 10)."""

import re
from typing import Any
from urllib.parse import urlsplit

from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import Failed, NotOffered, expect, expect_status

_WELL_KNOWN = ".well-known/smart-configuration"
_TYPES: dict[str, type] = {
    "authorization_endpoint": str, "token_endpoint": str, "capabilities": list, "grant_types_supported": list,
    "code_challenge_methods_supported": list,
}  # fmt: skip
_HL7 = re.compile(
    r"(launch|client|context|permission)-[a-z0-9-]+|authorize-post|sso-openid-connect|smart-app-state|https?://\S+"
)
_CARIN = (
    "launch-standalone", "client-public", "client-confidential-symmetric", "sso-openid-connect",
    "context-standalone-patient", "permission-offline", "permission-patient", "permission-user",
)  # fmt: skip
_FURTHER = ("client-confidential-asymmetric", "authorize-post", "permission-v1", "permission-v2")
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def _answers(trial: Trial) -> None:
    answer = trial.wire.get(f"{trial.fhir_base}/{_WELL_KNOWN}", Accept="application/json")
    expect_status(answer.status, {200}, "the SMART configuration")
    answer.json()


def _appended_only(trial: Trial) -> None:
    parts = urlsplit(trial.fhir_base)
    if not parts.path.strip("/"):
        raise NotOffered("the FHIR base has no path, so both shapes are the same")
    inserted = f"{parts.scheme}://{parts.netloc}/{_WELL_KNOWN}{parts.path}"
    status = trial.wire.get(inserted, Accept="application/json").status
    expect(status != 200, "no SMART configuration before the path of the FHIR base", status)


def _any_accept(trial: Trial) -> None:
    for accept in ("application/json", "application/fhir+json", "*/*", ""):
        headers = {"Accept": accept} if accept else {}
        answer = trial.wire.get(f"{trial.fhir_base}/{_WELL_KNOWN}", **headers)
        what = f"the SMART configuration with Accept {accept or 'missing'}"
        expect_status(answer.status, {200}, what)
        expect(answer.media_type == "application/json", f"application/json for {what}", answer.media_type)


def _fields(trial: Trial) -> None:
    for name, kind in _TYPES.items():
        found = trial.smart.get(name)
        expect(isinstance(found, kind) and found, f"{name} as a non-empty {kind.__name__}", type(found).__name__)


def _addresses(trial: Trial) -> None:
    base = urlsplit(trial.fhir_base)
    names = [name for name in trial.smart if name.endswith(("_endpoint", "_uri")) or name == "issuer"]
    for name in names:
        address = urlsplit(str(trial.smart[name]))
        right = bool(address.netloc) and address.scheme in {"https", base.scheme}
        expect(right, f"{name} as an absolute https address", address.scheme or "no scheme")


def _grant_types(trial: Trial) -> None:
    found = trial.listed("grant_types_supported")
    expect("authorization_code" in found, "authorization_code in grant_types_supported", sorted(found))


def _pkce_methods(trial: Trial) -> None:
    found = trial.smart.get("code_challenge_methods_supported")
    expect(found == ["S256"], "code_challenge_methods_supported of S256 alone", found)


def _capability_strings(trial: Trial) -> None:
    found = trial.smart.get("capabilities") or []
    strange = [one for one in found if not isinstance(one, str) or not _HL7.fullmatch(one)]
    expect(not strange, "capabilities that are HL7's or full URIs", strange)


def _openid_fields(trial: Trial) -> None:
    told = {name for name in ("issuer", "jwks_uri") if isinstance(trial.smart.get(name), str)}
    offered = "sso-openid-connect" in trial.listed("capabilities")
    wanted = {"issuer", "jwks_uri"} if offered else set()
    expect(told == wanted, f"of issuer and jwks_uri: {sorted(wanted)}", sorted(told))


def _client_credentials(trial: Trial) -> None:
    methods = trial.listed("token_endpoint_auth_methods_supported")
    if "client_credentials" not in trial.listed("grant_types_supported"):
        raise NotOffered("grant_types_supported lacks client_credentials")
    expect("private_key_jwt" in methods, "private_key_jwt beside client_credentials", sorted(methods))


def _signing_algorithms(trial: Trial) -> None:
    trial.require("client-confidential-asymmetric")
    found = trial.listed("token_endpoint_auth_signing_alg_values_supported")
    expect(found & {"RS384", "ES384"}, "RS384 or ES384 in token_endpoint_auth_signing_alg_values_supported", found)


def _us_core_fields(trial: Trial) -> None:
    scopes = trial.listed("scopes_supported")
    expect(any(scope.startswith("patient/") for scope in scopes), "resource scopes in scopes_supported", len(scopes))
    expect(trial.smart.get("introspection_endpoint"), "introspection_endpoint", "none")


def _carin_capabilities(trial: Trial) -> None:
    missing = sorted(set(_CARIN) - trial.listed("capabilities"))
    expect(not missing, "every capability that CARIN Blue Button makes mandatory", f"none of {missing}")


def _has(capability: str) -> Check:
    return lambda trial: trial.require(capability)


def _capability_statement(trial: Trial) -> None:
    told = _oauth_uris(trial)
    for name, field in (("authorize", "authorization_endpoint"), ("token", "token_endpoint")):
        expect(told.get(name) == trial.smart.get(field), f"oauth-uris {name} as {field} has it", told.get(name, "none"))


def _same_facts(trial: Trial) -> None:
    issuer = str(trial.smart.get("issuer", "")).rstrip("/")
    for path in (".well-known/oauth-authorization-server", ".well-known/openid-configuration"):
        answer = trial.wire.get(f"{issuer}/{path}", Accept="application/json")
        if answer.status == 404:
            continue
        expect_status(answer.status, {200}, path)
        _compare(trial.smart, answer.json(), path)


def _compare(smart: dict[str, Any], other: dict[str, Any], path: str) -> None:
    differing = sorted(name for name in smart.keys() & other.keys() if smart[name] != other[name])
    expect(not differing, f"the same in the SMART configuration and {path}", f"other {', '.join(differing)}")


def _cache(trial: Trial) -> None:
    told = trial.wire.get(f"{trial.fhir_base}/{_WELL_KNOWN}").headers.get("Cache-Control", "")
    age = re.search(r"max-age=(\d+)", told)
    if age is None:
        raise NotOffered("the SMART configuration has no max-age")
    expect(int(age[1]) <= 300, "max-age of 300 seconds at most", age[1])


def _no_v1_leftovers(trial: Trial) -> None:
    found = [name for name in ("smart_app_state_endpoint",) if name in trial.smart]
    expect(not found, "no deprecated field", found)


def _oauth_uris(trial: Trial) -> dict[str, str]:
    rest = trial.capability_statement.get("rest") or [{}]
    extensions = rest[0].get("security", {}).get("extension", ())
    for extension in extensions:
        if extension.get("url") == _OAUTH_URIS:
            return {part["url"]: part.get("valueUri", "") for part in extension.get("extension", ())}
    raise Failed("the oauth-uris extension in rest.security", "none")


REQUIREMENTS = (
    Requirement("discovery.answers", "A1, SMART-1", "the SMART configuration is JSON and open to all", _answers),
    Requirement("discovery.appended", "SMART-1", "it lies below the FHIR base only", _appended_only),
    Requirement("discovery.accept", "SMART-2", "it is application/json whatever is accepted", _any_accept),
    Requirement("discovery.fields", "A1, SMART-4", "it has what is always required, of the right types", _fields),
    Requirement("discovery.addresses", "A1, SMART-3", "its addresses are absolute and https", _addresses),
    Requirement("discovery.grant_types", "A1", "the authorization code grant is advertised", _grant_types),
    Requirement("discovery.pkce_methods", "A1, SMART-5", "S256 is advertised, plain is not", _pkce_methods),
    Requirement("discovery.capability_strings", "A1, SMART-7", "capabilities are HL7's or URIs", _capability_strings),
    Requirement("discovery.openid_fields", "A1, SMART-4", "issuer and keys come with sign-on alone", _openid_fields),
    Requirement(
        "discovery.client_credentials", "A1, SMART-69", "backend services come with signed authentication",
        _client_credentials,
    ),
    Requirement("discovery.signing", "SMART-4", "algorithms of signed authentication are told", _signing_algorithms),
    Requirement("discovery.us_core_fields", "D13, SMART-6", "scopes and introspection are told", _us_core_fields),
    Requirement("discovery.carin", "C1, SMART-8", "what CARIN makes mandatory is offered", _carin_capabilities),
    *(
        Requirement(f"discovery.{name.replace('-', '_')}", "B, SMART-8", f"{name} is offered", _has(name))
        for name in _FURTHER
    ),
    Requirement("discovery.deprecated", "1A", "no deprecated field is told", _no_v1_leftovers),
    Requirement(
        "discovery.capability_statement", "A1, SMART-9", "the CapabilityStatement names the same endpoints",
        _capability_statement,
    ),
    Requirement("discovery.same_facts", "SMART-9", "the other documents say the same", _same_facts),
    Requirement("discovery.cache", "SMART-10", "it is kept for five minutes at most", _cache),
)  # fmt: skip
