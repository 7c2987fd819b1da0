"""Case 45 of security.md: the key sets of apps, given in person or fetched from an address."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from sqlalchemy import select

from oauth.apps import registration, reviews
from oauth.apps.clients import ClientRefused
from oauth.apps.registration import Registration
from oauth.models import Client, FetchedKeySet
from tests.attacks.test_client_assertions import is_out
from tests.conftest import MovableClock
from tests.oauth.desk import Desk
from tests.oauth.keyed import (
    Pair,
    Program,
    drip,
    ec,
    flood,
    key_server,
    redirect_to,
    register_keyed,
    rsa,
)


@pytest.mark.parametrize(
    "answer", [flood, drip, redirect_to("http://127.0.0.1/keys"), redirect_to("https://keys.example/keys")]
)
def test_case_045_what_misbehaves_is_refused_in_time(desk: Desk, answer: Callable[..., None]) -> None:
    with key_server() as server:
        server.answer = answer
        begun = time.monotonic()
        with pytest.raises(ClientRefused):
            register_keyed(desk, jwks_uri=server.url)
        assert time.monotonic() - begun < 4
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "jwks",
    [
        {}, [], {"keys": []}, {"keys": {}}, {"keys": ["x"]}, {"keys": [{}]},
        {"keys": [ec().public, ec().public]}, {"keys": [ec().public, {**ec().public, "use": "enc"}]},
        {"keys": [ec().public, ec("p256", "P-256", "ES256").key.as_dict(private=True)]},
        {"keys": [ec().public, {"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]},
        {"keys": [{**ec().public, "kid": None}]}, {"keys": [{**ec().public, "kid": ""}]},
        {"keys": [ec().key.as_dict(private=True)]}, {"keys": [rsa().key.as_dict(private=True)]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}]},
        rsa("small", 1024).jwks, ec("p256", "P-256", "ES256").jwks, ec("p521", "P-521", "ES512").jwks,
        {"keys": [{**ec().public, "alg": "ES256"}]}, {"keys": [{**rsa().public, "alg": "RS256"}]},
        {"keys": [{**ec().public, "use": "enc"}]}, {"keys": [{**ec().public, "x": "AAAA"}]},
        {"keys": [{**rsa().public, "n": 7}]}, {"keys": [{**rsa().public, "n": "%"}]},
        {"keys": [{**ec().public, "kid": str(number)} for number in range(11)]},
    ],
)  # fmt: skip
def test_case_045_bad_keys_are_refused_in_person_and_at_their_address(desk: Desk, jwks: Any) -> None:
    with pytest.raises(ClientRefused):
        register_keyed(desk, jwks=jwks)
    with key_server() as server:
        server.jwks = jwks
        with pytest.raises(ClientRefused):
            register_keyed(desk, jwks_uri=server.url)


def encrypting(kid: str = "enc") -> dict[str, Any]:
    return {**rsa(kid).public, "use": "enc", "alg": "RSA-OAEP"}


@pytest.mark.parametrize(
    "foreign",
    [
        encrypting(), encrypting("ec-1"), ec("p256", "P-256", "ES256").public, {**ec("es").public, "alg": "ES512"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "ed"},
        {"kty": "made-up"}, {**ec("nameless").public, "kid": None}, rsa("small", 1024).public,
        {**ec("broken").public, "x": "AAAA"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_a_key_that_is_not_for_us_is_passed_over(desk: Desk, foreign: dict[str, Any], *, first: bool) -> None:
    pair = ec()
    jwks = {"keys": [foreign, pair.public] if first else [pair.public, foreign]}
    with key_server() as server:
        server.jwks = jwks
        for program in (register_keyed(desk, jwks=jwks), register_keyed(desk, jwks_uri=server.url)):
            assert program.knock().status_code == 200
    with desk.session() as session:
        kept = [session.get_one(Client, program.id).jwks, *session.scalars(select(FetchedKeySet.jwks))]
        assert [one for one in kept if one] == [pair.jwks], "what counts is all that is kept"


def test_a_key_that_joins_a_set_later_shuts_nobody_out(desk: Desk, clock: MovableClock) -> None:
    with key_server() as server:
        program = register_keyed(desk, jwks_uri=server.url)
        server.jwks = {"keys": [encrypting(), program.pair.public]}
        clock.advance(301)
        assert program.knock().status_code == 200 and len(server.asked) == 2
        server.jwks = {"keys": [encrypting()]}
        clock.advance(301)
        assert is_out(program.knock()), "none is left that it could prove itself by"


def test_keys_of_two_kinds_may_share_a_kid_and_each_signs_for_itself(desk: Desk) -> None:
    pairs = ec("shared"), rsa("shared")
    program = register_keyed(desk, pairs[0], jwks={"keys": [pair.public for pair in pairs]})
    for pair in pairs:
        assert Program(desk, program.app, pair).knock().status_code == 200


def test_keys_are_given_in_one_way_and_by_those_only_who_use_them(desk: Desk) -> None:
    with key_server() as server:
        for given in ({"jwks": None}, {"jwks": ec().jwks, "jwks_uri": server.url}):
            with pytest.raises(ClientRefused):
                register_keyed(desk, **given)
        for keys in ({"jwks": ec().jwks}, {"jwks_uri": server.url}):
            with pytest.raises(ClientRefused):
                desk.register(**keys)
            with pytest.raises(ClientRefused):
                desk.register_confidential(**keys)
        assert not server.asked
    assert Registration(name="x", developer_name="y").jwks is None


def test_case_045_a_key_set_is_fetched_as_asked_and_kept(desk: Desk, clock: MovableClock) -> None:
    with key_server() as server:
        program = register_keyed(desk, jwks_uri=server.url)
        for _ in range(3):
            assert program.knock().status_code == 200
        ((path, headers),) = server.asked
        assert path == "/keys" and headers["Accept"] == "application/json" and "Cookie" not in headers
        clock.advance(290)
        assert program.knock().status_code == 200 and len(server.asked) == 1
        clock.advance(20)
        assert program.knock().status_code == 200 and len(server.asked) == 2
        assert program.knock(program.pair.sign(program.claims(), jku=server.url)).status_code == 200
        assert is_out(program.knock(program.pair.sign(program.claims(), jku=server.url + "?")))
        assert is_out(program.knock(program.pair.sign(program.claims(), jku=[server.url])))
        assert {path for path, _ in server.asked} == {"/keys"}


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("max-age=60", 60), ("public, max-age=3600", 300), ("no-store", 0), ("max-age=0", 0), ("max-age=x", 300)],
)
def test_case_045_it_is_kept_no_longer_than_its_server_allows(
    desk: Desk, clock: MovableClock, told: str, seconds: int
) -> None:
    with key_server() as server:
        server.cache_control = told
        program = register_keyed(desk, jwks_uri=server.url)
        if seconds:
            clock.advance(seconds - 10)
            assert program.knock().status_code == 200 and len(server.asked) == 1
            clock.advance(11)
        assert program.knock().status_code == 200 and len(server.asked) == 2


def test_case_045_a_key_that_is_taken_out_is_refused_within_five_minutes(desk: Desk, clock: MovableClock) -> None:
    with key_server() as server:
        program = register_keyed(desk, jwks_uri=server.url)
        fresh = ec("fresh")
        server.jwks = fresh.jwks
        clock.advance(301)
        assert is_out(program.knock())
        assert Program(desk, program.app, fresh).knock().status_code == 200


def test_a_new_key_is_found_at_once_and_junk_asks_its_server_twice_a_minute_at_most(
    desk: Desk, clock: MovableClock
) -> None:
    with key_server() as server:
        program = register_keyed(desk, jwks_uri=server.url)
        clock.advance(31)
        fresh: Pair = ec("fresh")
        server.jwks = {"keys": [program.pair.public, fresh.public]}
        rotated = Program(desk, program.app, fresh)
        assert rotated.knock().status_code == 200 and len(server.asked) == 2
        for _ in range(5):
            assert is_out(program.knock(ec("junk").sign(program.claims())))
        assert len(server.asked) == 2
        clock.advance(31)
        for _ in range(3):
            assert is_out(program.knock(ec("junk").sign(program.claims())))
        assert len(server.asked) == 3
        assert program.knock().status_code == 200


def test_a_server_of_keys_that_fails_is_left_alone_for_a_while_and_heals(desk: Desk, clock: MovableClock) -> None:
    with key_server() as server:
        program = register_keyed(desk, jwks_uri=server.url)
        clock.advance(301)
        server.jwks = {"keys": "none"}
        assert is_out(program.knock()) and is_out(program.knock())
        assert len(server.asked) == 2, "registration, and one try"
        server.jwks = program.pair.jwks
        clock.advance(31)
        assert program.knock().status_code == 200
        clock.advance(-7200)
        assert program.knock().status_code == 200, "a clock set back trusts nothing that was read later"
        assert len(server.asked) == 4


def test_keys_replaced_while_their_server_answers_are_not_kept(desk: Desk, clock: MovableClock) -> None:
    new = ec("new")
    with key_server() as old_server, key_server(new) as new_server:
        program = register_keyed(desk, jwks_uri=old_server.url)
        clock.advance(301)

        def replace_meanwhile(request: BaseHTTPRequestHandler) -> None:
            old_server.answer = None
            with desk.session() as session:
                registration.replace_keys(
                    session, program.id, jwks=None, jwks_uri=new_server.url, settings=desk.settings
                )  # fmt: skip
            old_server.reply(request)

        old_server.answer = replace_meanwhile
        assert is_out(program.knock()), "the keys that its server tells are its own no more"
        assert is_out(program.knock())
        assert Program(desk, program.app, new).knock().status_code == 200


def test_nothing_is_fetched_for_whoever_is_refused_anyway(desk: Desk, clock: MovableClock) -> None:
    with key_server() as server:
        program = register_keyed(desk, jwks_uri=server.url)
        with desk.session() as session:
            reviews.suspend(session, program.id, reason="test", settings=desk.settings)
        clock.advance(301)
        assert is_out(program.knock())
        assert len(server.asked) == 1
