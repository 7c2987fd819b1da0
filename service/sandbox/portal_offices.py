"""The provider offices of the sandbox's portal: registered as people register, by a payment or by post."""

from sqlalchemy.orm import Session

from service.plan.logins import invitations, reach
from service.plan.logins.invitations import Invitee
from service.plan.models import PaymentMethod, PortalFunction, PortalRegistration, ProviderStaff
from service.plan.registering import registration, registration_end
from service.plan.registering.joining import AbsenceReason
from service.plan.registering.payment_proof import ShownPayment
from service.plan.registering.registration import Contact
from service.sandbox import fresh_payments, portal_accounts
from service.sandbox.portal_people import BETH, HUGO, LUIS, MARGE, PETER, WANDA, PortalPerson
from service.sandbox.provider_groups import Payee, payees
from service.settings import Settings

NETWORK = "sandbox"
CLINIC = "Rivermont Community Clinic"
HOSPITAL = "Rivermont General Hospital"
DENTIST = "Fairhollow Dental"
THERAPY = "Old Ferry Rehabilitation"
REGISTERED = (CLINIC, HOSPITAL, DENTIST, THERAPY)
"""Offices that somebody has registered; of all others a visitor is the first."""
_PHONE = "555-210-0199"


def open_missing(session: Session, settings: Settings) -> None:
    """Register every office whose login is not there yet."""
    by_name = {payee.name: payee for payee in payees()}
    if not portal_accounts.is_open(session, MARGE):
        manager = _register(session, settings, MARGE, by_name[CLINIC], PaymentMethod.CHECK)
        _invite(session, settings, manager, LUIS)
        _register(session, settings, BETH, by_name[CLINIC], PaymentMethod.NON_PAYMENT)
    if not portal_accounts.is_open(session, HUGO):
        _register(session, settings, HUGO, by_name[HOSPITAL], PaymentMethod.EFT, by_vendor_number=True)
    if not portal_accounts.is_open(session, WANDA):
        _register(session, settings, WANDA, by_name[DENTIST], PaymentMethod.CHECK)
    if not portal_accounts.is_open(session, PETER):
        _ask_for_pin(session, settings, PETER, by_name[THERAPY])


def _register(
    session: Session,
    settings: Settings,
    person: PortalPerson,
    payee: Payee,
    method: PaymentMethod,
    *,
    by_vendor_number: bool = False,
) -> ProviderStaff:
    paid = fresh_payments.newest(session, payee, method)
    assert paid is not None, "every group is paid this quarter"
    second = {"vendor_number": payee.vendor_number} if by_vendor_number else {"npi": payee.npi}
    begun = registration.begin_with_payment(
        session, ShownPayment(payee.tax_id, paid.number, **second), browser_id=person.username, network=NETWORK,
        days=settings.plan.provider.proof_days,
    )  # fmt: skip
    return _finish(session, settings, person, payee, begun)


def _ask_for_pin(session: Session, settings: Settings, person: PortalPerson, payee: Payee) -> None:
    begun = registration.begin_with_mail(session, payee.tax_id, browser_id=person.username, network=NETWORK)
    _finish(session, settings, person, payee, begun)


def _finish(
    session: Session, settings: Settings, person: PortalPerson, payee: Payee, begun: PortalRegistration
) -> ProviderStaff:  # fmt: skip
    matches = registration.matches(session, registration.answers_of(begun))
    registration.choose(session, begun, next(one.group.id for one in matches if one.group.number == payee.number))
    if registration.asks_for_reason(session, registration.answers_of(begun)):
        reason = "She is away until the new year, and two of us need accounts."
        registration.give_reason(session, begun, AbsenceReason.ON_LEAVE, reason)
    registration.give_contact(session, begun, Contact(person.given_name, person.family_name, _PHONE))
    account = portal_accounts.open_account(session, person, settings)
    staff = registration_end.finish_with_account(session, begun, account, phone=_PHONE, key=settings.secret_key)
    portal_accounts.accept_terms(session, person, staff, settings)
    return staff


def _invite(session: Session, settings: Settings, manager: ProviderStaff, person: PortalPerson) -> None:
    entries = tuple(entry.id for entry in reach.entries_of(session, manager.id))
    invitee = Invitee(
        person.given_name, person.family_name, person.email, _PHONE,
        (PortalFunction.REMITTANCES, PortalFunction.ELIGIBILITY), entries,
    )  # fmt: skip
    sent = invitations.invite(session, manager, invitee, key=settings.secret_key)
    account = portal_accounts.open_account(session, person, settings)
    staff = invitations.accept_as_owner(session, sent, account)
    portal_accounts.accept_terms(session, person, staff, settings)
