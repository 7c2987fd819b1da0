"""Token introspection (conformance A6; SMART-74 to 76)."""

from typing import Any

from service.clock import now
from service.conformance import launches
from service.conformance.client_app import App
from service.conformance.launch import Launch
from service.conformance.requirement import Requirement
from service.conformance.sections.openid import decode
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect, expect_status
from service.conformance.wire import Answer

_CONTEXT = ("patient", "encounter", "intent", "need_patient_banner", "smart_style_url", "tenant", "fhirContext")


def _active(trial: Trial) -> None:
    launch, told = _told(trial)
    expect(told.get("active") is True, "active true", told.get("active"))
    expect(told.get("client_id") == launch.app.id, "the app's client_id", "another")
    expect(set(str(told.get("scope", "")).split()) == launch.granted, "the scopes granted", "others")


def _expiry(trial: Trial) -> None:
    found = _told(trial)[1].get("exp")
    expect(isinstance(found, int) and found >= now().timestamp() - 600, "exp in the future", "past or none")


def _context(trial: Trial) -> None:
    launch, told = _told(trial)
    differing = [name for name in _CONTEXT if name in launch.body and told.get(name) != launch.body[name]]
    expect(not differing, "the context of the launch", f"another {', '.join(differing)}")


def _identity(trial: Trial) -> None:
    trial.require("sso-openid-connect")
    launch, told = _told(trial)
    claims = decode(launch.held("id_token"))[1]
    differing = [name for name in ("iss", "sub", "fhirUser") if name in claims and told.get(name) != claims[name]]
    expect(not differing, "iss, sub and fhirUser as in the id_token", f"another {', '.join(differing)}")


def _unknown(trial: Trial) -> None:
    told = _ask(trial, _launch(trial).app, "made-up-access-token")
    expect(told == {"active": False}, "active false and nothing else", sorted(told))


def _revoked(trial: Trial) -> None:
    revocation = trial.endpoint("revocation_endpoint")
    caller, public = _launch(trial).app, launches.public(trial)
    launch = trial.connect(public.app, public.asked["scope"])
    expect_status(launch.app.post(revocation, {"token": launch.access_token}).status, {200}, "a revocation")
    told = _ask(trial, caller, launch.access_token)
    expect(told == {"active": False}, "active false and nothing else", sorted(told))


def _refresh_token(trial: Trial) -> None:
    launch = _launch(trial)
    told = _ask(trial, launch.app, launch.held("refresh_token"))
    expect(told == {"active": False} or told.get("token_type") != "Bearer", "no refresh token told as access", "one")


def _no_caller(trial: Trial) -> None:
    launch = _launch(trial)
    answer = trial.wire.post(_endpoint(trial), {"token": launch.access_token}, Accept="application/json")
    expect_status(answer.status, {401}, "introspection without authentication")


def _bearer(trial: Trial) -> None:
    scopes = sorted(scope for scope in trial.listed("scopes_supported") if "introspect" in scope)
    if not scopes:
        raise NotOffered("scopes_supported names no scope for introspection")
    trial.require_grant("client_credentials")
    caller = trial.as_app(trial.file.backend_with(scopes[0]))
    granted = caller.token({"grant_type": "client_credentials", "scope": scopes[0]})
    expect_status(granted.status, {200}, f"a request for {scopes[0]}")
    launch = _launch(trial)
    told = _ask_by(trial, str(granted.json().get("access_token")), launch)
    expect_status(told.status, {200}, "introspection by bearer token")
    expect(told.json().get("active") is True, "active true", told.json().get("active"))
    expect(told.json().get("client_id") == launch.app.id, "the client_id of the app asked about", "another")


def _unfit_bearer(trial: Trial) -> None:
    """A member's token lets an app read, and not ask about the tokens of other apps."""
    launch, other = _launch(trial), launches.public(trial)
    answer = _ask_by(trial, other.access_token, launch)
    expect_status(answer.status, {401, 403}, "introspection by a token that was given out for other things")


def _ask_by(trial: Trial, bearer: str, about: Launch) -> Answer:
    return trial.wire.post(
        _endpoint(trial), {"token": about.access_token}, Accept="application/json", Authorization=f"Bearer {bearer}"
    )


def _endpoint(trial: Trial) -> str:
    return trial.endpoint("introspection_endpoint")


def _launch(trial: Trial) -> Launch:
    _endpoint(trial)
    return launches.symmetric(trial)


def _told(trial: Trial) -> tuple[Launch, dict[str, Any]]:
    launch = _launch(trial)
    return launch, _ask(trial, launch.app, launch.access_token)


def _ask(trial: Trial, caller: App, token: str) -> dict[str, Any]:
    answer = caller.post(_endpoint(trial), {"token": token}, Accept="application/json")
    expect_status(answer.status, {200}, "introspection")
    return answer.json()


REQUIREMENTS = (
    Requirement("introspection.active", "A6, SMART-74", "a live token is told with app and scopes", _active),
    Requirement("introspection.expiry", "A6, SMART-74", "its end is told", _expiry),
    Requirement("introspection.context", "A6, SMART-47", "so is the context of its launch", _context),
    Requirement("introspection.identity", "A6, SMART-74", "and who signed in, as in the id_token", _identity),
    Requirement("introspection.unknown", "A6, SMART-75", "an unknown token is inactive", _unknown),
    Requirement("introspection.revoked", "SMART-75", "so is a revoked one, with the same words", _revoked),
    Requirement("introspection.refresh_token", "SMART-75", "a refresh token is no access token", _refresh_token),
    Requirement("introspection.caller", "SMART-76", "nobody unknown may ask", _no_caller),
    Requirement("introspection.bearer", "SMART-76", "a fit bearer token may ask", _bearer),
    Requirement("introspection.unfit_bearer", "SMART-76", "another bearer token may not", _unfit_bearer),
)
