"""Whom a billing organisation may name as contact, under attack (security.md, case 131)."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import authorization_requests
from consent.authorization_requests import NoSuchClient
from consent.billing_models import AuthorizationRequest, AuthorizationStatus
from consent.named_contacts import ContactIsAsker, ContactIsColleague, ContactRefused, NamedContact
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.attacks.billing import NOON, link, reached
from tests.consent.firm import CONTACT, Firm
from tests.factories import make_account, make_contact, make_group, make_payment, make_plan_staff, make_portal_staff

YES = {"functions": ["remittances", "claims", "eligibility"]}


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


@pytest.fixture
def contact(app: Flask) -> Visitor:
    """The contact's browser, in which nobody is signed in."""
    return Visitor(app)


def test_case_131_nobody_names_themselves_a_co_worker_or_their_own_domain(firm: Firm, session: Session) -> None:
    make_portal_staff(session, firm.organization, account=make_account(session, email="kim@gmail.com"))
    session.commit()
    cases: list[tuple[str, type[ContactRefused]]] = [
        ("robin@keystone.example", ContactIsAsker),
        ("ROBIN@Keystone.Example", ContactIsAsker),
        ("robin+clinic@keystone.example", ContactIsAsker),
        ("k.i.m+clinic@googlemail.com", ContactIsAsker),
        ("boss@keystone.example", ContactIsColleague),
        ("boss@mail.keystone.example", ContactIsColleague),
        ("boss@KEYSTONE.example", ContactIsColleague),
    ]
    for address, refused in cases:
        with pytest.raises(refused):
            firm.ask(contact=NamedContact("Pat Moss", address, "555-555-0101"))
        session.commit()
    assert session.scalar(select(func.count()).select_from(AuthorizationRequest)) == 0


def test_case_131_a_contact_who_joins_the_firm_cannot_say_yes_any_more(
    firm: Firm, contact: Visitor, session: Session
) -> None:
    firm.ask()
    address = link(firm)
    make_portal_staff(session, firm.organization, account=make_account(session, email=CONTACT.email))
    session.commit()
    contact.get(address)
    assert contact.post(f"{address}/yes", **YES).status_code == 403
    assert reached(session, firm.staff) == set()


def test_case_131_a_login_of_the_firm_cannot_answer_with_the_forwarded_link(
    firm: Firm, app: Flask, session: Session
) -> None:
    firm.ask()
    address = link(firm)
    asker = Visitor(app)
    assert asker.enter(firm.staff.account).status_code == 303
    asker.get(address)
    assert asker.post(f"{address}/yes", **YES).status_code == 403
    assert asker.post(f"{address}/no", reason="x").status_code == 403
    assert reached(session, firm.staff) == set()
    assert session.scalars(select(AuthorizationRequest)).one().status is AuthorizationStatus.ASKED


@pytest.mark.parametrize("number", ["7000001", None])
def test_case_131_a_contact_changed_within_a_week_waits_for_plan_staff(
    firm: Firm, session: Session, settings: Settings, number: str | None
) -> None:
    with time_machine.travel(NOON, tick=False):
        make_contact(session, firm.client, CONTACT.email, changed_at=NOON - timedelta(days=6, hours=23))
        session.commit()
        payment = make_payment(session, firm.client, "7000002")
        assert payment.number_key == "7000002"
        asked = firm.ask(number="7000002" if number else None)
        assert asked.status is AuthorizationStatus.AWAITING_PLAN
        assert letters(session, settings, CONTACT.email) == []
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        authorization_requests.withdraw(session, asked, by_account_id=firm.staff.account_id)
        assert firm.ask(number="7000002" if number else None).status is AuthorizationStatus.ASKED


@pytest.mark.parametrize("mine", ["7000001", "7000003"], ids=["the sibling has no payment", "both have one"])
def test_case_131_134_a_payment_to_one_group_vouches_for_no_other_of_its_tax_id(
    firm: Firm, session: Session, settings: Settings, mine: str
) -> None:
    sibling = make_group(session, tax_id="071234501")
    theirs = make_payment(session, sibling, "7000002")
    make_payment(session, firm.client, "7000003")
    session.commit()
    crony = NamedContact("Al Park", "al@crony.example", "555-555-0199")

    with pytest.raises(NoSuchClient):
        firm.ask(number=mine, group_id=sibling.id, contact=crony)
    session.commit()
    found = authorization_requests.find_clients(
        session, firm.staff, tax_id="071234501", number="7000002", mailing=firm.mailing
    )
    assert found == ([sibling], theirs)
    session.commit()
    assert letters(session, settings, crony.email) == []
    asked = firm.ask(number=None, group_id=sibling.id, contact=crony)
    assert asked.status is AuthorizationStatus.AWAITING_PLAN, "without a payment of its own, plan staff look first"
    assert reached(session, firm.staff) == set()


def test_case_131_134_the_pages_offer_the_payee_alone(firm: Firm, app: Flask, session: Session) -> None:
    sibling = make_group(session, tax_id="071234501", legal_name="Birch Street Clinic")
    session.commit()
    desk = Visitor(app)
    desk.enter(firm.staff.account)
    desk.get("/provider/access/clients/new")

    offered = desk.post("/provider/access/clients/new", tax_id="071234501", number="7000001").text
    chosen = desk.post(
        "/provider/access/clients/new/contact", tax_id="071234501", number="7000001", group_id=sibling.id
    )

    assert firm.client.legal_name in offered
    assert "Birch Street Clinic" not in offered
    assert (chosen.status_code, "Birch Street Clinic" in chosen.text) == (400, False)


def test_case_131_a_contact_with_the_name_of_the_firm_s_own_people_waits_too(firm: Firm) -> None:
    asked = firm.ask(contact=NamedContact("ROBIN  VANCE", "rv@clinic.example", "555-555-0101"))
    assert asked.status is AuthorizationStatus.AWAITING_PLAN


def test_case_131_plan_staff_who_work_for_the_firm_do_not_verify_its_contacts(firm: Firm, session: Session) -> None:
    asked = firm.ask(number=None)
    double = make_plan_staff(session, StaffRole.PROVIDER_SERVICES, account=firm.staff.account)
    for verb in (
        lambda: authorization_requests.verify_contact(session, asked, firm.mailing, by_account_id=double.account_id),
        lambda: authorization_requests.refuse_contact(session, asked, "no", by_account_id=double.account_id),
    ):
        with pytest.raises(ContactRefused):
            verb()
    assert asked.status is AuthorizationStatus.AWAITING_PLAN
