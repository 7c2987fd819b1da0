"""Apps that went with the right of whoever had let them in: since when, and why, wherever it is told."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from consent import representatives, safety_blocks
from consent.models import EndedBy, LinkScope, RepresentativeLink
from service.accounts.models import Account
from service.clock import now
from service.days import moment_in_words
from tests.attacks.looks import look_at, services
from tests.conftest import MovableClock
from tests.factories import make_account
from tests.member.console import Connected
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk
from tests.papers import words_of

WHY = "because the right to act for the member ended or changed"


@dataclass
class Kin:
    """Dana, who acts for the desk's member, and the app that she let in on the page."""

    desk: Desk
    dana: Account
    link_id: str
    hers: Connected

    def change(self, deed: Callable[[Session, RepresentativeLink], object]) -> None:
        with self.desk.session() as session:
            deed(session, session.get_one(RepresentativeLink, self.link_id))


@pytest.fixture
def kin(desk: Desk) -> Kin:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    link = represent(desk, dana, desk.member)
    reader, app = Reader(desk, dana), desk.register(name="Pill Diary")
    reader.allow(reader.choose(reader.ask(app), desk.member))
    return Kin(desk, dana, link.id, Connected(desk, reader, app, {}))


def block(session: Session, link: RepresentativeLink) -> None:
    representatives.block(session, link, by_account_id=None)


def limit(session: Session, link: RepresentativeLink) -> None:
    representatives.limit(session, link, LinkScope.WITHOUT_SENSITIVE, by_account_id=None)


def shorten(session: Session, link: RepresentativeLink) -> None:
    soon = now() + timedelta(days=30)
    representatives.shorten(session, link, valid_until=soon, narrows_at=soon)


def end(session: Session, link: RepresentativeLink) -> None:
    representatives.end_link(session, link, by=EndedBy.PLAN)


@pytest.mark.parametrize("deed", [block, limit, shorten, end])
def test_an_app_reads_as_ended_when_it_was_shut_out(
    desk: Desk, app: Flask, session: Session, clock: MovableClock, kin: Kin,
    deed: Callable[[Session, RepresentativeLink], None],
) -> None:  # fmt: skip
    clock.advance(3_600)
    before = now()
    kin.change(deed)
    at = kin.hers.grant.ended_at
    assert at is not None and before <= at < now()
    clock.advance(3_600)
    zone = desk.settings.plan.timezone
    told, precise = moment_in_words(at, zone), at.astimezone(zone).isoformat(timespec="seconds")
    rosa, place = Reader(desk, desk.account), kin.hers.grant.id

    former = rosa.get("/apps").text.partition("<h2>Former apps</h2>")[2]
    assert f"<dt>Ended</dt><dd>{told}, {WHY}</dd>" in unescape(former)
    for path in (f"/apps/{place}/activity", kin.hers.receipt):
        assert f"{told}: Ended" in unescape(rosa.get(path).text), path
    (row,) = csv.DictReader(StringIO(rosa.take("/apps/export.csv").data.decode("utf-8-sig")))
    assert (row["Ended"], row["Ended by"]) == (precise, WHY)
    (one,) = rosa.take("/apps/export.json").get_json()["apps"]
    assert (one["ended_at"], one["ended_by"]) == (precise, WHY)
    last = rosa.get(f"{kin.hers.receipt}/receipt.json").get_json()["afterwards"][-1]
    assert (last["what"], last["at"], last["by"]) == ("Ended", at.isoformat(), WHY)
    assert f"Ended ({WHY})" in words_of(rosa.get(f"{kin.hers.receipt}/receipt.pdf").data).replace("\\", "")
    clerk = services(app, session)
    seen = unescape(clerk.browser.get(look_at(clerk, desk.member)).text)
    assert f"<dt>Ended</dt><dd>{told}, {WHY}</dd>" in seen


def test_who_was_shut_out_and_let_in_again_reads_nothing_of_it(desk: Desk, kin: Kin) -> None:
    def by_the_member(session: Session, link: RepresentativeLink) -> None:
        representatives.block(session, link, by_account_id=desk.account.id)

    kin.change(by_the_member)
    kin.change(lambda session, link: safety_blocks.lift(session, link, by_account_id=kin.dana.id, reason="Another man"))
    page = Reader(desk, kin.dana).get("/apps").text
    former = page.partition("<h2>Former apps</h2>")[2].partition("Take it with you")[0]

    assert "Pill Diary" in former and WHY in unescape(former)
    assert desk.account.full_name not in former and "by the member" not in former


def test_the_plans_people_and_the_member_read_who_paused(desk: Desk, app: Flask, session: Session, kin: Kin) -> None:
    kin.hers.press("pause")
    clerk = services(app, session)

    assert ", by Dana Reyes</dd>" in clerk.browser.get(look_at(clerk, desk.member)).text
    assert ", by Dana Reyes</dd>" in Reader(desk, desk.account).get("/apps").text
    assert ", by you</dd>" in kin.hers.reader.get("/apps").text


def test_time_is_over_for_everybody_in_the_same_words(
    desk: Desk, app: Flask, session: Session, clock: MovableClock, kin: Kin
) -> None:
    clock.advance(400 * 86_400)
    clerk = services(app, session)
    pages = [
        Reader(desk, desk.account).get("/apps").text,
        clerk.browser.get(look_at(clerk, desk.member)).text,
    ]
    for page in pages:
        assert "because the time that was chosen was over" in page and "you chose" not in page
