"""Registration: who may open an account, and the steps there (product.md MC 1).

A member is matched with the roster, a representative who is no member with their Personal Representative ID. Whoever is
not matched, or has an account already, gets the same neutral answer; the owner of that account is told by mail.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import representatives
from consent.models import PersonalRepresentative
from service import audit
from service.accounts import enrolling, notifications, opening, throttling
from service.accounts.email_codes import Flow
from service.accounts.enrolling import Credentials, Letter
from service.accounts.models import Account, EmailProof, PendingRegistration
from service.accounts.opening import NewPerson
from service.accounts.password_reset import ProofOver
from service.accounts.passwords import Rule
from service.clock import now
from service.plan.members import roster
from service.plan.models import Member
from service.single_use import spend

LIFE = timedelta(minutes=30)
PER_NETWORK, PER_NUMBER = 30, 5
_HOUR, _DAY = 3_600, 86_400


class NotMatched(Exception):
    """No such person, too many tries, or an account exists: one neutral answer for all."""


class OutOfScope(Exception):
    """The member's line of business is not served here."""


@dataclass(frozen=True)
class Origin:
    """Where a registration comes from and where it goes on to."""

    browser_id: str
    network: str
    language: str
    following: str


@dataclass(frozen=True)
class MemberProof:
    """What a member tells about themselves."""

    member_number: str
    family_name: str
    birth_date: date
    zip_code: str


def begin_as_member(
    session: Session, proof: MemberProof, origin: Origin, *, out_of_scope: tuple[str, ...]
) -> PendingRegistration:
    """Match a member with the roster; raises NotMatched or OutOfScope."""
    keys = _count(session, proof.member_number.strip().upper(), origin)
    member = roster.find_by_proof(
        session, member_number=proof.member_number, family_name=proof.family_name, birth_date=proof.birth_date,
        zip_code=proof.zip_code,
    )  # fmt: skip
    if member is None or keys is None or member.deceased_on is not None:
        _record(session, audit.Outcome.REFUSED)
        raise NotMatched
    _forgive(session, keys)
    if member.line_of_business in out_of_scope:
        raise OutOfScope
    owner = opening.find_by_member(session, member.id)
    if owner is not None:
        _tell_owner(session, owner)
        raise NotMatched
    return _begin(session, origin, member=member)


def begin_as_representative(
    session: Session, number: str, family_name: str, birth_date: date, origin: Origin
) -> PendingRegistration:
    """Match a representative who is no member with their Personal Representative ID; raises NotMatched."""
    keys = _count(session, representatives.normal_number(number), origin)
    found = representatives.find_by_number(session, number=number, family_name=family_name, birth_date=birth_date)
    if found is None or keys is None:
        _record(session, audit.Outcome.REFUSED)
        raise NotMatched
    _forgive(session, keys)
    return _begin(session, origin, representative=found)


def find_pending(session: Session, browser_id: str) -> PendingRegistration | None:
    """The registration under way in this browser."""
    return session.scalar(
        select(PendingRegistration)
        .where(
            PendingRegistration.browser_id == browser_id, PendingRegistration.spent_at.is_(None),
            PendingRegistration.expires_at > now(),
        )
        .order_by(PendingRegistration.created_at.desc())
        .limit(1)
    )  # fmt: skip


def find_finished(session: Session, browser_id: str) -> PendingRegistration | None:
    """The registration that ended with an account in this browser within its half hour."""
    return session.scalar(
        select(PendingRegistration)
        .where(
            PendingRegistration.browser_id == browser_id, PendingRegistration.spent_at.is_not(None),
            PendingRegistration.expires_at > now(),
        )
        .order_by(PendingRegistration.created_at.desc())
        .limit(1)
    )  # fmt: skip


def send_code(session: Session, pending: PendingRegistration, address: str, flow: Flow, *, network: str) -> None:
    """Send a code to the address; for one that has an account the page is the same and the mail says so."""
    letter = Letter("registration_code", pending.language, "registration")
    owner = enrolling.send_code(session, pending, address, flow, letter, network=network)
    if owner is not None:
        _tell_owner(session, owner)


def finish(
    session: Session, pending: PendingRegistration, proof: EmailProof, *, username: str, password: str, rule: Rule
) -> Account:
    """Open the account. Raises WeakPassword, UnusableUsername or ProofOver.

    Ends the running transaction before it hashes, so that the database is not held meanwhile; nothing was changed yet.
    """
    own_rule = rule.also(*own_names(pending, username))
    made = enrolling.hash_password(session, Credentials(username, password, own_rule))
    person = NewPerson(pending.given_name, pending.family_name, pending.email, pending.member_id, pending.language)
    if _was_overtaken(session, pending):
        raise ProofOver
    account = enrolling.open_account(session, person, proof, username=username, password_hash=made)
    if not spend(session, PendingRegistration, PendingRegistration.id == pending.id):
        raise ProofOver
    _attach_representative(session, pending, account)
    notifications.welcome(session, account)
    return account


def own_names(pending: PendingRegistration, username: str) -> list[str]:
    """The names that this person's password must not hold."""
    return [username, pending.email.partition("@")[0], pending.given_name, pending.family_name]


def _count(session: Session, number: str, origin: Origin) -> tuple[str, str] | None:
    """Count the try by address and by the number as it is looked up; None when there were too many."""
    keys = (f"register:network:{origin.network}", f"register:number:{throttling.hidden(number)}")
    within = [
        throttling.hit(session, key, limit, _HOUR) for key, limit in zip(keys, (PER_NETWORK, PER_NUMBER), strict=True)
    ]
    return keys if all(within) else None


def _forgive(session: Session, keys: tuple[str, str]) -> None:
    for key in keys:
        throttling.give_back(session, key)


def _begin(
    session: Session,
    origin: Origin,
    *,
    member: Member | None = None,
    representative: PersonalRepresentative | None = None,
) -> PendingRegistration:
    person = member or representative
    assert person is not None
    moment = now()
    pending = PendingRegistration(
        browser_id=origin.browser_id, member_id=member.id if member else None,
        representative_id=representative.id if representative else None, given_name=person.given_name,
        family_name=person.family_name, language=origin.language, next_path=origin.following, created_at=moment,
        expires_at=moment + LIFE,
    )  # fmt: skip
    session.add(pending)
    session.flush()
    _record(session, audit.Outcome.SUCCESS, pending.member_id)
    return pending


def _tell_owner(session: Session, owner: Account) -> None:
    if throttling.hit(session, f"register:told:{owner.id}", 1, _DAY):
        notifications.registration_tried(session, owner)


def _was_overtaken(session: Session, pending: PendingRegistration) -> bool:
    """Whether the person got an account since the first step."""
    if pending.member_id is not None:
        return opening.find_by_member(session, pending.member_id) is not None
    found = session.get(PersonalRepresentative, pending.representative_id)
    return found is None or found.account_id is not None


def _attach_representative(session: Session, pending: PendingRegistration, account: Account) -> None:
    if pending.representative_id is None:
        representatives.attach_member(session, account)
        return
    found = session.get(PersonalRepresentative, pending.representative_id)
    if found is None:
        raise ProofOver
    try:
        representatives.attach_account(session, found, account)
    except representatives.AlreadyRegistered:
        raise ProofOver from None


def _record(session: Session, outcome: audit.Outcome, member_id: str | None = None) -> None:
    audit.record(session, "member:registration:match", outcome=outcome, member_id=member_id)
