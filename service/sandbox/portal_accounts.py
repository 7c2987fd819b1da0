"""Opens the accounts of the sandbox's portal people, each with what their first page would ask for already done."""

from sqlalchemy.orm import Session

from service.accounts import opening, passwords, second_factors
from service.accounts.authentication import find_by_username
from service.accounts.models import Account
from service.plan.models import ProviderStaff
from service.plan.registering import terms
from service.sandbox import codes
from service.sandbox.portal_people import PortalPerson
from service.sandbox.sign_ins import PASSWORD
from service.settings import Settings


def is_open(session: Session, person: PortalPerson) -> bool:
    """Whether the account is there already."""
    return find_by_username(session, person.username) is not None


def open_account(session: Session, person: PortalPerson, settings: Settings) -> Account:
    """Open the account, with an authenticator app where the person has one."""
    newcomer = opening.NewPerson(given_name=person.given_name, family_name=person.family_name, email=person.email)
    account = opening.open_account(
        session, newcomer, username=person.username, password_hash=passwords.make_hash(PASSWORD)
    )
    if person.has_factor:
        secret = codes.secret_of(settings, person.username)
        second_factors.install(session, settings.secret_key, account, secret)
    return account


def accept_terms(session: Session, person: PortalPerson, staff: ProviderStaff, settings: Settings) -> None:
    """Accept what the plan asks of this login, so that its first page is home."""
    if not person.accepts_terms:
        return
    for text in terms.outstanding(session, staff, settings.plan.terms):
        terms.accept(session, staff.account_id, text)
