"""Standalone launch, once for each kind of app, and what is particular to it (conformance A2, B; SMART-15 to 51)."""

import re
from typing import Any

from service.conformance import launches
from service.conformance.launch import Launch
from service.conformance.launches import Maker
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect, expect_status
from service.conformance.wire import Answer

_SCOPE = re.compile(
    r"openid|fhirUser|profile|launch(/[a-z]+(\?role=\S+)?)?|(off|on)line_access|__\S+|https?://\S+"
    r"|(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(\?\S+)?"
)
_ODD_STATE = "a b+c%20d&e=f;g\"h'<i>/é~." + "x" * 64


def token_response(body: dict[str, Any]) -> None:
    """Raise Failed unless `body` is a whole token response (RFC 6749 §5.1, with what SMART makes required)."""
    for name in ("access_token", "token_type", "scope"):
        found = body.get(name)
        expect(isinstance(found, str) and found, f"{name} as a text", type(found).__name__)
    expect(str(body["token_type"]).lower() == "bearer", "token_type bearer", body["token_type"])
    expires = body.get("expires_in")
    number = isinstance(expires, int | float) and not isinstance(expires, bool)
    expect(number, "expires_in as a number", type(expires).__name__)


def uncached(answer: Answer) -> None:
    """Raise Failed unless the answer says that nobody may keep it (SMART-42)."""
    for name, wanted in (("Cache-Control", "no-store"), ("Pragma", "no-cache")):
        found = answer.headers.get(name, "none")
        expect(wanted in found.lower(), f"{name}: {wanted}", found)


def _state(launch: Launch, _trial: Trial) -> None:
    found = launch.parameters.get("state", "none")
    expect(found == launch.asked["state"], "the state that was sent", "none" if found == "none" else "another")


def _code(launch: Launch, _trial: Trial) -> None:
    expect(launch.code, "a code", "none")
    expect("error" not in launch.parameters, "no error beside the code", launch.parameters.get("error"))


def _token(launch: Launch, _trial: Trial) -> None:
    token_response(launch.body)
    media_type = launch.answer.media_type
    expect(media_type == "application/json", "application/json", media_type)


def _headers(launch: Launch, _trial: Trial) -> None:
    uncached(launch.answer)


def _lifetime(launch: Launch, _trial: Trial) -> None:
    found = launch.body.get("expires_in", 0)
    expect(0 < found <= 3600, "expires_in of an hour at most", found)


def _scopes(launch: Launch, _trial: Trial) -> None:
    granted, asked = launch.granted, set(launch.asked["scope"].split())
    strange = sorted(scope for scope in granted if not _SCOPE.fullmatch(scope))
    expect(not strange, "scopes of the right form", strange)
    missing = sorted(scope for scope in asked - granted if "/" in scope)
    expect(not missing, "every resource scope asked for", f"not {', '.join(missing)}")


def _patient(launch: Launch, trial: Trial) -> None:
    trial.require("context-standalone-patient")
    found = launch.text("patient")
    expect("/" not in found, "patient as an id", "a path")
    expect(found == trial.file.account.patient_id, "the id of the member who signed in", "another")


def _read(launch: Launch, trial: Trial) -> None:
    path = f"Patient/{launch.text('patient')}"
    answer = trial.read(path, launch.access_token)
    expect_status(answer.status, {200}, "a read of the launch's Patient")
    expect(answer.json().get("id") == launch.text("patient"), "the Patient that was asked for", "another")
    expect_status(trial.read(path).status, {401}, "the same read without a token")


def _refresh_token(launch: Launch, trial: Trial) -> None:
    trial.require("permission-offline")
    expect(launch.text("refresh_token"), "a refresh token", "none")


_EACH = (
    ("state", "A2, SMART-19", "the state comes back unchanged", _state),
    ("code", "A2", "a code comes, and no error", _code),
    ("token", "A2, SMART-26", "the token response is whole", _token),
    ("headers", "A2, SMART-42", "the token response may not be kept", _headers),
    ("lifetime", "SMART-43", "the access token lives for an hour at most", _lifetime),
    ("scopes", "A2, B", "all resource scopes asked for are granted", _scopes),
    ("patient", "A2, SMART-27", "the patient in context is the member", _patient),
    ("read", "B, SMART-83", "the patient is read with the token, and not without", _read),
    ("refresh_token", "A4, SMART-52", "offline_access brings a refresh token", _refresh_token),
)


def _iss(trial: Trial) -> None:
    document = trial.wire.get(
        f"{str(trial.smart.get('issuer', '')).rstrip('/')}/.well-known/oauth-authorization-server"
    )
    if document.status != 200 or not document.json().get("authorization_response_iss_parameter_supported"):
        raise NotOffered("no metadata with authorization_response_iss_parameter_supported")
    found = launches.public(trial).parameters.get("iss", "none")
    expect(found == trial.smart.get("issuer"), "the issuer as iss in the answer to the app", found)


def _odd_state(trial: Trial) -> None:
    launch = trial.ask(launches.public(trial).app, launches.public(trial).asked["scope"], {"state": _ODD_STATE})
    expect(launch.parameters.get("state") == _ODD_STATE, "a state of odd characters unchanged", "another")


