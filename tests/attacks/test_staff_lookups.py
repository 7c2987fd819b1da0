"""security.md, Plan staff console: 166, at the look-ups of members by staff."""

from dataclasses import replace

from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.app import create_app
from service.audit import Outcome
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.attacks.looks import WHY, address, make_officer, rows, services
from tests.factories import make_member


def test_case_166_each_lookup_leaves_one_row_for_each_member_and_one_when_in_vain(app: Flask, session: Session) -> None:
    one, other = (make_member(session, family_name="Alvarez") for _ in range(2))
    clerk = services(app, session)
    born = one.birth_date.isoformat()
    clerk.browser.get("/staff/members/")

    clerk.browser.post("/staff/members/", family_name="ALVAREZ", birth_date=born)
    clerk.browser.post("/staff/members/", member_number="NOBODY-1")

    found = rows(session, "staff:member:lookup")
    assert {row.member_id for row in found[:2]} == {one.id, other.id}
    assert [(row.outcome, row.count) for row in found] == [
        (Outcome.SUCCESS, 1), (Outcome.SUCCESS, 1), (Outcome.FAILED, 0),
    ]  # fmt: skip
    assert [row.detail for row in found] == [
        *[{"asked_for": {"family_name": "ALVAREZ", "birth_date": born}}] * 2,
        {"asked_for": {"member_number": "NOBODY-1"}},
    ]
    for row in found:
        assert row.account_id == clerk.account.id and row.ip and row.request_id and row.login_session_id


def test_case_166_an_id_that_is_tried_in_vain_is_kept(app: Flask, session: Session) -> None:
    clerk = services(app, session)

    assert clerk.browser.get("/staff/members/of/somebody").status_code == 404

    [row] = rows(session, "staff:member:ask")
    assert (row.outcome, row.detail) == (Outcome.FAILED, {"asked_for": {"patient": "somebody"}})


def test_case_166_a_reason_refused_names_the_member_no_more_freely_than_the_question(
    settings: Settings, session: Session, engine: Engine
) -> None:
    app = create_app(replace(settings, lookup_limit_per_hour=3), engine)
    member = make_member(session, given_name="Ludmila")
    clerk = services(app, session)
    clerk.browser.get("/staff/members/")

    named = [clerk.browser.post(address(member), purpose="nosy", words="") for _ in range(4)]

    assert [("Ludmila" in page.text, page.status_code) for page in named] == [(True, 400)] * 3 + [(False, 429)]
    assert [row.member_id for row in rows(session, "staff:member:ask")] == [member.id] * 3


def test_case_166_lookups_are_bounded_and_the_officer_hears_of_many(
    settings: Settings, session: Session, engine: Engine
) -> None:
    app = create_app(replace(settings, lookup_norm_per_hour=2, lookup_limit_per_hour=3), engine)
    member, officer = make_member(session), make_officer(session)
    clerk = services(app, session)
    clerk.browser.get("/staff/members/")

    lookups = [clerk.browser.post("/staff/members/", member_number=f"X-{number}").status_code for number in range(2)]
    asks = [clerk.browser.get(address(member)).status_code for _ in range(4)]
    clerk.browser.get("/staff/members/")
    looks = [clerk.browser.post(address(member), **WHY).status_code for _ in range(2)]

    assert (lookups, asks, looks) == ([200] * 2, [200, 200, 200, 429], [303, 429])
    assert clerk.browser.post("/staff/members/", member_number="X-1").status_code == 429
    assert len(letters(session, settings, officer.account.email)) == 1
    assert [row.outcome for row in rows(session, "staff:lookup:refuse")] == [Outcome.REFUSED] * 2
