"""The queue of billing organisations' requests in the staff console."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from consent import authorization_answers
from consent.authorization_answers import Limits
from consent.billing_models import AuthorizationSide, AuthorizationStatus
from consent.named_contacts import NamedContact
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.consent.firm import ALL, CONTACT, Firm
from tests.factories import make_account, make_contact, make_plan_staff

PAGE = "/staff/authorizations"
STRANGER = NamedContact("Lee Park", "lee.park@elsewhere.example", "555-555-0102")


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


@pytest.fixture
def clerk(app: Flask, session: Session) -> Visitor:
    """A person of provider services, signed in."""
    staff = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    session.commit()
    visitor = Visitor(app)
    visitor.enter(staff.account)
    return visitor


def test_a_contact_is_verified_and_the_mail_goes_out(
    clerk: Visitor, firm: Firm, session: Session, settings: Settings
) -> None:
    make_contact(session, firm.client, "front.desk@clinic.example", name="Front Desk")
    asked = firm.ask(number=None, contact=STRANGER)
    shown = clerk.get(PAGE).text
    for expected in ("Keystone Billing LLC", "Lee Park", "not given", "Front Desk", "Robin Vance"):
        assert expected in shown
    assert clerk.post(f"{PAGE}/{asked.id}/verify").status_code == 303
    assert len(letters(session, settings, STRANGER.email)) == 1
    session.refresh(asked)
    assert asked.status is AuthorizationStatus.ASKED
    session.commit()
    again = clerk.post(f"{PAGE}/{asked.id}/verify")
    assert again.status_code == 400
    assert "in the meantime" in again.text


def test_a_contact_is_refused_with_a_reason_that_is_asked_for(clerk: Visitor, firm: Firm, session: Session) -> None:
    asked = firm.ask(number=None, contact=STRANGER)
    clerk.get(PAGE)
    for blank in ("", "  \n "):
        assert clerk.post(f"{PAGE}/{asked.id}/refuse", reason=blank).status_code == 400
    assert clerk.post(f"{PAGE}/{asked.id}/refuse", reason="Nobody of that name there.").status_code == 303
    session.refresh(asked)
    assert (asked.status, asked.reason) == (AuthorizationStatus.REFUSED, "Nobody of that name there.")


def test_web_support_sends_the_mail_again(clerk: Visitor, firm: Firm, session: Session, settings: Settings) -> None:
    asked = firm.ask()
    first = firm.secret()
    clerk.get(PAGE)
    assert clerk.post(f"{PAGE}/{asked.id}/resend").status_code == 303
    assert firm.secret() != first
    assert len(letters(session, settings, CONTACT.email)) == 2
    for _ in range(4):
        clerk.post(f"{PAGE}/{asked.id}/resend")
    refused = clerk.post(f"{PAGE}/{asked.id}/resend")
    assert refused.status_code == 400
    assert "one day" in refused.text


def test_a_permission_is_found_and_ended(clerk: Visitor, firm: Firm, session: Session) -> None:
    firm.ask()
    given = authorization_answers.allow(session, firm.secret(), Limits(ALL), account_id=None)
    session.commit()
    assert "Nothing found" in clerk.get(f"{PAGE}?q=nobody").text
    assert firm.client.name in clerk.get(f"{PAGE}?q=Keystone").text
    assert clerk.post(f"{PAGE}/permissions/{given.id}/end", reason="").status_code == 400
    assert clerk.post(f"{PAGE}/permissions/{given.id}/end", reason="Office asked").status_code == 303
    session.refresh(given)
    assert (given.ended_side, given.ended_reason) == (AuthorizationSide.PLAN, "Office asked")
    session.commit()
    clerk.get(f"{PAGE}?q=Keystone")
    assert clerk.post(f"{PAGE}/permissions/{given.id}/end", reason="Again").status_code == 400


def test_unknown_ids_and_other_people_find_nothing(app: Flask, clerk: Visitor, firm: Firm, session: Session) -> None:
    asked = firm.ask()
    unknown = "00000000-0000-4000-8000-000000000000"
    clerk.get(PAGE)
    for path in (f"{unknown}/verify", f"{unknown}/resend", f"permissions/{unknown}/end"):
        assert clerk.post(f"{PAGE}/{path}", reason="x").status_code == 404
    others = [
        make_plan_staff(session, *(role for role in StaffRole if role is not StaffRole.PROVIDER_SERVICES)).account,
        make_account(session), firm.staff.account,
    ]  # fmt: skip
    session.commit()
    for account in others:
        visitor = Visitor(app)
        visitor.enter(account)
        assert visitor.get(PAGE).status_code == 404
        visitor.get("/settings")
        for path in (f"{asked.id}/verify", f"{asked.id}/refuse", f"{asked.id}/resend"):
            assert visitor.post(f"{PAGE}/{path}", reason="x").status_code == 404