def _v1_scopes(trial: Trial) -> None:
    trial.require("permission-v1")
    launch = launches.symmetric(trial)
    missing = sorted(set(launches.carin_scopes(trial).split()) - launch.granted)
    expect(not missing, "version 1 scopes granted and echoed as such", f"not {', '.join(missing)}")


def _fhir_context(trial: Trial) -> None:
    found = launches.public(trial).body.get("fhirContext")
    if found is None:
        raise NotOffered("the token response has no fhirContext")
    right = isinstance(found, list) and all(
        isinstance(one, dict) and one.keys() & {"reference", "canonical", "identifier"} for one in found
    )
    expect(right, "fhirContext as objects with reference, canonical or identifier", type(found).__name__)


def _banner(trial: Trial) -> None:
    trial.require("context-banner")
    found = launches.public(trial).body.get("need_patient_banner")
    expect(isinstance(found, bool), "need_patient_banner as true or false", type(found).__name__)


def _full_access(trial: Trial) -> None:
    launch = launches.full(trial)
    # What an app was not registered for by name (who has looked, AuditEvent) is not granted to it either.
    types = [name for name in launches.searchable_types(trial) if f"patient/{name}.rs" in launch.granted]
    expect(len(types) > 1, "types that are searched by patient, each with a scope", types)
    for name in types:
        own = "_id" if name == "Patient" else "patient"
        answer = trial.read(f"{name}?{own}={launch.text('patient')}&_count=1", launch.access_token)
        expect_status(answer.status, {200}, f"a search for {name}")


def _limited_access(trial: Trial) -> None:
    asked = launches.full(trial).asked["scope"]
    launch = launches.alone(trial, asked, ticks=_half)
    expect(launch.landing.consented, "a consent page with types of information to untick", "none")
    _require_limited(trial, launch, {scope for scope in asked.split() if scope.startswith("patient/")})


def _half(offered: list[str]) -> set[str]:
    return set(offered[: max(1, len(offered) // 2)])


def _require_limited(trial: Trial, launch: Launch, asked: set[str]) -> None:
    kept = asked & launch.granted
    expect(kept and kept < asked, "fewer resource scopes than asked for, but some", f"{len(kept)} of {len(asked)}")
    for scope in sorted(asked):
        name = scope.removeprefix("patient/").removesuffix(".rs")
        own = "_id" if name == "Patient" else "patient"
        status = trial.read(f"{name}?{own}={launch.text('patient')}&_count=1", launch.access_token).status
        expect_status(status, {200} if scope in kept else {401, 403}, f"a search for {name}, by what was ticked")


def _no_refresh_token(trial: Trial) -> None:
    launch = launches.alone(trial, f"launch/patient {launches.every_type(trial)}")
    expect("refresh_token" not in launch.body, "no refresh token unless it was asked for", "one")


def _inferred_patient(trial: Trial) -> None:
    trial.require("permission-patient")
    launch = launches.alone(trial, launches.every_type(trial))
    if not any(scope.startswith("patient/") for scope in launch.granted):
        return
    expect(launch.text("patient"), "a patient in context with patient/ scopes", "none")


def _no_system_scopes(trial: Trial) -> None:
    launch = launches.alone(trial, f"launch/patient {launches.every_type(trial)} system/*.rs")
    found = sorted(scope for scope in launch.granted if scope.startswith("system/"))
    expect(not found, "no system/ scope where a person decides", found)


def _of(kind: str, words: str, make: Maker) -> tuple[Requirement, ...]:
    """The requirements that hold for every kind of launch, for this one."""

    def bound(look: Any) -> Check:
        return lambda trial: look(make(trial), trial)

    return tuple(
        Requirement(f"standalone.{kind}.{name}", source, f"{words}: {title}", bound(look))
        for name, source, title, look in _EACH
    )


REQUIREMENTS = (
    *_of("public", "public app", launches.public),
    *_of("post", "request by POST", launches.posted),
    *_of("symmetric", "app with a secret", launches.symmetric),
    *_of("asymmetric", "app with a key", launches.asymmetric),
    Requirement("standalone.iss", "SMART-19, RFC 9207", "the answer to the app names the issuer", _iss),
    Requirement("standalone.odd_state", "SMART-19", "odd characters in the state survive", _odd_state),
    Requirement("standalone.v1_scopes", "B, C1, SMART-25", "version 1 scopes are granted as asked", _v1_scopes),
    Requirement("standalone.fhir_context", "A2", "fhirContext has the right form", _fhir_context),
    Requirement("standalone.banner", "SMART-8", "need_patient_banner is told", _banner),
    Requirement("standalone.full_access", "B", "every type granted can be searched", _full_access),
    Requirement("standalone.limited_access", "B, SMART-32", "what is unticked is not granted", _limited_access),
    Requirement("standalone.no_refresh_token", "SMART-52", "no refresh token without asking", _no_refresh_token),
    Requirement("standalone.inferred_patient", "SMART-27", "patient/ scopes bring a patient", _inferred_patient),
    Requirement("standalone.no_system", "SMART-29", "system/ scopes are no person's to give", _no_system_scopes),
)
