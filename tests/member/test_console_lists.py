"""The console lists every app, however many there were, page by page, those that stand first; no page is too heavy."""

import csv
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from sqlalchemy import insert

from consent.models import Answer, ConsentDecision, EndedBy, Grant, GrantStatus
from service.clock import now
from service.db import Base, new_id
from tests.fhir.conftest import bundle
from tests.member.console import Connected, connected
from tests.member.pages import Reader
from tests.member.weights import MOST_BYTES, weight_of
from tests.oauth.desk import Desk

_CARD = re.compile(r'href="/apps/([0-9a-f-]{36})/activity"')
_NEXT = re.compile(r'href="(/apps\?page=\d+)" rel="next"')


@pytest.fixture
def diary(desk: Desk) -> Connected:
    return connected(desk, scope="openid offline_access patient/*.rs")


def _copies(row: Base, number: int, **changed: Any) -> list[dict[str, Any]]:
    as_it_is = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return [as_it_is | {"id": new_id()} | changed for _ in range(number)]


def let_in_for_once(desk: Desk, diary: Connected, number: int) -> list[str]:
    """As if the person had let in the app so often since, each time for once; the ids of the grants."""
    at = now() + timedelta(seconds=1)
    over = {"status": GrantStatus.EXPIRED, "ended_by": EndedBy.TIME, "ended_at": at, "expires_at": at, "created_at": at}
    rows = _copies(diary.grant, number, **over)
    with desk.session() as session:
        session.execute(insert(Grant), rows)
    return [row["id"] for row in rows]


def refuse(desk: Desk, diary: Connected, number: int) -> list[str]:
    """As if the person had said no so often; the ids of the answers."""
    words = {"app": "Pill Diary", "developer": "Example Apps Inc.", "decider": "Maria Alvarez", "language": "en"}
    with desk.session() as session:
        decision = session.get_one(Grant, diary.grant.id).decision
        rows = _copies(decision, number, answer=Answer.DENY, words=words)
        session.execute(insert(ConsentDecision), rows)
    return [row["id"] for row in rows]


def pages_of(reader: Reader, path: str = "/apps") -> list[str]:
    """The console's pages, from the first on, by the links of each to the next."""
    found = [reader.get(path).text]
    while following := _NEXT.search(found[-1]):
        found.append(reader.get(following[1]).text)
    return found


def test_no_number_of_former_apps_hides_one_that_stands(desk: Desk, diary: Connected) -> None:
    let_in_for_once(desk, diary, 501)

    page = diary.reader.get("/apps").text

    assert _CARD.findall(page)[0] == diary.grant.id and f"/apps/{diary.grant.id}/revoke" in page
    exported = diary.reader.take("/apps/export.json").get_json()["apps"]
    assert [one["status"] for one in exported] == ["Shared"] + ["Ended"] * 501
    rows = list(csv.DictReader(StringIO(diary.reader.take("/apps/export.csv").data.decode("utf-8-sig"))))
    assert (rows[0]["Status"], len(rows)) == ("Shared", 502)


def test_the_consent_that_stands_is_found_behind_those_that_ended(desk: Desk, diary: Connected) -> None:
    let_in_for_once(desk, diary, 101)

    assert bundle(diary.api.get("Consent?_count=10"))["total"] == 102
    active = bundle(diary.api.get("Consent?status=active"))
    assert (active["total"], active["entry"][0]["resource"]["id"]) == (1, diary.grant.id)
    assert bundle(diary.api.get("Consent?status=inactive&_summary=count"))["total"] == 101


def test_of_more_consents_than_are_searched_nobody_says_how_many(
    desk: Desk, diary: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir.storage.consents._MOST", 3)
    let_in_for_once(desk, diary, 2)
    assert bundle(diary.api.get("Consent"))["total"] == 3

    let_in_for_once(desk, diary, 1)

    found = bundle(diary.api.get("Consent"))
    assert "total" not in found and diary.grant.id in {one["resource"]["id"] for one in found["entry"]}
    refused = diary.api.get("Consent?_summary=count")
    assert refused.status_code == 413 and "which are not counted" in refused.text


def test_former_apps_are_on_further_pages_each_once(desk: Desk, diary: Connected) -> None:
    former = let_in_for_once(desk, diary, 20)

    pages = pages_of(diary.reader)

    assert [len(_CARD.findall(page)) for page in pages] == [6, 6, 6, 3]
    shown = [one for page in pages for one in _CARD.findall(page)]
    assert shown[0] == diary.grant.id and sorted(shown[1:]) == sorted(former)
    assert all("<h2>Former apps</h2>" in page for page in pages)
    assert all(("Apps that may see it now" in page) is (page is pages[0]) for page in pages)
    assert "No app may see it" not in "".join(pages) and "<p>None.</p>" not in "".join(pages)
    assert "Page 1 of 4" in pages[0] and "The list has 4 pages" in pages[0] and 'rel="prev"' in pages[3]


def test_apps_that_stand_are_before_the_paused_and_these_before_the_former(desk: Desk) -> None:
    held = [connected(desk) for _ in range(8)]
    held[7].press("revoke")
    held[6].press("pause")

    first, second = pages_of(held[0].reader)

    assert set(_CARD.findall(first)) == {one.grant.id for one in held[:6]}
    assert _CARD.findall(second) == [held[6].grant.id, held[7].grant.id]
    assert "<h2>Former apps</h2>" not in first and "Paused apps" in second
    assert "Apps that may see it now" not in second


@pytest.mark.parametrize("asked", ["2", "1000", "0", "-1", "x", "1e3"])
def test_a_page_that_there_is_not_is_the_first(desk: Desk, diary: Connected, asked: str) -> None:
    page = diary.reader.follow(diary.reader.get(f"/apps?page={asked}"))

    assert page.status_code == 200 and _CARD.findall(page.text) == [diary.grant.id]


def test_requests_that_were_not_allowed_are_paged_too(desk: Desk, diary: Connected) -> None:
    refused = refuse(desk, diary, 11)

    first, second = pages_of(diary.reader)

    told = [{one for one in refused if f"/apps/answers/{one}" in page} for page in (first, second)]
    assert [len(each) for each in told] == [10, 1] and told[0] | told[1] == set(refused)
    assert "Former apps" in first and "Former apps" not in second
    assert len(diary.reader.take("/apps/export.json").get_json()["not_allowed"]) == 11


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_page_of_the_console_is_too_heavy(desk: Desk, language: str) -> None:
    told = {
        "policy_uri": "https://diary.example/privacy", "terms_uri": "https://diary.example/terms",
        "contact": "help@diary.example",
    }  # fmt: skip
    rosa = Reader(desk, desk.account)
    topics = ["substance_use", "mental_health", "sexual_reproductive", "hiv", "genetic"]
    for _ in range(6):
        app = desk.register(**told)
        rosa.allow(rosa.ask(app), sensitive=topics)
    diary = Connected(desk, rosa, app, {})
    let_in_for_once(desk, diary, 20)
    refuse(desk, diary, 20)
    assert rosa.get(f"/apps?lang={language}").status_code == 200

    weights = [weight_of(rosa, rosa.get(f"/apps?page={number}")) for number in range(1, 6)]

    assert max(weights) < MOST_BYTES, weights
