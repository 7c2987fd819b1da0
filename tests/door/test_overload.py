"""Who comes while every place is taken is told so at once, in the words that belong to the address."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.accounts import passwords
from service.accounts.models import AttemptCounter
from service.accounts.passwords import HashingBusy
from service.app import create_app
from service.door import overload
from service.door.admission import Lane, Room
from service.door.overload import READ_AHEAD
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.factories import make_account
from tests.member.counting import Statements

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def door_of(app: Flask) -> overload.Door:
    found = app.wsgi_app
    assert isinstance(found, overload.Door), "nothing stands before the door"
    return found


@contextmanager
def taken(*lanes: Lane) -> Iterator[None]:
    """Every place of these lanes is taken, and every place to wait as well."""
    kept = [(lane._room, lane._crowded_room) for lane in lanes]
    for lane in lanes:
        lane._room = lane._crowded_room = Room(0, 0)
    yield
    for lane, rooms in zip(lanes, kept, strict=True):
        lane._room, lane._crowded_room = rooms


def refused(answer: TestResponse) -> TestResponse:
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), answer.text
    assert answer.headers["Cache-Control"] == "no-store" and "Set-Cookie" not in answer.headers
    assert len(answer.data) == int(answer.headers["Content-Length"]) or answer.request.method == "HEAD"
    return answer


def test_programs_and_people_are_told_in_their_own_words(app: Flask, client: FlaskClient) -> None:
    with taken(door_of(app)._places):
        for path in ("/fhir/r4/Patient/one", "/fhir/r4/Patient?name=a", "/directory/fhir/r4/metadata"):
            told = refused(client.get(path))
            assert told.json["issue"][0]["code"] == "transient" and told.headers["Access-Control-Allow-Origin"] == "*"
        told = refused(client.post("/oauth/token", data={"grant_type": "refresh_token"}))
        assert told.json["error"] == "temporarily_unavailable" and "could not" in told.json["error_description"]
        assert told.headers["Access-Control-Allow-Origin"] == "*"
        english, spanish = client.get("/sign-in"), client.get("/sign-in", headers={"Accept-Language": "es-US,en"})
        assert "<h1>We are very busy right now</h1>" in refused(english).text
        assert '<html lang="es"' in refused(spanish).text and "very busy" not in spanish.text
        assert refused(client.head("/sign-in")).data == b""
        assert "very busy" not in refused(client.get("/apps?lang=es")).text
    assert client.get("/sign-in").status_code == 200


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/fhir/r4/Patient?name=a", "GET"), ("/fhir/r4/Patient/_search", "POST"), ("/fhir/r4/bulk/x", "DELETE"),
        ("/oauth/token", "POST"), ("/directory/fhir/r4/Organization", "GET"), ("/plan/fhir/r4/Patient", "POST"),
    ],
)  # fmt: skip
def test_a_preflight_is_answered_in_a_full_house_so_that_the_refusal_can_be_read(
    app: Flask, client: FlaskClient, path: str, asked: str
) -> None:
    door = door_of(app)
    with taken(door._places, door._heavy_places, door._bodies, door._long_bodies):
        told = client.options(path, headers={"Origin": "https://app.example", "Access-Control-Request-Method": asked})
        assert told.status_code in {200, 204} and asked in told.headers["Access-Control-Allow-Methods"]
        assert told.headers["Access-Control-Allow-Origin"] == "*"
        answer = refused(client.open(path, method=asked))
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        with taken(door._questions):
            assert refused(client.options(path))
        assert refused(client.options("/sign-in")), "pages have no apps of other origins"


def test_apps_in_browsers_can_read_that_a_discovery_document_comes_later(app: Flask, client: FlaskClient) -> None:
    paths = (
        "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/user-access-brands.json",
        "/fhir/r4/.well-known/smart-configuration",
    )  # fmt: skip
    with taken(door_of(app)._places):
        for path in paths:
            answer = refused(client.get(path))
            assert answer.is_json and answer.headers["Access-Control-Allow-Origin"] == "*", path
            assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert [client.get(path).status_code for path in paths] == [200] * 4


def test_the_first_refusal_of_each_kind_asks_no_database(app: Flask, client: FlaskClient) -> None:
    counted = Statements(app.extensions["latchstring"].engine)
    with taken(door_of(app)._places):
        for path in ("/sign-in", "/sign-in?lang=es", "/fhir/r4/Patient/one", "/oauth/token"):
            assert refused(client.get(path))
        # Which apps are watched in a trial is the sandbox's question alone.
        assert [one for one in counted.said if "app_trial" not in one] == []
    assert client.get("/sign-in").status_code == 200 and counted.said, "a page that is let in asks it"


def test_each_page_of_refusal_has_a_reference_of_its_own(app: Flask, client: FlaskClient) -> None:
    with taken(door_of(app)._places):
        first, second = client.get("/sign-in"), client.get("/sign-in")
        own = client.get("/sign-in", headers={"X-Request-Id": "mine.7"})
    for answer in (first, second, own):
        assert f"<code>{answer.headers['X-Request-Id']}</code>" in answer.text
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"] and "<code>mine.7</code>" in own.text
    assert refused(own)


def test_made_up_methods_make_no_further_words(app: Flask, client: FlaskClient) -> None:
    door = door_of(app)
    with taken(door._places):
        for number in range(5):
            assert refused(client.open("/fhir/r4/Patient/one", method=f"GUESS{number}")).json["issue"]
            assert refused(client.open("/oauth/token", method=f"GUESS{number}")).json["error"]
    assert len(door._words._kept) == 2


def test_the_probes_are_let_in_whatever_waits(app: Flask, client: FlaskClient) -> None:
    door = door_of(app)
    with taken(door._places, door._heavy_places, door._bodies, door._long_bodies):
        # The tests' tables are not those of the newest migration: what counts is that it is asked for.
        told = [client.get(path).json["status"] for path in ("/health/live", "/health/ready")]
        assert told == ["alive", "not ready"]


def test_who_is_told_to_come_again_is_counted(settings: Settings, app: Flask) -> None:
    counted = create_app(replace(settings, metrics_token="m" * 32, processes=1, address_pages_per_minute=1))
    client = counted.test_client()
    with taken(door_of(counted)._places):
        assert [client.get(path).status_code for path in ("/fhir/r4/Patient/x", "/help")] == [503, 503]
    assert [client.get("/help").status_code for _ in range(2)] == [200, 429]
    told = client.get("/metrics", headers={"Authorization": "Bearer " + "m" * 32}).text
    for line in ('area="fhir",status="503"} 1', 'area="pages",status="503"} 1', 'area="pages",status="429"} 1'):
        assert f"latchstring_refused_total{{{line}" in told


def test_heavy_requests_never_take_every_place(app: Flask, client: FlaskClient) -> None:
    heavy = (
        "/fhir/r4/ExplanationOfBenefit?patient=x", "/fhir/r4/Patient/x/$everything", "/fhir/r4/Patient/$export",
        "/fhir/r4/bulk/x/y.ndjson", "/my-information/record.pdf", "/my-information/record.json",
        "/apps/answers/00000000-0000-0000-0000-000000000000/receipt.pdf", "/directory/fhir/r4/Organization",
    )  # fmt: skip
    light = ("/fhir/r4/Patient/x", "/fhir/r4/metadata", "/sign-in", "/fhir/r4/Patient/x/_history/1")
    with taken(door_of(app)._heavy_places):
        assert {path: client.get(path).status_code for path in heavy} == dict.fromkeys(heavy, 503)
        # The router takes several slashes before a path for one.
        doubled = client.get("/", environ_overrides={"PATH_INFO": "//fhir/r4/ExplanationOfBenefit"})
        assert refused(doubled).json["resourceType"] == "OperationOutcome"
        assert client.post("/fhir/r4/Patient/_search", data={"name": "x"}).status_code == 503
        assert client.post("/fhir/r4", json={}).status_code == 503
        assert all(client.get(path).status_code in {200, 401} for path in light)


def test_bodies_on_their_way_in_hold_no_place_and_are_counted_apart(app: Flask, client: FlaskClient) -> None:
    door = door_of(app)
    with taken(door._bodies):
        assert refused(client.post("/oauth/token", data={"grant_type": "x"}))
        assert client.get("/sign-in").status_code == 200
    with taken(door._long_bodies):
        assert refused(client.post("/oauth/token", data=b"x" * 70_000))
        assert client.post("/oauth/token", data={"grant_type": "x"}).status_code == 400
    # Too long for anybody: 413 as ever, and no more is read of it.
    form = "application/x-www-form-urlencoded"
    assert client.post("/oauth/token", data=b"x" * 70_000, content_type=form).status_code == 413
    assert client.post("/oauth/token", headers={"Content-Length": "many"}).status_code == 400


def test_where_no_hash_may_wait_nothing_is_counted(app: Flask, session: Session) -> None:
    name = make_account(session).username
    session.commit()
    visitor = Visitor(app)
    visitor.get("/sign-in")
    held = 0
    while passwords._places.take():
        held += 1
    try:
        answer = visitor.sign_in(name)
        with pytest.raises(HashingBusy):
            passwords.make_hash("Harbor-lights-42!")
    finally:
        for _ in range(held):
            passwords._places.leave()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "very busy" in answer.text and session.scalars(select(AttemptCounter)).all() == []
    session.rollback()
    assert visitor.sign_in(name).status_code == 303


def limited(settings: Settings, **limits: int) -> Flask:
    return create_app(replace(settings, processes=2, **limits))


def test_pages_of_one_address_and_of_one_account_have_a_limit(settings: Settings, app: Flask, session: Session) -> None:
    account = make_account(session)
    session.commit()
    stranger = Visitor(limited(settings, address_pages_per_minute=4))
    answers = [stranger.get("/help") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "<h1>Please wait a minute</h1>" in answers[2].text and int(answers[2].headers["Retry-After"]) > 0
    assert '<a href="">Try again</a>' in answers[2].text
    spanish = stranger.browser.get("/help?lang=es", environ_base={"REMOTE_ADDR": stranger.address})
    assert spanish.status_code == 429 and "<h1>Espere un minuto" in spanish.text
    assert stranger.get("/static/none.css").status_code == 404
    assert replace(stranger, address="198.51.100.4").get("/help").status_code == 200
    person = Visitor(limited(settings, account_pages_per_minute=4))
    assert person.sign_in(account).status_code == 303
    assert [person.get("/settings").status_code for _ in range(3)] == [200, 200, 429]
    assert person.get("/help").status_code == 200, "what needs nobody signed in is not counted for them"


@pytest.mark.parametrize("path", ["/fhir/r4x", "/fhir/r4%00", "/directory/fhir/r4metadata", "/fhir/r4%0d%0aX: y"])
def test_what_stands_beside_a_base_is_not_there(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {400, 404} and answer.json["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("size", [0, 1_000, READ_AHEAD, READ_AHEAD + 1, 1_000_000])
def test_a_body_in_pieces_is_read_whole_before_it_takes_a_place(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    door, seen = door_of(app), []
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", 2_000_000)

    @app.before_request
    def keep() -> None:
        seen.append((request.content_length, request.get_data(), door._places._working, door._long_bodies._working))

    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    client.get("/oauth/jwks", environ_overrides=in_pieces(body))

    assert seen == [(size, body, 1, int(size > READ_AHEAD))]
    assert (door._places._working, door._bodies._working, door._long_bodies._working) == (0, 0, 0)
    with taken(door._bodies):
        assert refused(client.get("/oauth/jwks", environ_overrides=in_pieces(body)))
    with taken(door._long_bodies):
        answer = client.get("/oauth/jwks", environ_overrides=in_pieces(body))
        assert answer.status_code == (503 if size > READ_AHEAD else 200)
    assert door._bodies._working == 0


def test_of_a_body_in_pieces_that_is_too_long_nothing_is_taken(client: FlaskClient) -> None:
    form = b"grant_type=refresh_token&refresh_token=" + b"x" * 70_000
    for path in ("/oauth/token", "/fhir/r4/Patient/_search"):
        given = in_pieces(form) | {"CONTENT_TYPE": "application/x-www-form-urlencoded"}
        assert client.post(path, environ_overrides=given).status_code == 413, path


def in_pieces(body: bytes) -> dict[str, object]:
    """What a server says of a request with this body and without a length."""
    return {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
