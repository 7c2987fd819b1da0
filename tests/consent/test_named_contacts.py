"""Whom a firm may name, and what plan staff do about it."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from consent import authorization_answers, authorization_requests, billing_authorizations
from consent.authorization_answers import Limits
from consent.authorization_requests import RequestClosed
from consent.billing_models import AuthorizationStatus
from consent.named_contacts import ContactIsColleague, NamedContact, mailbox, registered_domain
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.consent.firm import ALL, CONTACT, Firm, allow
from tests.factories import make_account, make_contact, make_group, make_portal_staff

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

STRANGER = NamedContact("Lee Park", "lee.park@elsewhere.example", "555-555-0102")


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


def test_without_a_check_only_a_contact_on_file_is_written_to(session: Session, firm: Firm, settings: Settings) -> None:
    make_contact(session, firm.client, CONTACT.email)
    other = make_group(session, tax_id="071234501")
    session.commit()
    assert firm.ask(number=None).status is AuthorizationStatus.ASKED
    # On file for one group is not on file for another, even under one Tax ID.
    assert firm.ask(number=None, group_id=other.id).status is AuthorizationStatus.AWAITING_PLAN
    assert len(letters(session, settings, CONTACT.email)) == 1


def test_staff_verify_a_contact_and_the_thirty_days_begin_with_the_mail(
    session: Session, firm: Firm, settings: Settings
) -> None:
    clerk = make_account(session)
    with time_machine.travel(NOON, tick=False):
        asked = firm.ask(number=None, contact=STRANGER)
        assert asked.status is AuthorizationStatus.AWAITING_PLAN
        assert asked.secret_hash is None
        assert letters(session, settings, STRANGER.email) == []
    with time_machine.travel(NOON + timedelta(days=5), tick=False):
        assert authorization_requests.with_status(session, AuthorizationStatus.AWAITING_PLAN) == [asked]
        authorization_requests.verify_contact(session, asked, firm.mailing, by_account_id=clerk.id)
        session.commit()
        assert asked.expires_at == NOON + timedelta(days=35)
    with time_machine.travel(NOON + timedelta(days=35, seconds=-1), tick=False):
        authorization_answers.allow(session, firm.secret(STRANGER.email), Limits(ALL), account_id=None)


def test_staff_refuse_a_contact_with_a_reason(session: Session, firm: Firm, settings: Settings) -> None:
    clerk = make_account(session)
    asked = firm.ask(number=None, contact=STRANGER)
    authorization_requests.refuse_contact(session, asked, "Nobody of that name there.", by_account_id=clerk.id)
    session.commit()
    assert (asked.status, asked.reason) == (AuthorizationStatus.REFUSED, "Nobody of that name there.")
    assert letters(session, settings, STRANGER.email) == []
    assert "was refused" in letters(session, settings, firm.staff.account.email)[-1]
    with pytest.raises(RequestClosed):
        authorization_requests.verify_contact(session, asked, firm.mailing, by_account_id=clerk.id)


def test_staff_cannot_refuse_what_waits_for_the_provider_nor_verify_it_again(session: Session, firm: Firm) -> None:
    clerk = make_account(session)
    asked = firm.ask()
    for verb in (
        lambda: authorization_requests.verify_contact(session, asked, firm.mailing, by_account_id=clerk.id),
        lambda: authorization_requests.refuse_contact(session, asked, "no", by_account_id=clerk.id),
    ):
        with pytest.raises(RequestClosed):
            verb()


def test_staff_find_a_permission_by_name_tax_id_or_group_number(session: Session, firm: Firm) -> None:
    firm.ask()
    given = allow(session, firm)
    shown = f"{firm.organization.tax_id[:2]}-{firm.organization.tax_id[2:]}"
    for words in ("keystone", shown, firm.client.number.lower(), firm.client.legal_name[:12]):
        assert billing_authorizations.search(session, words) == [given], words
    assert billing_authorizations.search(session, "nobody") == []


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("a@clinic.example", "clinic.example"), ("a@Mail.Clinic.Example", "clinic.example"),
        ("a@x.clinic.co.uk", "clinic.co.uk"), ("a@clinic.co", "clinic.co"),
        ("a@a.springfield.ma.us", "springfield.ma.us"),
        ("a@b.clinic.de", "clinic.de"), ("a@münchen.example", "münchen.example"),
        ("a@xn--mnchen-3ya.example", "münchen.example"),
    ],
)  # fmt: skip
def test_the_registered_domain_of_an_address(address: str, domain: str) -> None:
    assert registered_domain(address) == domain


def test_one_mailbox_has_many_spellings() -> None:
    assert mailbox("Robin.Vance+clinic@gmail.com") == mailbox("robinvance@googlemail.com")
    assert mailbox("robin+x@keystone.example") == mailbox("ROBIN@keystone.example")
    assert mailbox("robin.v@keystone.example") != mailbox("robinv@keystone.example")


def test_a_public_mail_host_makes_nobody_a_co_worker(session: Session, firm: Firm) -> None:
    make_portal_staff(session, firm.organization, account=make_account(session, email="sam@gmail.com"))
    session.commit()
    with pytest.raises(ContactIsColleague):
        firm.ask(contact=NamedContact("Ann Lee", "ann@mail.keystone.example", "555-555-0101"))
    assert (
        firm.ask(contact=NamedContact("Ann Lee", "ann@gmail.com", "555-555-0101")).status is AuthorizationStatus.ASKED
    )
