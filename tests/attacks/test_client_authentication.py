"""Cases 36 to 46 of security.md: how apps prove themselves."""

import base64
from datetime import timedelta
from urllib.parse import quote_plus

from werkzeug.test import TestResponse

from oauth.apps import clients, reviews
from oauth.apps.clients import AuthMethod
from tests.attacks.test_token_endpoint import is_refused
from tests.conftest import MovableClock
from tests.oauth.desk import App, Desk

GRANT = {"grant_type": "authorization_code", "code": "c", "redirect_uri": "https://x", "code_verifier": "v" * 43}
ENDPOINTS = ("/oauth/token", "/oauth/revoke", "/oauth/introspect")


def post(
    desk: Desk, form: dict[str, str], header: bytes | str | None = None, path: str = "/oauth/token"
) -> TestResponse:
    """A request with an Authorization header as raw as it is given."""
    value = header.decode("latin-1") if isinstance(header, bytes) else header
    headers = {} if value is None else {"Authorization": value}
    return desk.app.test_client().post(path, data=form, headers=headers)


def encoded(pair: str | bytes) -> str:
    """A Basic header of this pair."""
    return "Basic " + base64.b64encode(pair if isinstance(pair, bytes) else pair.encode()).decode()


def test_case_036_every_failure_looks_the_same(desk: Desk) -> None:
    basic, public = desk.register_confidential(), desk.register()
    disabled = desk.register_confidential()
    with desk.session() as session:
        reviews.suspend(session, disabled.id, reason="test", settings=desk.settings)
    by_post = desk.register_confidential(AuthMethod.POST)
    by_header = [
        post(desk, GRANT, encoded(pair))
        for pair in (
            f"{basic.id}:wrong",
            "nobody:wrong",
            f"{disabled.id}:{disabled.secret}",
            f"{public.id}:x",
            f"{public.id}:",
        )
    ]
    in_body = [
        post(desk, GRANT | {"client_id": client_id, "client_secret": secret})
        for client_id, secret in ((by_post.id, "wrong"), ("nobody", "wrong"), (public.id, "x"))
    ] + [post(desk, GRANT | {"client_id": "nobody"}), post(desk, GRANT)]
    assert all(is_refused(answer, "invalid_client", 401) for answer in [*by_header, *in_body])
    assert len({answer.text for answer in [*by_header, *in_body]}) == 1
    assert all(answer.headers["WWW-Authenticate"].startswith("Basic realm=") for answer in by_header)
    assert not any("WWW-Authenticate" in answer.headers for answer in in_body)


def test_case_037_unreadable_credentials_are_401(desk: Desk) -> None:
    app = desk.register_confidential()
    for header in (
        encoded(f"{app.id}:gehëim"), encoded(app.id.encode() + b":\xff\xfe"), encoded(app.id), "Basic !!!!", "Basic",
        "Basic ", "Basic " + "A" * 10_000, encoded(f"{app.id}:%ff%fe"), encoded(":"), "Bearer x", "Negotiate x",
        b"\xff", encoded(f"{app.id}:\0"), encoded("\ud800".encode("utf-8", "surrogatepass") + b":x"), "",
    ):  # fmt: skip
        assert is_refused(post(desk, GRANT, header), "invalid_client", 401), header
    for secret in ("gehëim", "x" * 15_000, "\U0001f600"):
        by_post = desk.register_confidential(AuthMethod.POST)
        answer = post(desk, GRANT | {"client_id": by_post.id, "client_secret": secret})
        assert is_refused(answer, "invalid_client", 401)


def test_case_038_two_methods_at_once_are_refused(desk: Desk) -> None:
    app = desk.register_confidential()
    assertion = {
        "client_assertion": "x", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }  # fmt: skip
    for path in ENDPOINTS:
        for extra in ({"client_secret": app.secret or ""}, assertion):
            answer = post(desk, GRANT | {"token": "t"} | extra, app.basic()["Authorization"], path)
            assert is_refused(answer, "invalid_request"), path
        both = GRANT | {"token": "t", "client_id": app.id, "client_secret": app.secret or ""} | assertion
        assert is_refused(post(desk, both, None, path), "invalid_request")
        assert is_refused(
            post(desk, GRANT | {"token": "t", "client_id": app.id} | assertion, None, path), "invalid_client", 401
        )


def test_case_039_only_the_registered_method_at_every_endpoint(desk: Desk) -> None:
    basic, by_post = desk.register_confidential(), desk.register_confidential(AuthMethod.POST)
    public = desk.register()
    token = {"token": "t"}
    for path in ENDPOINTS:
        form = GRANT | token
        in_body = form | {"client_id": basic.id, "client_secret": basic.secret or ""}
        assert is_refused(post(desk, in_body, None, path), "invalid_client", 401)
        assert is_refused(post(desk, form, by_post.basic()["Authorization"], path), "invalid_client", 401)
        for app in (basic, by_post):
            assert is_refused(post(desk, form | {"client_id": app.id}, None, path), "invalid_client", 401)
    assert is_refused(
        post(desk, {"token": "t", "client_id": public.id}, None, "/oauth/introspect"), "invalid_client", 401
    )


def test_a_body_client_id_must_be_that_of_the_header(desk: Desk) -> None:
    app, other = desk.register_confidential(), desk.register_confidential()
    code = desk.agree(app)
    assert is_refused(desk.token(code.form(client_id=other.id), app), "invalid_client", 401)
    assert desk.token(code.form(), app).status_code == 200


def test_basic_halves_are_form_decoded(desk: Desk) -> None:
    app = desk.register_confidential(client_secret="a:b+c%d é")
    header = encoded(f"{app.id}:{quote_plus('a:b+c%d é')}")
    assert is_refused(post(desk, GRANT, header), "invalid_grant")


def test_case_041_secrets_expire_and_rotate_with_an_overlap(desk: Desk, clock: MovableClock) -> None:
    short = desk.register_confidential(secret_lifetime=timedelta(hours=1))
    app = desk.register_confidential()
    with desk.session() as session:
        fresh = clients.rotate_secret(session, app.id, overlap=timedelta(hours=2))
    rotated = App(app.view, fresh)
    for header in (app.basic(), rotated.basic(), short.basic()):
        assert is_refused(post(desk, GRANT, header["Authorization"]), "invalid_grant")
    clock.advance(3600)
    assert is_refused(post(desk, GRANT, short.basic()["Authorization"]), "invalid_client", 401)
    clock.advance(3600)
    assert is_refused(post(desk, GRANT, app.basic()["Authorization"]), "invalid_client", 401)
    assert is_refused(post(desk, GRANT, rotated.basic()["Authorization"]), "invalid_grant")


def test_case_046_guessing_ends_and_locks_nobody_out(desk: Desk, clock: MovableClock) -> None:
    app = desk.register_confidential()
    wrong = [post(desk, GRANT, app.basic("wrong")["Authorization"]).status_code for _ in range(12)]
    assert wrong == [401] * 10 + [429] * 2
    locked = post(desk, GRANT, app.basic()["Authorization"])
    assert locked.status_code == 429 and int(locked.headers["Retry-After"]) > 0
    elsewhere = desk.app.test_client().post(
        "/oauth/token", data=GRANT, headers=app.basic(), environ_base={"REMOTE_ADDR": "203.0.113.9"}
    )
    assert is_refused(elsewhere, "invalid_grant")
    other = desk.register_confidential()
    assert is_refused(post(desk, GRANT, other.basic()["Authorization"]), "invalid_grant")
    clock.advance(301)
    assert is_refused(post(desk, GRANT, app.basic()["Authorization"]), "invalid_grant")
