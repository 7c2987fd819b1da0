"""Backend services and signed authentication (conformance A7; SMART-60 to 73)."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from itertools import cycle
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from service.clock import now
from service.conformance.client_app import App
from service.conformance.requirement import Check, Requirement
from service.conformance.sections.standalone import token_response, uncached
from service.conformance.trial import Trial
from service.conformance.verdicts import expect, expect_status
from service.conformance.wire import Answer, expect_refusal

_GRANT = "client_credentials"
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi"})


def _granted(trial: Trial) -> None:
    answer = _ask(trial)
    expect_status(answer.status, {200, 201}, "a right request")
    token_response(answer.json())
    asked = set(_scope(_app(trial)).split())
    expect(set(answer.json()["scope"].split()) <= asked, "no wider scopes", "some")
    uncached(answer)


def _short(trial: Trial) -> None:
    found = _ask(trial).json().get("expires_in")
    expect(isinstance(found, int) and 0 < found <= 300, "expires_in of 300 seconds at most", found)


def _no_refresh_token(trial: Trial) -> None:
    expect("refresh_token" not in _ask(trial).json(), "no refresh token", "one")


def _grant_type(trial: Trial) -> None:
    app = _app(trial)
    status = app.token({"grant_type": "garbage", "scope": _scope(app)}).status
    expect_status(status, {400}, "grant_type garbage")


def _assertion_type(trial: Trial) -> None:
    app = _next_app(trial)
    fields = app.asserted(app.assertion()) | {"client_assertion_type": "garbage"}
    expect_refusal(_send(trial, app, fields), "client_assertion_type garbage")


def _no_scope(trial: Trial) -> None:
    answer = _app(trial).token({"grant_type": _GRANT})
    expect_status(answer.status, {400}, "a request without scope")


def _people_scope(trial: Trial) -> None:
    answer = _app(trial).token({"grant_type": _GRANT, "scope": "patient/*.rs"})
    expect_status(answer.status, {400}, "a request for patient/ scopes")
    expect(answer.json().get("error") == "invalid_scope", "invalid_scope", answer.json().get("error"))


def _secret(trial: Trial) -> None:
    trial.require_grant(_GRANT)
    trial.require("client-confidential-symmetric")
    answer = trial.app("client_secret_basic").token({"grant_type": _GRANT, "scope": "system/*.rs"})
    expect_refusal(answer, "client_credentials by secret")


def _replayed(trial: Trial) -> None:
    app = _next_app(trial)
    fields = app.asserted(app.assertion())
    expect_status(_send(trial, app, fields).status, {200, 201}, "an assertion")
    _require_invalid_client(_send(trial, app, fields), "the same assertion again")


def _claims(**changed: Any) -> Check:
    """An assertion with these claims, of which `exp` and `iat` are told as seconds from now, is refused."""

    def check(trial: Trial) -> None:
        moment = int(now().timestamp())
        told = {name: moment + value if name in {"exp", "iat"} and value else value for name, value in changed.items()}
        app = _next_app(trial)
        _require_invalid_client(_send(trial, app, app.asserted(app.assertion(**told))), "such an assertion")

    return check


def _header(changed: Mapping[str, Any]) -> Check:
    """An assertion with this header is refused."""

    def check(trial: Trial) -> None:
        app = _next_app(trial)
        _require_invalid_client(_send(trial, app, app.asserted(app.assertion(header=changed))), "such an assertion")

    return check


def _other_key(trial: Trial) -> None:
    """Signed by a key of the same kind and name that is not the app's."""
    app = _next_app(trial)
    own = app.registered.private_key
    made = ECKey.generate_key("P-384") if own["kty"] == "EC" else RSAKey.generate_key(2048)
    key = {**made.as_dict(private=True), "kid": own.get("kid")}
    _require_invalid_client(_send(trial, app, app.asserted(app.assertion(key))), "an assertion of another key")


def _unsigned(trial: Trial) -> None:
    _require_weak_refused(trial, _next_app(trial), "none", "")


def _public_key_as_secret(trial: Trial) -> None:
    """The public key, which everybody has, used as if it were a shared secret."""
    app = _next_app(trial)
    public = {name: value for name, value in app.registered.private_key.items() if name not in _PRIVATE}
    _require_weak_refused(trial, app, "HS256", json.dumps(public))


