"""Who comes while every place is taken is told so at once, in the words that belong to the address."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.accounts import passwords
from service.accounts.models import AttemptCounter
from service.accounts.passwords import HashingBusy
from service.app import create_app
from service.door import overload
from service.door.admission import Lane
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.factories import make_account

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def door_of(app: Flask) -> overload.Door:
    found = app.wsgi_app
    assert isinstance(found, overload.Door), "nothing stands before the door"
    return found


@contextmanager
def taken(*lanes: Lane) -> Iterator[None]:
    """Every place of these lanes is taken, and every place to wait as well."""
    kept = [(lane._free, lane._most_waiting) for lane in lanes]
    for lane in lanes:
        lane._free = lane._most_waiting = 0
    yield
    for lane, (free, most) in zip(lanes, kept, strict=True):
        lane._free, lane._most_waiting = free, most


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
        "/apps/00000000-0000-0000-0000-000000000000/receipt.pdf", "/directory/fhir/r4/Organization",
    )  # fmt: skip
    light = ("/fhir/r4/Patient/x", "/fhir/r4/metadata", "/sign-in", "/fhir/r4/Patient/x/_history/1")
    with taken(door_of(app)._heavy_places):
        assert {path: client.get(path).status_code for path in heavy} == dict.fromkeys(heavy, 503)
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
    while passwords._places.acquire(blocking=False):
        held += 1
    try:
        answer = visitor.sign_in(name)
        with pytest.raises(HashingBusy):
            passwords.make_hash("Harbor-lights-42!")
    finally:
        passwords._places.release(held)
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
    spanish = stranger.browser.get("/help?lang=es", environ_base={"REMOTE_ADDR": stranger.address})
    assert spanish.status_code == 429 and "<h1>Espere un minuto" in spanish.text
    assert stranger.get("/static/none.css").status_code == 404
    assert replace(stranger, address="198.51.100.4").get("/help").status_code == 200
    person = Visitor(limited(settings, account_pages_per_minute=4))
    assert person.sign_in(account).status_code == 303
    assert [person.get("/settings").status_code for _ in range(3)] == [200, 200, 429]
    assert person.get("/help").status_code == 200, "what needs nobody signed in is not counted for them"
