"""A delegate invites people, and they take it up."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.plan.logins import reach
from service.plan.models import EntrySource, PortalInvitation, ProviderStaff, StaffStatus
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.factories import (
    PASSWORD,
    make_account,
    make_member,
    make_portal_staff,
)
from tests.provider.colleagues import NEWCOMER, colleague_of, entry_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

_LINK = re.compile(r"http://localhost(/provider/invitation/[\w-]{43})")


def _invite(office: Visitor, **given: object) -> object:
    office.get("/provider/accounts/new")
    office.post("/provider/accounts/new", **NEWCOMER)
    form = {"phone": "555-010-0199", "functions": ["remittances", "claims"], "create": "yes"} | NEWCOMER | given
    return office.post("/provider/accounts/new", **form)


def _link(session: Session, settings: Settings, to: str = NEWCOMER["email"]) -> str:
    found = _LINK.findall(letters(session, settings, to)[-1])
    assert len(found) == 1
    return str(found[0])


def _take_up(app: Flask, link: str, **given: str) -> Visitor:
    person = Visitor(app)
    person.get(link)
    answer = person.post(link, **({"username": "robin.v", "password": PASSWORD, "confirmation": PASSWORD} | given))
    assert answer.status_code == 303, answer.text
    return person


def test_a_newcomer_is_invited_chooses_name_and_password_and_gets_what_was_ticked(
    app: Flask, office: Visitor, delegate: ProviderStaff, session: Session, settings: Settings
) -> None:
    entry = entry_of(session, delegate)
    session.commit()
    answer = _invite(office, given=[entry.id])
    assert answer.location == "/provider/accounts/?done=invited#invitations"  # type: ignore[attr-defined]
    assert "Robin Vale" in office.get("/provider/accounts/").text
    person = _take_up(app, _link(session, settings))
    assert person.get("/provider/home").location == "/provider/terms?next=/provider/home"
    made = session.scalars(select(ProviderStaff).where(ProviderStaff.created_by_account_id.is_not(None))).one()
    assert (made.account.username, made.account.email, made.account.full_name) == (
        "robin.v", NEWCOMER["email"], "Robin Vale",
    )  # fmt: skip
    assert (made.functions, made.is_delegate, made.phone) == (["claims", "remittances"], False, "555-010-0199")
    [copied] = reach.entries_of(session, made.id)
    assert (copied.tax_id, copied.source, copied.created_by_account_id) == (
        "082234502", EntrySource.DELEGATE, delegate.account_id,
    )  # fmt: skip


def test_a_delegate_creates_a_delegate_who_sets_an_app_up_first(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    assert "Create delegate" in office.get("/provider/accounts/new?delegate=yes").text
    _invite(office, delegate="yes")
    person = _take_up(app, _link(session, settings))
    assert person.get("/provider/home").location == "/settings/second-factor/set-up?next=/provider/home"
    made = session.scalars(select(Account).where(Account.username == "robin.v")).one()
    session.commit()
    person.browser.delete_cookie("sid")
    person.sign_in_with_factor(made)
    assert person.get("/provider/accounts/").location == "/provider/terms?next=/provider/accounts/"


def test_nobody_gets_a_second_account_for_the_same_address(
    office: Visitor, delegate: ProviderStaff, session: Session
) -> None:
    there = colleague_of(session, delegate, email="Robin.Vale@Clinic.example", status=StaffStatus.DEACTIVATED,
                       deactivated_at=NOON)  # fmt: skip
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    assert "may have an account already" in page
    assert f"/provider/accounts/{there.id}" in page
    assert "another person: continue" not in page
    page = _invite(office, another="yes").text  # type: ignore[attr-defined]
    assert "may have an account already" in page
    assert session.scalars(select(PortalInvitation)).all() == []


def test_a_person_of_the_same_name_is_asked_about(office: Visitor, delegate: ProviderStaff, session: Session) -> None:
    colleague_of(session, delegate, given_name="ROBIN", family_name="Vale")
    office.get("/provider/accounts/new")
    assert "another person: continue" in office.post("/provider/accounts/new", **NEWCOMER).text
    assert "Send the invitation" in office.post("/provider/accounts/new", another="yes", **NEWCOMER).text
    form = {"phone": "555-010-0199", "create": "yes"} | NEWCOMER
    assert "another person: continue" in office.post("/provider/accounts/new", **form).text
    office.post("/provider/accounts/new", another="yes", **NEWCOMER)
    assert office.post("/provider/accounts/new", another="yes", **form).status_code == 303


def test_the_owner_of_an_account_joins_with_it_and_the_delegate_is_told_nothing_of_it(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, email=NEWCOMER["email"])
    session.commit()
    office.get("/provider/accounts/new")
    page = office.post("/provider/accounts/new", **NEWCOMER).text
    assert "Nobody here has an account" in page
    _invite(office)
    link = _link(session, settings)
    person = Visitor(app)
    assert "You have an account with us already" in person.get(link).text
    person.sign_in(owner, following=link)
    assert "You are signed in as" in person.get(link).text
    assert person.post(f"{link}/join").location == "/provider/home"
    assert person.get("/provider/home").location == "/provider/terms?next=/provider/home"
    assert person.get(link).status_code == 410
    assert session.scalars(select(Account).where(Account.email_key == NEWCOMER["email"])).one().member_id == member.id


def test_nobody_joins_by_anothers_link(app: Flask, office: Visitor, session: Session, settings: Settings) -> None:
    make_account(session, email=NEWCOMER["email"])
    other = make_account(session)
    session.commit()
    _invite(office)
    link, thief = _link(session, settings), Visitor(app)
    thief.sign_in(other)
    page = thief.get(link).text
    assert "whose e-mail address is another one" in page
    assert thief.post(f"{link}/join").status_code == 403
    assert session.scalars(select(PortalInvitation)).one().spent_at is None


def test_who_has_a_login_elsewhere_joins_only_after_it_was_deactivated(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    owner = make_account(session, email=NEWCOMER["email"])
    elsewhere = make_portal_staff(session, account=owner)
    session.commit()
    _invite(office)
    link, person = _link(session, settings), Visitor(app)
    person.sign_in(owner)
    person.get(link)
    assert person.post(f"{link}/join").status_code == 409
    elsewhere.status = StaffStatus.DEACTIVATED
    session.commit()
    person.get(link)
    assert person.post(f"{link}/join").status_code == 303
    assert person.get("/provider/delegate/").status_code == 200
    logins = session.scalars(select(ProviderStaff).where(ProviderStaff.account_id == owner.id)).all()
    assert sorted(login.status for login in logins) == ["active", "deactivated"]


def test_a_link_is_good_for_seven_days(app: Flask, office: Visitor, session: Session, settings: Settings) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        delegate = session.scalars(select(ProviderStaff)).one().account
        session.commit()
        office = Visitor(app)
        office.sign_in_with_factor(delegate)
        _invite(office)
        link = _link(session, settings)
        clock.move_to(NOON + timedelta(days=7, seconds=-1))
        assert Visitor(app).get(link).status_code == 200
        clock.move_to(NOON + timedelta(days=7))
        assert Visitor(app).get(link).status_code == 410


def test_a_link_sent_again_ends_the_older_and_a_withdrawn_one_is_over(
    app: Flask, office: Visitor, session: Session, settings: Settings
) -> None:
    _invite(office)
    first = _link(session, settings)
    row = session.scalars(select(PortalInvitation)).one()
    session.commit()
    office.get("/provider/accounts/")
    assert office.post(f"/provider/accounts/invitations/{row.id}/resend").status_code == 303
    second = _link(session, settings)
    assert Visitor(app).get(first).status_code == 410
    assert Visitor(app).get(second).status_code == 200
    office.get("/provider/accounts/")
    assert office.post(f"/provider/accounts/invitations/{row.id}/withdraw").status_code == 303
    assert Visitor(app).get(second).status_code == 410
    assert office.post(f"/provider/accounts/invitations/{row.id}/resend").status_code == 409


@pytest.mark.parametrize("secret", ["x", "a" * 43, "%F0%9F%98%80", "../home", "0" * 3000])
def test_a_link_that_we_never_sent_is_over_like_a_used_one(app: Flask, secret: str) -> None:
    answer = Visitor(app).get(f"/provider/invitation/{secret}")
    assert answer.status_code in {404, 410, 303}


@pytest.mark.parametrize(
    ("username", "password", "confirmation", "told"),
    [
        ("robin.v", "short", "short", "8 to 64 characters"),
        ("robin.v", PASSWORD, "Other-lights-42!", "not the same"),
        ("r", PASSWORD, PASSWORD, "4 to 64 characters"),
        ("robin.v", "Robin.vale-2026", "Robin.vale-2026", "Does not hold your name"),
    ],
)
def test_a_bad_name_or_password_is_told_and_spends_nothing(
    app: Flask, office: Visitor, session: Session, settings: Settings,
    username: str, password: str, confirmation: str, told: str,
) -> None:  # fmt: skip
    _invite(office)
    person, link = Visitor(app), _link(session, settings)
    person.get(link)
    answer = person.post(link, username=username, password=password, confirmation=confirmation)
    assert answer.status_code == 400
    assert told in answer.text
    _take_up(app, link)


@pytest.mark.parametrize(
    ("field", "value"),
    [("phone", ""), ("phone", "call me"), ("email", "robin@"), ("email", ""), ("given_name", " "),
     ("functions", "root"), ("given", "not-an-id")],
)  # fmt: skip
def test_a_form_filled_in_wrongly_is_told_what_to_mend(
    office: Visitor, session: Session, field: str, value: str
) -> None:
    answer = _invite(office, **{field: value})
    assert answer.status_code == 400  # type: ignore[attr-defined]
    assert "Please check what you entered" in answer.text  # type: ignore[attr-defined]
    assert session.scalars(select(PortalInvitation)).all() == []
