"""What must be refused (conformance B 9.4, 9.17, 9.18; SMART-16 to 21, 58, 59, 84 and the error table)."""

from urllib.parse import urlencode

from service.conformance import launches
from service.conformance.client_app import basic
from service.conformance.launch import Launch
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect, expect_status
from service.conformance.wire import expect_refusal

_INVALID_REQUEST = "invalid_request"


def _authorize_error(error: str | set[str], **changed: str | None) -> Check:
    """A request so changed is answered to the app with this error, with its state, and without a code."""
    allowed = {error} if isinstance(error, str) else error

    def check(trial: Trial) -> None:
        launch = _ask(trial, **changed)
        told = launch.parameters
        expect("code" not in told, f"no code but {' or '.join(sorted(allowed))}", "a code")
        expect(told.get("error") in allowed, " or ".join(sorted(allowed)), told.get("error", "no error"))
        if "state" in launch.asked:
            expect(told.get("state") == launch.asked["state"], "the state with the error", "none or another")

    return check


def _no_code(**changed: str | None) -> Check:
    """A request so changed brings no code, by whichever answer."""

    def check(trial: Trial) -> None:
        told = _ask(trial, **changed).landing.parameters or {}
        expect("code" not in told, "no code", "a code")

    return check


def _no_redirect(**changed: str) -> Check:
    """A request so changed is answered on a page: its address may be anybody's."""

    def check(trial: Trial) -> None:
        app = launches.public(trial).app
        asked = _ask_parameters(trial) | {"client_id": app.id, **changed}
        answer = trial.new_browser().get(f"{trial.endpoint('authorization_endpoint')}?{urlencode(asked)}")
        expect(answer.target is None, "no redirect", "one")
        expect_status(answer.status, {400}, "such a request")

    return check


def _repeated(trial: Trial) -> None:
    asked = [*_ask_parameters(trial).items(), ("scope", "patient/*.rs")]
    answer = trial.browser.get(f"{trial.endpoint('authorization_endpoint')}?{urlencode(asked)}")
    app = launches.public(trial).app
    told = trial.browser.walk(answer, app.registered.redirect_uri).parameters or {}
    expect("code" not in told, "no code with a parameter given twice", "a code")


def _verifier(value: str | None, *, is_challenge: bool = False) -> Check:
    """The exchange with this verifier is refused."""

    def check(trial: Trial) -> None:
        launch = _ask(trial)
        sent = launch.asked["code_challenge"] if is_challenge else value
        status = launch.app.token(launch.form(code_verifier=sent)).status
        expect_status(status, {400, 401}, "an exchange with such a code_verifier")

    return check


def _other_verifier(trial: Trial) -> None:
    launch, other = _ask(trial), _ask(trial)
    status = launch.app.token(launch.form(code_verifier=other.verifier)).status
    expect_status(status, {400, 401}, "an exchange with another launch's code_verifier")


def _bad_code(trial: Trial) -> None:
    launch = launches.public(trial)
    answer = launch.app.token(launch.form(code="made-up-code"))
    expect_status(answer.status, {400}, "a made-up code")
    expect(answer.json().get("error") == "invalid_grant", "invalid_grant", answer.json().get("error"))


def _code_twice(trial: Trial) -> None:
    """A launch of its own: what the code brought may end with it."""
    launch = _ask(trial)
    expect_status(launch.app.token(launch.form()).status, {200}, "the first exchange")
    expect_status(launch.app.token(launch.form()).status, {400}, "the second exchange of a code")


def _other_apps_code(trial: Trial) -> None:
    trial.require("client-confidential-symmetric")
    launch, other = _ask(trial), launches.symmetric(trial).app
    expect_refusal(other.token(launch.form()), "another app's code")


def _other_redirect(trial: Trial) -> None:
    launch = _ask(trial)
    answer = launch.app.token(launch.form(redirect_uri="https://elsewhere.example/callback"))
    expect_status(answer.status, {400}, "an exchange with another redirect_uri")


def _unknown_client(trial: Trial) -> None:
    launch = _ask(trial)
    answer = trial.wire.post(launch.app.token_endpoint, {**launch.form(), "client_id": "made-up-client"})
    expect_refusal(answer, "an unknown client_id")


def _wrong_secret(trial: Trial) -> None:
    trial.require("client-confidential-symmetric")
    launch = launches.symmetric(trial)
    answer = trial.wire.post(
        launch.app.token_endpoint, launch.form(), Authorization=basic(launch.app.id, "made-up-secret")
    )
    expect_refusal(answer, "a wrong secret")
    expect_status(answer.status, {401}, "a wrong secret by HTTP Basic")
    expect("WWW-Authenticate" in answer.headers, "WWW-Authenticate with it", "none")


def _no_secret(trial: Trial) -> None:
    trial.require("client-confidential-symmetric")
    launch = launches.symmetric(trial)
    answer = trial.wire.post(launch.app.token_endpoint, {**launch.form(), "client_id": launch.app.id})
    expect_refusal(answer, "a confidential app without its secret")


def _public_with_secret(trial: Trial) -> None:
    launch = _ask(trial)
    answer = trial.wire.post(
        launch.app.token_endpoint, {**launch.form(), "client_id": launch.app.id, "client_secret": "made-up-secret"}
    )
    expect_refusal(answer, "a public app with a secret")


