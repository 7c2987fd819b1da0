"""Who may act for which member: links made by plan staff, ended by date, majority, death, staff or the member."""

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, Select, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from consent import grant_ends
from consent.birthdays import majority, twelfth_birthday
from consent.link_refusals import (
    CircularLink,
    ConfidentialMember,
    LinkedAlready,
    LivingMember,
    MergedRecord,
    MinorsPermission,
    NoTimeLeft,
    PastMajority,
    SelfLink,
    ShutOut,
)  # fmt: skip
from consent.link_standing import is_current, not_over, standing_now
from consent.models import Basis, EndedBy, LinkScope, PersonalRepresentative, RepresentativeLink
from service import audit
from service.accounts.models import Account
from service.clock import now
from service.db import Instant, new_id
from service.plan.members import roster
from service.plan.members.roster import same_name
from service.plan.models import Member

VOLUNTARY = frozenset({Basis.POWER_OF_ATTORNEY, Basis.PERMISSION})
"""What a member who is able may take back alone; the others rest on law or a court."""
_LINKING_LOCK = 7_340_052
"""Beside that of `fhir.storage.writing`."""


class AlreadyRegistered(Exception):
    """This Personal Representative ID has an account already."""


class RightOver(Exception):
    """The right that stood when the page was made stands no more, or is another."""


@dataclass(frozen=True)
class MemberChoice:
    """A member somebody may act for; `link` is None when it is themselves."""

    member: Member
    link: RepresentativeLink | None

    @property
    def is_self(self) -> bool:
        """Whether this is the person's own record."""
        return self.link is None

    def is_current(self, at: datetime) -> bool:
        """Whether the right stands at that moment."""
        return self.link is None or is_current(self.link, at)


def members_for(session: Session, account: Account) -> list[MemberChoice]:
    """The members this account may act for now: its own record first, then the linked ones by name."""
    own = _own(session, account)
    linked = sorted(_current_links(session, account), key=lambda link: link.member.full_name)
    choices = [MemberChoice(link.member, link) for link in linked]
    return [MemberChoice(own, None), *choices] if own else choices


def right_for(session: Session, account: Account, member_id: str) -> MemberChoice | None:
    """The right of this account for one member, as it stands now; None when there is none."""
    # The own record goes before any link to it, so that links need not be looked for.
    if account.member_id == member_id and (own := _own(session, account)):
        return MemberChoice(own, None)
    return next((choice for choice in members_for(session, account) if choice.member.id == member_id), None)


def find_by_number(
    session: Session, *, number: str, family_name: str, birth_date: date
) -> PersonalRepresentative | None:
    """The representative without an account yet whose Personal Representative ID, name and birth date all match."""
    wanted = normal_number(number)
    found = session.scalar(select(PersonalRepresentative).where(PersonalRepresentative.number == wanted))
    if found is None or found.account_id is not None:
        return None
    return found if same_name(found.family_name, family_name) and found.birth_date == birth_date else None


def normal_number(number: str) -> str:
    """A Personal Representative ID as stored: upper case, without spaces and hyphens."""
    folded = unicodedata.normalize("NFKC", number).upper()
    return "".join(letter for letter in folded if letter.isascii() and letter.isalnum())


def attach_account(session: Session, representative: PersonalRepresentative, account: Account) -> None:
    """Join a representative to the account they registered; raises AlreadyRegistered when somebody was faster."""
    statement = (
        update(PersonalRepresentative)
        .where(PersonalRepresentative.id == representative.id, PersonalRepresentative.account_id.is_(None))
        .values(account_id=account.id)
    )
    if cast(CursorResult[Any], session.execute(statement)).rowcount != 1:
        raise AlreadyRegistered
    audit.record(session, "consent:representative:register", account_id=account.id)


