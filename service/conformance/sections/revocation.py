"""Ending an app's access: by the app, and by the member in the console (conformance B 9.3; SMART-83).

The last section: it leaves none of the runner's connections behind.
"""

from service.conformance import forms, launches
from service.conformance.forms import Form
from service.conformance.launch import Launch
from service.conformance.requirement import Requirement
from service.conformance.sandbox_file import ASYMMETRIC, BASIC, POST, PUBLIC
from service.conformance.trial import Trial
from service.conformance.verdicts import expect, expect_status
from service.conformance.wire import Answer


def _by_app(trial: Trial) -> None:
    endpoint, public = trial.endpoint("revocation_endpoint"), launches.public(trial)
    launch = trial.connect(public.app, public.asked["scope"])
    answer = launch.app.post(endpoint, {"token": launch.held("refresh_token"), "token_type_hint": "refresh_token"})
    expect_status(answer.status, {200}, "a revocation")
    _require_over(trial, launch)


def _unknown_token(trial: Trial) -> None:
    answer = launches.public(trial).app.post(trial.endpoint("revocation_endpoint"), {"token": "made-up-token"})
    expect_status(answer.status, {200}, "a revocation of an unknown token")


def _other_app(trial: Trial) -> None:
    trial.require("client-confidential-symmetric")
    endpoint, public = trial.endpoint("revocation_endpoint"), launches.public(trial)
    launches.symmetric(trial).app.post(endpoint, {"token": public.access_token})
    status = trial.read(f"Patient/{public.text('patient')}", public.access_token).status
    expect_status(status, {200}, "a read after another app tried to revoke")


def _read_ends(trial: Trial) -> None:
    launch = _revoked(trial)
    status = trial.read(f"Patient/{trial.file.account.patient_id}", launch.access_token).status
    expect_status(status, {401, 403, 404}, "a read after the member revoked")


def _refresh_ends(trial: Trial) -> None:
    launch = _revoked(trial)
    answer = launch.app.token({"grant_type": "refresh_token", "refresh_token": launch.held("refresh_token")})
    expect_status(answer.status, {400, 401}, "a refresh after the member revoked")


def _introspection_ends(trial: Trial) -> None:
    endpoint, launch = trial.endpoint("introspection_endpoint"), _revoked(trial)
    told = launch.app.post(endpoint, {"token": launch.access_token}, Accept="application/json")
    expect(told.json() == {"active": False}, "active false and nothing else", sorted(told.json()))


def _nothing_left(trial: Trial) -> None:
    """Whatever the runner's apps may still do is ended here."""
    trial.endpoint("management_endpoint")
    _press_every_revoke(trial)
    left = _own_revocations(trial)[1]
    expect(not left, "none of the runner's apps left that could be revoked", len(left))


def _revoked(trial: Trial) -> Launch:
    """The launch of the app with a secret, after the member ended it on the page that discovery names."""

    def revoke() -> Launch:
        launch = launches.symmetric(trial)
        patient = f"Patient/{trial.file.account.patient_id}"
        expect_status(trial.read(patient, launch.access_token).status, {200}, "a read before the member revokes")
        _press_every_revoke(trial)
        return launch

    trial.endpoint("management_endpoint")
    return trial.once("revoked", revoke)


def _press_every_revoke(trial: Trial) -> None:
    page, found = _own_revocations(trial)
    for form in found:
        status = trial.browser.press(page, form).status
        expect(status < 400, "an end of the app's access", status)
    for name in (PUBLIC, "posted", BASIC, POST, ASYMMETRIC):
        trial.forget(name)


def _own_revocations(trial: Trial) -> tuple[Answer, list[Form]]:
    """The page that discovery names, and the forms on it that end an app of the runner's."""
    page = trial.browser.open(trial.endpoint("management_endpoint"))
    names = [client.name for client in trial.file.clients]
    every = forms.read(page.text).forms
    return page, [form for form in every if "revoke" in form.action and any(name in form.about for name in names)]


def _require_over(trial: Trial, launch: Launch) -> None:
    answer = launch.app.token({"grant_type": "refresh_token", "refresh_token": launch.held("refresh_token")})
    expect_status(answer.status, {400, 401}, "a refresh with a revoked token")
    status = trial.read(f"Patient/{launch.text('patient')}", launch.access_token).status
    expect_status(status, {401}, "a read after its refresh token was revoked")


REQUIREMENTS = (
    Requirement("revocation.by_app", "RFC 7009", "an app ends its own connection", _by_app),
    Requirement("revocation.unknown", "RFC 7009", "an unknown token is answered alike", _unknown_token),
    Requirement("revocation.other_app", "RFC 7009", "no app ends another's", _other_app),
    Requirement("revocation.read", "B 9.3, SMART-83", "after the member revokes, reads end", _read_ends),
    # Before the refresh: one that is wrongly granted may end the older access token by itself.
    Requirement("revocation.introspection", "SMART-75", "and the token is inactive", _introspection_ends),
    Requirement("revocation.refresh", "B 9.3", "and refreshing ends too", _refresh_ends),
    Requirement("revocation.nothing_left", "1A", "the member can end every app", _nothing_left),
)
