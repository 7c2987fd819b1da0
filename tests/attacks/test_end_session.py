"""Case 66 of security.md: an app asks to sign a person out (OpenID Connect RP-Initiated Logout)."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.test import TestResponse

from oauth.apps import reviews
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.member.pages import Reader
from tests.oauth.desk import App, Desk

AFTER = "https://app.example.org/bye"


@pytest.fixture
def diary(desk: Desk) -> App:
    return desk.register(post_logout_redirect_uris=[AFTER, f"{AFTER}?x=1"])


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def end(reader: Reader, **given: str) -> TestResponse:
    """The person's browser is sent to sign out."""
    return reader.browser.get("/oauth/end-session", query_string=given)


def is_signed_in(reader: Reader) -> bool:
    """Whether the person's pages still open."""
    return reader.get("/settings").status_code == 200


def forged(claims: dict[str, Any]) -> list[str]:
    """The claims under other signatures."""
    key = RSAKey.generate_key(2048)
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return [jwt.encode({"alg": "RS256"}, claims, key, ["RS256"]), f"{none}.{body}."]


def unreadable() -> list[str]:
    """Hints whose headers no reader of tokens foresees."""
    heads = ({"crit": [{}]}, {"crit": [["b64"]], "kid": []}, {"kid": {}}, {"typ": 1, "b64": {}})
    bodies = [json.dumps({"alg": "RS256"} | head).encode() for head in heads]
    bodies += [b"[]", b"null", b'{"alg":' + b"[" * 990 + b"]" * 990 + b"}"]
    return [f"{base64.urlsafe_b64encode(body).decode().rstrip('=')}.e30.AAAA" for body in bodies]


def claims_in(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return told


def test_a_good_hint_signs_out_and_returns(desk: Desk, diary: App, rosa: Reader) -> None:
    hint = desk.connect(diary)["id_token"]
    answer = end(rosa, id_token_hint=hint, post_logout_redirect_uri=AFTER, state="a b&c", client_id=diary.id)
    assert answer.status_code == 303 and answer.location == f"{AFTER}?state=a%20b%26c"
    assert not is_signed_in(rosa)
    assert end(rosa, id_token_hint=hint, post_logout_redirect_uri=f"{AFTER}?x=1").location == f"{AFTER}?x=1"
    again = Reader(desk, desk.account)
    assert end(again, id_token_hint=hint).location == "/"
    assert not is_signed_in(again)


def test_by_post_the_cookie_is_asked_for_by_a_get(desk: Desk, diary: App, rosa: Reader) -> None:
    form = {"id_token_hint": desk.connect(diary)["id_token"], "post_logout_redirect_uri": AFTER, "evil": "x"}
    sent = desk.app.test_client().post("/oauth/end-session", data=form, headers={"Origin": "https://app.example.org"})
    assert sent.status_code == 303 and set(parse_qs(urlsplit(sent.location).query)) == {"posted"}
    assert rosa.get(sent.location).location == AFTER
    assert not is_signed_in(rosa)


def test_case_033_what_is_posted_leaves_no_token_in_an_address(
    desk: Desk, diary: App, rosa: Reader, clock: MovableClock
) -> None:
    hint = desk.connect(diary)["id_token"]
    good = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER, "state": "s"}

    def post(form: dict[str, str]) -> str:
        sent = desk.app.test_client().post("/oauth/end-session", data=form)
        assert sent.status_code == 303 and hint not in sent.location and hint.split(".")[1] not in sent.location
        return sent.location

    for form in (good | {"post_logout_redirect_uri": "https://evil.example"}, {"id_token_hint": "x.y.z"}, {}):
        assert post(form) == "/oauth/end-session", form
    altered = post(good)
    for address in (altered[:-3] + "AAA", "/oauth/end-session?posted=x", "/oauth/end-session?posted=%C3%A9"):
        assert "Sign out?" in rosa.get(address).text and is_signed_in(rosa), address
    # A form cannot bring what only we seal: it would be looked at by nobody.
    brought = parse_qs(urlsplit(altered).query)["posted"][0]
    assert post({"posted": brought}) == "/oauth/end-session"
    clock.advance(61)
    assert "Sign out?" in rosa.get(altered).text and is_signed_in(rosa), "a minute is over"
    assert rosa.get(post(good)).location == f"{AFTER}?state=s" and not is_signed_in(rosa)


def test_case_066_whatever_is_not_believed_is_asked_on_our_page(
    desk: Desk, diary: App, rosa: Reader, clock: MovableClock
) -> None:
    hint = desk.connect(diary)["id_token"]
    suspended = desk.register(post_logout_redirect_uris=[AFTER])
    with desk.session() as session:
        pauls = make_member(session)
        other = make_account(session, member=pauls)
    of_another = desk.connect(diary, account=other, member=pauls)["id_token"]
    of_suspended = desk.connect(suspended)["id_token"]
    with desk.session() as session:
        reviews.suspend(session, suspended.id, reason="test", settings=desk.settings)
    good = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER, "state": "s"}
    attacks: list[dict[str, str]] = [
        {}, {"post_logout_redirect_uri": AFTER}, {"post_logout_redirect_uri": AFTER, "client_id": diary.id},
        good | {"id_token_hint": of_another}, good | {"id_token_hint": of_suspended}, good | {"id_token_hint": "x.y.z"},
        good | {"id_token_hint": desk.connect(diary)["access_token"]}, good | {"client_id": suspended.id},
        *(good | {"post_logout_redirect_uri": uri} for uri in (
            f"{AFTER}/", f"{AFTER}?x=2", "https://evil.example/bye", "//evil.example", AFTER.upper(), f"{AFTER}#x",
            "javascript:alert(1)", "https://app.example.org/callback",
        )),
        *(good | {"id_token_hint": token} for token in (*forged(claims_in(hint)), *unreadable())),
    ]  # fmt: skip
    for given in attacks:
        answer = end(rosa, **given)
        assert answer.status_code == 200 and "Location" not in answer.headers, given
        assert "Sign out?" in answer.text and answer.headers["X-Frame-Options"] == "DENY"
        assert "Access-Control-Allow-Origin" not in answer.headers
        # The link to the same page in another language repeats the address as it came, as a value.
        assert 'href="https://evil' not in answer.text and 'href="//evil' not in answer.text
        assert 'href="javascript' not in answer.text and f'href="{AFTER}' not in answer.text
        assert is_signed_in(rosa), given
    doubled = rosa.browser.get(f"/oauth/end-session?id_token_hint={hint}&id_token_hint={hint}")
    assert doubled.status_code == 200 and is_signed_in(rosa)
    clock.advance(14 * 60)
    assert is_signed_in(rosa)
    clock.advance(2 * 60)
    assert "Sign out?" in end(rosa, **good).text, "the hint is over"
    assert is_signed_in(rosa)


def test_case_066_the_person_may_say_yes_or_be_signed_out_already(desk: Desk, rosa: Reader) -> None:
    page = end(rosa)
    main = page.text.split("<main")[1].split("</main>")[0]
    inside = [form for form in main.split("<form")[1:] if "/sign-out" in form]
    assert len(inside) == 1 and "Stay signed in" in page.text
    token = inside[0].split('name="csrf_token" value="')[1].split('"')[0]
    assert rosa.browser.post("/sign-out", data={"csrf_token": token}).location == "/"
    assert not is_signed_in(rosa)
    assert "You are signed out" in end(rosa).text