def attach_member(session: Session, account: Account) -> None:
    """Join a member who registers to the representative they were already entered as, if they were."""
    mine = PersonalRepresentative.member_id == account.member_id
    waiting = select(PersonalRepresentative).where(mine, PersonalRepresentative.account_id.is_(None))
    if account.member_id and (found := session.scalar(waiting)) is not None:
        attach_account(session, found, account)


def representative_of(session: Session, account: Account) -> PersonalRepresentative | None:
    """The representative that this account is."""
    return session.scalar(select(PersonalRepresentative).where(PersonalRepresentative.account_id == account.id))


def acting_for(session: Session, member: Member) -> list[RepresentativeLink]:
    """The links by which others act for this member now, the longest standing first."""
    standing = (RepresentativeLink.member_id == member.id, *standing_now())
    statement = select(RepresentativeLink).where(*standing).order_by(RepresentativeLink.valid_from).limit(200)
    return list(session.scalars(statement).unique())


def represented_by(session: Session, account: Account) -> list[RepresentativeLink]:
    """The links by which this account acts for others now or will from a later day, by the members' names."""
    mine = (PersonalRepresentative.account_id == account.id, *not_over())
    statement = select(RepresentativeLink).join(RepresentativeLink.representative).where(*mine).limit(200)
    return sorted(session.scalars(statement).unique(), key=lambda link: link.member.full_name)


def links_of(session: Session, member: Member) -> list[RepresentativeLink]:
    """Every link of a member for plan staff, those over and shut out among them, the latest first."""
    of_member = RepresentativeLink.member_id == member.id
    statement = select(RepresentativeLink).where(of_member).order_by(RepresentativeLink.created_at.desc())
    return list(session.scalars(statement.limit(200)).unique())


def find_link(session: Session, related_person_id: str) -> RepresentativeLink | None:
    """The link with this outward id."""
    return session.scalar(select(RepresentativeLink).where(RepresentativeLink.related_person_id == related_person_id))


def hold(session: Session, choice: MemberChoice) -> None:
    """Keep the right as it is until this transaction ends; raises RightOver where it is not what it was any more."""
    if choice.link is None:
        return
    version = choice.link.version
    _take(session, choice.link)
    if choice.link.version != version or not choice.is_current(now()):
        raise RightOver


def link(
    session: Session,
    representative: PersonalRepresentative,
    member: Member,
    *,
    basis: Basis,
    timezone: ZoneInfo,
    scope: LinkScope = LinkScope.ALL,
    evidence: str = "",
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    by_account_id: str | None = None,
) -> RepresentativeLink:
    """Let `representative` act for `member` from now (or `valid_from`) on; raises LinkRefused.

    A link to a minor, whoever acts, leaves out very personal topics from midnight (the plan's `timezone`) of the 12th
    birthday on, and ends at midnight of the 18th.
    """
    session.flush()
    _take_turn(session)
    # What a load or a merge changes at this moment counts: it waits for this link, or this link for it.
    session.refresh(member, with_for_update={"read": True})
    require_linkable(session, representative, member, basis)
    grown_up, begins = majority(member.birth_date, timezone), max(valid_from or now(), now())
    bounded = is_childs(member, basis, timezone)
    if basis is Basis.PARENT and not bounded:
        raise PastMajority
    if basis is Basis.PERMISSION and bounded:
        raise MinorsPermission
    if bounded:
        valid_until = min(grown_up, valid_until) if valid_until else grown_up
    if valid_until is not None and valid_until <= begins:
        raise NoTimeLeft
    made = RepresentativeLink(
        representative=representative, representative_id=representative.id, member=member, member_id=member.id,
        basis=basis, scope=scope, evidence=evidence, valid_from=begins, valid_until=valid_until,
        narrows_at=twelfth_birthday(member.birth_date, timezone) if bounded else None,
    )  # fmt: skip
    session.add(made)
    session.flush()
    _know_as_person(session, representative)
    _record(session, made, "link", by_account_id)
    return made