def _require_weak_refused(trial: Trial, app: App, algorithm: str, secret: str) -> None:
    _, claims, _ = app.assertion().split(".")
    head = {"alg": algorithm, "kid": app.registered.private_key.get("kid"), "typ": "JWT"}
    signed = f"{_part(json.dumps(head).encode())}.{claims}"
    made = hmac.digest(secret.encode(), signed.encode(), "sha256") if secret else b""
    answer = _send(trial, app, app.asserted(f"{signed}.{_part(made)}"))
    _require_invalid_client(answer, f"an assertion with alg {algorithm}")


def _part(content: bytes) -> str:
    """A part of a JWT, by hand: the library rightly makes none with these algorithms."""
    return urlsafe_b64encode(content).decode("ascii").rstrip("=")


def _other_id(trial: Trial) -> None:
    app = _next_app(trial)
    answer = _send(trial, app, {**app.asserted(app.assertion()), "client_id": "made-up-client"})
    expect_refusal(answer, "a client_id beside another's assertion")


def _app(trial: Trial) -> App:
    trial.require_grant(_GRANT)
    return trial.as_app(trial.file.backends()[0])


def _next_app(trial: Trial) -> App:
    """Each backend app in turn: servers slow down who authenticates wrongly time and again."""
    _app(trial)
    turns = trial.once("backend apps", lambda: cycle(trial.file.backends()))
    return trial.as_app(next(turns))


def _scope(app: App) -> str:
    """What this app may ask for."""
    return app.registered.scopes or "system/*.rs"


def _ask(trial: Trial) -> Answer:
    app = _app(trial)
    return app.token({"grant_type": _GRANT, "scope": _scope(app)})


def _send(trial: Trial, app: App, fields: Mapping[str, str]) -> Answer:
    return trial.wire.post(app.token_endpoint, {"grant_type": _GRANT, "scope": _scope(app), **fields})


def _require_invalid_client(answer: Answer, what: str) -> None:
    expect_refusal(answer, what)
    expect(answer.json().get("error") == "invalid_client", f"invalid_client to {what}", answer.json().get("error"))


_BAD_CLAIMS = (
    ("issuer", "iss is another app", {"iss": "made-up-client"}),
    ("subject", "sub is another app", {"sub": "made-up-client"}),
    ("audience", "aud is another address", {"aud": "https://evil.example/token"}),
    ("no_audience", "aud is missing", {"aud": None}),
    ("expired", "exp is past", {"exp": -120, "iat": -300}),
    ("long", "exp is ten minutes ahead", {"exp": 600}),
    ("no_expiry", "exp is missing", {"exp": None}),
    ("no_jti", "jti is missing", {"jti": None}),
)
_SMART_60 = "SMART-60, 66"
REQUIREMENTS = (
    Requirement("backend.token", "A7, SMART-70", "a right request brings a whole token response", _granted),
    Requirement("backend.short", "SMART-70", "the token lives for five minutes at most", _short),
    Requirement("backend.no_refresh_token", "SMART-71", "there is no refresh token", _no_refresh_token),
    Requirement("backend.grant_type", "A7", "grant_type garbage is refused", _grant_type),
    Requirement("backend.assertion_type", "A7, SMART-61", "client_assertion_type garbage is refused", _assertion_type),
    Requirement("backend.no_scope", "SMART-69", "scope is required", _no_scope),
    Requirement("backend.people_scope", "SMART-73", "patient/ scopes are refused", _people_scope),
    Requirement("backend.secret", "SMART-59, 69", "a secret is not enough", _secret),
    Requirement("backend.replay", "SMART-62", "an assertion works once", _replayed),
    *(Requirement(f"backend.{key}", _SMART_60, f"refused: {words}", _claims(**bad)) for key, words, bad in _BAD_CLAIMS),
    Requirement(
        "backend.unknown_kid", "SMART-64", "refused: a kid that is not registered", _header({"kid": "made-up"})
    ),
    Requirement(
        "backend.jku",
        "SMART-63",
        "refused: a jku that is not registered",
        _header({"jku": "https://evil.example/jwks"}),
    ),
    Requirement("backend.other_key", "SMART-64", "refused: another key of the same name", _other_key),
    Requirement("backend.unsigned", "SMART-64", "refused: alg none", _unsigned),
    Requirement("backend.hmac", "SMART-64", "refused: alg HS256", _public_key_as_secret),
    Requirement("backend.other_id", "SMART-58", "refused: another client_id beside it", _other_id),
)
