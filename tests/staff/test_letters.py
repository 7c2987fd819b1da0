"""PIN letters in the staff console: who sees them, printing once, ending a PIN, another letter."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.plan.models import MailedPin, ProviderStaff, StaffRole, StaffStatus
from service.plan.registering import mailed_pins
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_organization, make_plan_staff, make_portal_staff
from tests.papers import words_of
from tests.provider.registrant import TAX_ID, make_clerk, make_clinic, newest_pin


@pytest.fixture
def clerk(app: Flask, session: Session, waiting: ProviderStaff) -> Visitor:
    """A person of provider services at the letters page."""
    staff = make_clerk(session)
    session.commit()
    visitor = Visitor(app)
    visitor.enter(staff.account)
    visitor.get("/staff/letters")
    return visitor


@pytest.fixture
def waiting(session: Session, settings: Settings) -> ProviderStaff:
    """A login whose letter waits."""
    clinic = make_clinic(session)
    organization = make_organization(session, tax_id=TAX_ID, name=clinic.legal_name)
    made = make_portal_staff(session, organization, status=StaffStatus.AWAITING_PIN, functions=[])
    mailed_pins.send(session, made, clinic.id, key=settings.secret_key)
    session.commit()
    return made


def pins(session: Session) -> list[MailedPin]:
    with Session(session.get_bind(), expire_on_commit=False) as own:
        return list(own.scalars(select(MailedPin).order_by(MailedPin.created_at)).all())


def test_the_page_lists_what_waits_without_any_pin(
    clerk: Visitor, waiting: ProviderStaff, session: Session, settings: Settings
) -> None:
    page = clerk.get("/staff/letters").text
    assert "To print: 1" in page and "100 Sample Mill Rd" in page and waiting.account.full_name in page
    assert newest_pin(session, settings) not in page and TAX_ID not in page and "•••••4501" in page


@pytest.mark.parametrize("role", [None, StaffRole.MEMBER_SERVICES, StaffRole.PRIVACY_OFFICER])
def test_for_everybody_else_the_pages_do_not_exist(
    app: Flask, session: Session, waiting: ProviderStaff, role: StaffRole | None
) -> None:
    account = make_account(session)
    if role:
        make_plan_staff(session, role, account=account)
    session.commit()
    visitor = Visitor(app)
    visitor.enter(account)
    visitor.get("/settings")
    assert visitor.browser.get("/staff/letters").status_code == 404
    assert visitor.post("/staff/letters/print").status_code == 404
    assert visitor.post(f"/staff/letters/{pins(session)[0].id}/void").status_code == 404
    assert visitor.post(f"/staff/letters/{pins(session)[0].id}/resend").status_code == 404
    assert pins(session)[0].printed_at is None


def test_a_batch_is_printed_once_and_the_pin_works(
    app: Flask, clerk: Visitor, waiting: ProviderStaff, session: Session, settings: Settings
) -> None:
    pin = newest_pin(session, settings)
    answer = clerk.post("/staff/letters/print")
    assert answer.mimetype == "application/pdf" and "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert mailed_pins.grouped(pin) in words_of(answer.data)
    (row,) = pins(session)
    assert (row.sealed, row.printed_at is not None) == ("", True)
    with Session(session.get_bind()) as own:
        event = own.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:mailed_pin:print")).one()
        assert event.detail is not None and event.detail["pin"] == row.id
    assert clerk.post("/staff/letters/print").location == "/staff/letters"
    assert "Printed, PIN not entered yet" in clerk.get("/staff/letters").text
    office = Visitor(app)
    office.enter(waiting.account)
    office.get("/provider/validate")
    assert "PIN accepted" in office.post("/provider/validate", pin=pin).text
    assert "PIN entered" in clerk.get("/staff/letters").text


def test_a_voided_pin_is_neither_printed_nor_taken(
    app: Flask, clerk: Visitor, waiting: ProviderStaff, session: Session, settings: Settings
) -> None:
    pin = newest_pin(session, settings)
    path = f"/staff/letters/{pins(session)[0].id}/void"
    assert clerk.post(path).status_code == 303
    again = clerk.post(path)
    assert again.status_code == 409 and "Nothing was changed" in again.text
    assert clerk.post("/staff/letters/print").location == "/staff/letters"
    office = Visitor(app)
    office.enter(waiting.account)
    office.get("/provider/validate")
    assert office.post("/provider/validate", pin=pin).status_code == 400


def test_another_letter_replaces_the_first_at_most_three_in_thirty_days(
    clerk: Visitor, waiting: ProviderStaff, session: Session
) -> None:
    for made in (2, 3):
        newest = pins(session)[-1].id
        assert clerk.post(f"/staff/letters/{newest}/resend").status_code == 303
        assert len(pins(session)) == made
        assert [bool(row.sealed) for row in pins(session)] == [*[False] * (made - 1), True]
        clerk.get("/staff/letters")
    refused = clerk.post(f"/staff/letters/{pins(session)[-1].id}/resend")
    assert refused.status_code == 409 and "at most 3" in refused.text


def test_an_unknown_letter_is_told_in_words(clerk: Visitor) -> None:
    path = "/staff/letters/00000000-0000-0000-0000-000000000000"
    assert clerk.post(f"{path}/void").status_code == 409
    assert clerk.post(f"{path}/resend").status_code == 409
    assert clerk.get("/staff/letters/print").status_code == 405