def is_childs(member: Member, basis: Basis, timezone: ZoneInfo) -> bool:
    """Whether a link on that basis is one of a minor, which narrows and ends with birthdays."""
    return majority(member.birth_date, timezone) > now() and basis is not Basis.EXECUTOR


def require_linkable(session: Session, representative: PersonalRepresentative, member: Member, basis: Basis) -> None:
    """Raise LinkRefused where these two must not be linked on that basis."""
    if member.merged_into_id is not None:
        raise MergedRecord
    own = _own_record(session, representative)
    if own is not None and own.id == member.id:
        raise SelfLink
    _require_no_other(session, representative, member)
    require_open_to(member, basis)
    if own is not None and _acts_for(session, member, own):
        raise CircularLink


def require_open_to(member: Member, basis: Basis) -> None:
    """Raise LinkRefused where nobody at all may be linked to the member on that basis."""
    if (member.confidential or member.deceased_on) and basis is not Basis.EXECUTOR:
        raise ConfidentialMember
    if basis is Basis.EXECUTOR and member.deceased_on is None:
        raise LivingMember


def limit(session: Session, standing: RepresentativeLink, scope: LinkScope, *, by_account_id: str | None) -> None:
    """Change how much a link covers; grants under the older version end with it."""
    _lock(session, standing)
    standing.scope = scope
    _raise_version(session, standing, now(), covers_less=True)
    _record(session, standing, "limit", by_account_id)


def shorten(session: Session, standing: RepresentativeLink, *, valid_until: datetime, narrows_at: datetime) -> bool:
    """Let a link be over, and leave out very personal topics, no later than then; whether that changed anything.

    Grants under the older version end with it. A link that has come to its end so ends now.
    """
    _lock(session, standing)
    ends = min(valid_until, standing.valid_until or valid_until)
    narrows = min(narrows_at, standing.narrows_at or narrows_at)
    if standing.ended_at is not None or (standing.valid_until, standing.narrows_at) == (ends, narrows):
        return False
    # Never before it began: a right that should not have been is over at once.
    standing.valid_until, standing.narrows_at = max(ends, standing.valid_from), narrows
    if standing.valid_until <= max(now(), standing.valid_from):
        _end(session, standing, now(), by=EndedBy.TIME, covers_less=True)
    else:
        _raise_version(session, standing, now(), covers_less=True)
        _record(session, standing, "shorten", None)
    return True


def block(session: Session, standing: RepresentativeLink, *, by_account_id: str | None, reason: str = "") -> None:
    """Stop treating this person as representative, silently (45 CFR 164.502(g)(5)); a privacy officer reviews it.

    What they had let in ends with it, and as silently.
    """
    _lock(session, standing)
    standing.safety_block = True
    standing.blocked_at, standing.blocked_by_account_id, standing.block_reason = now(), by_account_id, reason
    standing.block_reviewed_at = None
    _raise_version(session, standing, standing.blocked_at)
    _record(session, standing, "block", by_account_id)


def end_link(
    session: Session, standing: RepresentativeLink, *, by: EndedBy, by_account_id: str | None = None,
    at: datetime | None = None,
) -> None:  # fmt: skip
    """End a link and its grants: context and tokens are refused from the next request on. Twice is no error."""
    _lock(session, standing)
    if standing.ended_at is None:
        _end(session, standing, at or now(), by=by, by_account_id=by_account_id)