def _grant_type(trial: Trial) -> None:
    answer = launches.public(trial).app.token({"grant_type": "garbage"})
    expect_status(answer.status, {400}, "an unknown grant_type")
    expect(answer.json().get("error") == "unsupported_grant_type", "unsupported_grant_type", answer.json().get("error"))


def _error_headers(trial: Trial) -> None:
    launch = launches.public(trial)
    answer = launch.app.token(launch.form(code="made-up-code"))
    expect("no-store" in answer.headers.get("Cache-Control", ""), "Cache-Control: no-store on an error", "none")


def _made_up_token(trial: Trial) -> None:
    answer = trial.read(f"Patient/{trial.file.account.patient_id}", "made-up-access-token")
    expect_status(answer.status, {401}, "a made-up access token")
    expect("Bearer" in answer.headers.get("WWW-Authenticate", ""), "WWW-Authenticate: Bearer", "none")


def _other_member(trial: Trial) -> None:
    other, token = trial.file.other_patient_id, launches.public(trial).access_token
    if not other:
        raise NotOffered("the sandbox file names one member only")
    expect_status(trial.read(f"Patient/{other}", token).status, {403, 404}, "a read of another member")
    answer = trial.read(f"Coverage?patient={other}", token)
    nothing = answer.status == 200 and not answer.json().get("entry")
    expect(nothing or answer.status in {403, 404}, "no record of another member", f"{answer.status} with some")


def _ask(trial: Trial, **changed: str | None) -> Launch:
    """A launch of the public app up to its code, as it was agreed before."""
    public = launches.public(trial)
    return trial.ask(public.app, public.asked["scope"], changed)


def _ask_parameters(trial: Trial) -> dict[str, str]:
    return {name: value for name, value in launches.public(trial).asked.items() if name != "prompt"}


_AUTHORIZE = (
    ("bad_aud", "B 9.4, SMART-17", "a wrong aud brings no code", _no_code(aud="https://evil.example/fhir")),
    ("no_aud", "SMART-16, 17", "nor does a missing one", _no_code(aud=None)),
    ("bad_aud_error", "SMART-17", "it is told to the app",
     _authorize_error({_INVALID_REQUEST, "invalid_target"}, aud="https://evil.example/fhir")),
    ("no_state", "SMART-16, 19", "a missing state is refused", _no_code(state=None)),
    ("no_scope", "SMART-16", "a missing scope is refused",
     _authorize_error({_INVALID_REQUEST, "invalid_scope"}, scope=None)),
    ("no_challenge", "SMART-18", "a missing code_challenge is refused",
     _authorize_error(_INVALID_REQUEST, code_challenge=None)),
    ("plain", "SMART-18", "code_challenge_method plain is refused",
     _authorize_error(_INVALID_REQUEST, code_challenge_method="plain")),
    ("no_method", "SMART-18", "a missing code_challenge_method is refused",
     _authorize_error(_INVALID_REQUEST, code_challenge_method=None)),
    ("response_type", "SMART-16", "response_type token is refused",
     _authorize_error("unsupported_response_type", response_type="token")),
    ("no_response_type", "SMART-16", "a missing response_type is refused",
     _authorize_error({_INVALID_REQUEST, "unsupported_response_type"}, response_type=None)),
    ("nothing_left", "SMART-6", "scopes that are all unknown are refused",
     _authorize_error("invalid_scope", scope="garbage")),
    ("unknown_app", "SMART-16", "an unknown app gets a page", _no_redirect(client_id="made-up-client")),
    ("unknown_redirect", "SMART-11", "an address that is not registered gets a page",
     _no_redirect(redirect_uri="https://elsewhere.example/callback")),
    ("repeated", "SMART-21", "a parameter given twice brings no code", _repeated),
)  # fmt: skip
_TOKEN = (
    ("bad_code", "B 9.17", "a made-up code is refused", _bad_code),
    ("unknown_client", "B 9.17", "an unknown client_id is refused", _unknown_client),
    ("verifier_missing", "B 9.18, SMART-18", "no code_verifier is refused", _verifier(None)),
    ("verifier_blank", "B 9.18, SMART-18", "a blank one is refused", _verifier("")),
    ("verifier_wrong", "B 9.18, SMART-18", "a wrong one is refused", _verifier("made-up-verifier-" + "0" * 40)),
    ("verifier_challenge", "B 9.18, SMART-18", "the challenge itself is refused", _verifier(None, is_challenge=True)),
    ("verifier_other", "SMART-18", "another launch's is refused", _other_verifier),
    ("code_twice", "SMART-20", "a code works once", _code_twice),
    ("code_other_app", "error table", "a code is its own app's", _other_apps_code),
    ("other_redirect", "error table", "the redirect_uri must be the same", _other_redirect),
    ("wrong_secret", "SMART-59", "a wrong secret is refused", _wrong_secret),
    ("no_secret", "SMART-58", "an app with a secret must show it", _no_secret),
    ("public_secret", "SMART-58", "an app without one must not show any", _public_with_secret),
    ("grant_type", "error table", "an unknown grant_type is refused", _grant_type),
    ("error_headers", "SMART-42", "errors may not be kept either", _error_headers),
    ("made_up_token", "SMART-83", "a made-up access token is refused", _made_up_token),
    ("other_member", "SMART-84", "another member's records stay unseen", _other_member),
)
REQUIREMENTS = tuple(
    Requirement(f"negatives.{name}", source, title, check) for name, source, title, check in (*_AUTHORIZE, *_TOKEN)
)
