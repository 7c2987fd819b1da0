"""Signing up as a developer: who, for which organisation, at a proven e-mail address (product.md AP 1)."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import developers
from oauth.apps.models import Developer, PendingDeveloper
from service import mail
from service.accounts import enrolling, throttling
from service.accounts.email_codes import Flow
from service.accounts.enrolling import Credentials, Letter
from service.accounts.models import Account, EmailProof
from service.accounts.opening import NewPerson
from service.accounts.password_reset import ProofOver
from service.accounts.passwords import Rule
from service.clock import now
from service.single_use import spend

LIFE = timedelta(minutes=30)
PER_NETWORK = 10
_HOUR, _DAY = 3_600, 86_400
_OF_EVERYBODY = frozenset(
    {"aol.com", "gmail.com", "gmx.com", "hotmail.com", "icloud.com", "outlook.com", "proton.me", "yahoo.com"}
)
"""Where anybody can have an address: it proves nothing of whose the domain is."""


class TooManySignUps(Exception):
    """Many sign-ups came from this network within the hour (case 165)."""


@dataclass(frozen=True)
class Newcomer:
    """Who signs up, and for which organisation; the terms of this version were accepted."""

    given_name: str
    family_name: str
    organization_name: str
    website: str
    terms_version: str


def begin(session: Session, newcomer: Newcomer, *, browser_id: str, network: str, plan_name: str) -> PendingDeveloper:
    """A sign-up under way in this browser. Raises TooManySignUps, NameRefused."""
    developers.require_name(newcomer.organization_name, plan_name=plan_name)
    _count(session, network)
    moment = now()
    pending = PendingDeveloper(
        browser_id=browser_id, given_name=newcomer.given_name, family_name=newcomer.family_name,
        organization_name=newcomer.organization_name, website=newcomer.website, terms_version=newcomer.terms_version,
        created_at=moment, expires_at=moment + LIFE,
    )  # fmt: skip
    session.add(pending)
    session.flush()
    return pending


def find_pending(session: Session, browser_id: str) -> PendingDeveloper | None:
    """The sign-up under way in this browser."""
    return session.scalar(
        select(PendingDeveloper)
        .where(
            PendingDeveloper.browser_id == browser_id, PendingDeveloper.spent_at.is_(None),
            PendingDeveloper.expires_at > now(),
        )
        .order_by(PendingDeveloper.created_at.desc())
        .limit(1)
    )  # fmt: skip


def send_code(session: Session, pending: PendingDeveloper, address: str, flow: Flow, *, network: str) -> None:
    """Send a code to the address; for one that has an account the page is the same and the mail says so."""
    letter = Letter("developer_code", "en", "developer_registration")
    owner = enrolling.send_code(session, pending, address, flow, letter, network=network)
    if owner is not None and throttling.hit(session, f"register:told:{owner.id}", 1, _DAY):
        mail.enqueue(
            session, to=owner.email, template="developer_tried", given_name=owner.given_name, at=now()
        )  # fmt: skip


def finish(
    session: Session, pending: PendingDeveloper, proof: EmailProof, *, username: str, password: str, rule: Rule
) -> Account:
    """Open the account and found the organisation. Raises WeakPassword, UnusableUsername or ProofOver.

    Ends the running transaction before it hashes, as `enrolling.hash_password` says; nothing was changed yet.
    """
    own_rule = rule.also(*own_names(pending, username))
    made = enrolling.hash_password(session, Credentials(username, password, own_rule))
    person = NewPerson(pending.given_name, pending.family_name, pending.email)
    account = enrolling.open_account(session, person, proof, username=username, password_hash=made)
    if not spend(session, PendingDeveloper, PendingDeveloper.id == pending.id):
        raise ProofOver
    _found(session, account, pending.organization_name, pending.website, pending.terms_version)
    return account


def join_with_account(
    session: Session, account: Account, *, organization_name: str, website: str, terms_version: str, network: str,
    plan_name: str,
) -> Developer:  # fmt: skip
    """Found an organisation with the account somebody has already. Raises TooManySignUps, IsDeveloper, NameRefused."""
    developers.require_name(organization_name, plan_name=plan_name)
    _count(session, network)
    return _found(session, account, organization_name, website, terms_version)


def own_names(pending: PendingDeveloper, username: str) -> list[str]:
    """The names that this person's password must not hold."""
    return [username, pending.email.partition("@")[0], pending.given_name, pending.family_name]


def proven_domain(email: str, website: str) -> str | None:
    """The website's domain, where the proven address belongs to it; members are shown no other."""
    at, host = email.rpartition("@")[2].casefold(), (urlsplit(website).hostname or "").removeprefix("www.")
    return host if host == at and at not in _OF_EVERYBODY else None


def _found(session: Session, account: Account, name: str, website: str, terms_version: str) -> Developer:
    domain = proven_domain(account.email, website)
    made = developers.found(
        session, account, name=name, website=website, domain=domain, terms_version=terms_version
    )  # fmt: skip
    mail.enqueue(
        session, to=account.email, template="developer_welcome", given_name=account.given_name, organization=name,
        at=now(),
    )  # fmt: skip
    return made


def _count(session: Session, network: str) -> None:
    if not throttling.hit(session, f"developer:network:{network}", PER_NETWORK, _HOUR):
        raise TooManySignUps