def _take_turn(session: Session) -> None:
    """One link after another: what is asked of two people's links before the next one has no row to be held."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LINKING_LOCK)))


def _own(session: Session, account: Account) -> Member | None:
    own = session.get(Member, account.member_id) if account.member_id else None
    # A record that is part of another is nobody's own any more.
    return own if own and own.merged_into_id is None else None


def _current_links(session: Session, account: Account) -> list[RepresentativeLink]:
    return list(session.scalars(_links_of_account(), {"account_id": account.id, "moment": now()}).unique())


@cache
def _links_of_account() -> Select[RepresentativeLink]:
    """Every page of somebody signed in asks for them: made once, at first use, when all tables are known."""
    return (
        select(RepresentativeLink)
        .join(RepresentativeLink.representative)
        .where(
            PersonalRepresentative.account_id == bindparam("account_id"),
            *standing_now(bindparam("moment", type_=Instant)),
        )
        .limit(200)
    )


def _lock(session: Session, standing: RepresentativeLink) -> None:
    session.flush()
    _take(session, standing)


def _take(session: Session, standing: RepresentativeLink) -> None:
    # Rows may go on to refer to it: who pauses an app holds the grant and writes of the link, who ends the link waits
    # for the grant.
    session.refresh(standing, with_for_update={"of": RepresentativeLink, "key_share": True})


def _end(
    session: Session, standing: RepresentativeLink, at: datetime, *, by: EndedBy, by_account_id: str | None = None,
    covers_less: bool = False,
) -> None:  # fmt: skip
    standing.ended_at, standing.ended_by = at, by
    _raise_version(session, standing, at, covers_less=covers_less)
    _record(session, standing, "end", by_account_id)


def _raise_version(
    session: Session, standing: RepresentativeLink, at: datetime, *, covers_less: bool = False
) -> None:  # fmt: skip
    """What was given under the older version is void from `at` on; its row says so from this transaction on."""
    standing.version, standing.changed_at = standing.version + 1, now()
    grant_ends.end_with(session, standing, at, covers_less=covers_less)


def _know_as_person(session: Session, representative: PersonalRepresentative) -> None:
    """Who acts for a second member is one FHIR Person from now on."""
    mine = (RepresentativeLink.representative_id == representative.id, *not_over())
    members = session.scalars(select(func.count(RepresentativeLink.member_id.distinct())).where(*mine)).one()
    if members > 1 and representative.person_id is None:
        representative.person_id = new_id()
        session.flush()


def _require_no_other(session: Session, representative: PersonalRepresentative, member: Member) -> None:
    theirs = RepresentativeLink.representative_id == representative.id
    # A block outlives its link, and the record it was set for.
    of_them = RepresentativeLink.member_id.in_(roster.parts(session, member))
    blocked = (RepresentativeLink.safety_block.is_(True), of_them)
    if session.scalar(select(RepresentativeLink.id).where(theirs, *blocked).limit(1)):
        raise ShutOut
    standing = (RepresentativeLink.member_id == member.id, RepresentativeLink.ended_at.is_(None))
    earlier = session.scalars(select(RepresentativeLink).where(theirs, *standing))
    for one in earlier.unique():
        if one.valid_until is None or one.valid_until > now():
            raise LinkedAlready


def _own_record(session: Session, representative: PersonalRepresentative) -> Member | None:
    """The record of the representative as a member, which is that of a person even after merges."""
    account = session.get(Account, representative.account_id) if representative.account_id else None
    own_id = representative.member_id or (account.member_id if account else None)
    return roster.surviving(session, session.get_one(Member, own_id)) if own_id else None


def _acts_for(session: Session, acting: Member, member: Member) -> bool:
    """Whether the person whose record is `acting` stands as representative of `member`."""
    theirs = roster.parts(session, acting)
    statement = (
        select(RepresentativeLink.id)
        .join(RepresentativeLink.representative)
        .outerjoin(Account, Account.id == PersonalRepresentative.account_id)
        .where(
            or_(PersonalRepresentative.member_id.in_(theirs), Account.member_id.in_(theirs)),
            RepresentativeLink.member_id == member.id,
            RepresentativeLink.ended_at.is_(None),
        )
        .limit(1)
    )
    return session.scalar(statement) is not None


def _record(session: Session, link: RepresentativeLink, action: str, by_account_id: str | None) -> None:
    audit.record(
        session, f"consent:representative_link:{action}", account_id=by_account_id, member_id=link.member_id,
        link_id=link.id, detail={"basis": link.basis, "scope": link.scope},
    )  # fmt: skip
