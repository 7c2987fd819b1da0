"""The billing firm of the sandbox's portal, and what became of its requests to four clients."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import authorization_answers, authorization_requests
from consent.authorization_answers import Limits
from consent.authorization_requests import FUNCTIONS, Mailing, Wanted
from consent.billing_models import AuthorizationRequest
from consent.named_contacts import NamedContact, contacts_on_file
from service import mail
from service.clock import now
from service.mail import OutboxMail
from service.plan.logins import invitations
from service.plan.logins.invitations import Invitee
from service.plan.models import PaymentMethod, PortalFunction, ProviderGroup, ProviderStaff
from service.plan.providers import numbers
from service.plan.registering import registration, registration_end
from service.plan.registering.registration import Contact
from service.sandbox import fresh_payments, portal_accounts
from service.sandbox.plan import identifiers
from service.sandbox.portal_offices import NETWORK
from service.sandbox.portal_people import NADIA, OMAR, PortalPerson
from service.sandbox.provider_groups import Payee, payees
from service.settings import Settings

NAME = "Summit Billing Services LLC"
APPROVED = "Rivermont Community Clinic"
APPROVED_BY_DATES = "Cedar Point Behavioral Health"
ASKED = "Larkspur Women's Health"
AWAITING_PLAN = "Ashford Heart Associates"
_PLACE_OF_TAX_ID = 200
_PHONE = "555-230-0110"


def tax_id() -> str:
    """The firm's own Tax ID, its nine digits."""
    return numbers.tax_id(identifiers.tax_id(_PLACE_OF_TAX_ID))


def open_missing(session: Session, settings: Settings) -> None:
    """Register the firm and send its requests, if it is not there yet."""
    if portal_accounts.is_open(session, NADIA):
        return
    mailing = Mailing(settings.secret_key, NETWORK, settings.plan.provider.proof_days)
    by_name = {payee.name: payee for payee in payees()}
    delegate = _register(session, settings)
    _invite(session, settings, delegate, OMAR)
    every = frozenset(FUNCTIONS)
    _allow(session, settings, _ask(session, delegate, by_name[APPROVED], mailing), Limits(every))
    year = now().year
    limits = Limits(
        frozenset({PortalFunction.REMITTANCES, PortalFunction.CLAIMS}), date(year - 1, 1, 1), date(year, 12, 31)
    )
    _allow(session, settings, _ask(session, delegate, by_name[APPROVED_BY_DATES], mailing), limits)
    _ask(session, delegate, by_name[ASKED], mailing)
    _ask_unknown_contact(session, delegate, by_name[AWAITING_PLAN], mailing)


def _register(session: Session, settings: Settings) -> ProviderStaff:
    begun = registration.begin_as_billing(session, NAME, tax_id(), browser_id=NADIA.username, network=NETWORK)
    registration.give_contact(session, begun, Contact(NADIA.given_name, NADIA.family_name, _PHONE))
    account = portal_accounts.open_account(session, NADIA, settings)
    staff = registration_end.finish_with_account(session, begun, account, phone=_PHONE, key=settings.secret_key)
    portal_accounts.accept_terms(session, NADIA, staff, settings)
    return staff


def _invite(session: Session, settings: Settings, delegate: ProviderStaff, person: PortalPerson) -> None:
    functions = (PortalFunction.REMITTANCES, PortalFunction.CLAIMS, PortalFunction.ACCESS)
    invitee = Invitee(person.given_name, person.family_name, person.email, _PHONE, functions)
    sent = invitations.invite(session, delegate, invitee, key=settings.secret_key)
    account = portal_accounts.open_account(session, person, settings)
    staff = invitations.accept_as_owner(session, sent, account)
    portal_accounts.accept_terms(session, person, staff, settings)


def _ask(session: Session, staff: ProviderStaff, payee: Payee, mailing: Mailing) -> AuthorizationRequest:
    """Ask the contact on the plan's file, with a payment of the client in hand."""
    group = _group(session, payee)
    on_file = contacts_on_file(session, group.id)[0]
    paid = fresh_payments.newest(session, payee, PaymentMethod.CHECK)
    wanted = Wanted(
        payee.tax_id, paid.number if paid else None, group.id, frozenset(FUNCTIONS),
        NamedContact(on_file.name, on_file.email, on_file.phone),
    )  # fmt: skip
    return authorization_requests.ask(session, staff, wanted, mailing)


def _ask_unknown_contact(session: Session, staff: ProviderStaff, payee: Payee, mailing: Mailing) -> None:
    """Without a payment and with somebody who is not on file: plan staff look at the contact first."""
    contact = NamedContact("Vera Lund", "vera.lund@ashfordheart.example", "555-210-0177")
    wanted = Wanted(payee.tax_id, None, _group(session, payee).id, frozenset(FUNCTIONS), contact)
    authorization_requests.ask(session, staff, wanted, mailing)


def _allow(session: Session, settings: Settings, request: AuthorizationRequest, limits: Limits) -> None:
    """Say yes as the contact does: with the secret of the mail that waits for them."""
    session.flush()
    theirs = (OutboxMail.recipient == request.contact_email, OutboxMail.template == "billing_authorization")
    sent = session.scalars(select(OutboxMail).where(*theirs).order_by(OutboxMail.id.desc()).limit(1)).one()
    secret = mail.unseal(settings.secret_key, sent.context["sealed_secret"])
    authorization_answers.allow(session, secret, limits, account_id=None)


def _group(session: Session, payee: Payee) -> ProviderGroup:
    return session.scalars(select(ProviderGroup).where(ProviderGroup.number == payee.number)).one()
