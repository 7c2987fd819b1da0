"""Refreshing (conformance A4, B; SMART-52 to 55)."""

from service.conformance import launches
from service.conformance.launch import Launch
from service.conformance.requirement import Requirement
from service.conformance.sandbox_file import BASIC
from service.conformance.sections.standalone import token_response, uncached
from service.conformance.trial import Trial
from service.conformance.verdicts import expect, expect_status
from service.conformance.wire import Answer


def _without_scope(trial: Trial) -> None:
    before = _launch(trial)
    after = _refresh(trial, before)
    token_response(after.body)
    expect(after.granted == before.granted, "the same scopes", "others")


def _with_scope(trial: Trial) -> None:
    before = _launch(trial)
    after = _refresh(trial, before, scope=before.text("scope"))
    token_response(after.body)
    expect(after.granted <= before.granted, "no wider scopes", sorted(after.granted - before.granted))


def _headers(trial: Trial) -> None:
    uncached(_refresh(trial, _launch(trial)).answer)


def _still_reads(trial: Trial) -> None:
    launch = _refresh(trial, _launch(trial))
    answer = trial.read(f"Patient/{trial.file.account.patient_id}", launch.access_token)
    expect_status(answer.status, {200}, "a read of the Patient after refreshing")


def _narrower(trial: Trial) -> None:
    before = _launch(trial)
    kept = sorted(scope for scope in before.granted if scope.startswith("patient/Patient."))
    expect(kept, "a Patient scope granted", "none")
    narrow = _refresh(trial, before, scope=" ".join(kept))
    expect(narrow.granted == set(kept), f"{' '.join(kept)} alone", sorted(narrow.granted))
    whole = _refresh(trial, narrow)
    expect(whole.granted == before.granted, "all scopes again, since only that access token was narrower", "fewer")


def _wider(trial: Trial) -> None:
    before = _launch(trial)
    _refused(_asked(before, scope=f"{before.text('scope')} patient/Observation.rs"), "invalid_scope", {400})


def _another_app(trial: Trial) -> None:
    trial.require("client-public")
    mine = _launch(trial).held("refresh_token")
    other = launches.public(trial).app
    _refused(other.token({"grant_type": "refresh_token", "refresh_token": mine}), "invalid_grant", {400})


def _made_up(trial: Trial) -> None:
    app = _launch(trial).app
    answer = app.token({"grant_type": "refresh_token", "refresh_token": "made-up-refresh-token"})
    expect_status(answer.status, {400, 401}, "a made-up refresh token")


def _reuse(trial: Trial) -> None:
    """A connection of its own, since this ends it."""
    trial.require("client-public")
    launch = trial.connect(launches.public(trial).app, launches.public(trial).asked["scope"])
    old = launch.held("refresh_token")
    renewed = launch.renewed(_asked(launch))
    if renewed.held("refresh_token") == old:
        return
    _refused(_asked(launch), "invalid_grant", {400})
    _refused(_asked(renewed), "invalid_grant", {400})


def _launch(trial: Trial) -> Launch:
    trial.require("permission-offline")
    return launches.symmetric(trial)


def _refresh(trial: Trial, launch: Launch, **given: str) -> Launch:
    """Refresh as the launch's app does; later checks go on from there."""
    answer = _asked(launch, **given)
    expect_status(answer.status, {200}, "a refresh")
    renewed = launch.renewed(answer)
    trial.renew(BASIC, renewed)
    return renewed


def _asked(launch: Launch, **given: str) -> Answer:
    return launch.app.token({"grant_type": "refresh_token", "refresh_token": launch.held("refresh_token"), **given})


def _refused(answer: Answer, error: str, statuses: set[int]) -> None:
    expect_status(answer.status, statuses, "such a refresh")
    expect(answer.json().get("error") == error, error, answer.json().get("error"))


REQUIREMENTS = (
    Requirement("refresh.without_scope", "A4, SMART-54", "a refresh brings a whole token response", _without_scope),
    Requirement("refresh.with_scope", "A4, SMART-54", "so does one that names the scopes", _with_scope),
    Requirement("refresh.headers", "A4, SMART-42", "the answer may not be kept", _headers),
    Requirement("refresh.reads", "B", "the new token reads", _still_reads),
    Requirement("refresh.narrower", "SMART-53", "fewer scopes may be asked for", _narrower),
    Requirement("refresh.wider", "SMART-53", "more scopes may not", _wider),
    Requirement("refresh.other_app", "SMART-53", "another app's refresh token is refused", _another_app),
    Requirement("refresh.made_up", "B", "a made-up refresh token is refused", _made_up),
    Requirement("refresh.reuse", "SMART-55", "a refresh token used twice ends the connection", _reuse),
)
