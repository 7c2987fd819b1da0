"""What member services see of a member: the login, apps, representatives and mails; of health data, counts by kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import LazyString
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import data_types, grants, representatives
from consent.models import RepresentativeLink
from consent.policy import staff_support
from fhir import store
from oauth.apps import connections
from oauth.apps.connections import Connection
from service import mail
from service.accounts import authentication
from service.accounts.models import Account, AccountStatus
from service.clock import now
from service.plan.models import Member, PlanStaff, SupportLook
from service.settings import Settings

_LATELY = timedelta(days=30)


@dataclass(frozen=True)
class LoginSeen:
    """The member's login; `locked`: browsers it does not know are refused for now."""

    username: str
    active: bool
    locked: bool
    verified: bool
    created_at: datetime
    last_signed_in_at: datetime | None


@dataclass(frozen=True)
class MailSeen:
    """A mail that was sent or waits."""

    at: datetime
    subject: str
    state: str


@dataclass(frozen=True)
class MemberSeen:
    """One page. `reads`: how often each app read lately, by grant; `kinds`: how many records of each kind there are."""

    login: LoginSeen | None
    live: list[Connection]
    paused: list[Connection]
    former: list[Connection]
    reads: dict[str, int]
    links: list[RepresentativeLink]
    kinds: list[tuple[LazyString, int]]
    mails: list[MailSeen]

    @property
    def count(self) -> int:
        """How many records the counts tell of, for the audit row."""
        return sum(number for _name, number in self.kinds)


def read(session: Session, look: SupportLook, staff: PlanStaff, settings: Settings) -> MemberSeen:
    """Everything the page shows; the caller writes the audit row before it is sent."""
    account = find_account(session, look.member)
    every = connections.list_of_member(session, look.member, settings.plan)
    return MemberSeen(
        login=_login(session, account) if account else None,
        live=connections.live(every),
        paused=connections.paused(every),
        former=connections.former(every),
        reads=grants.reads_since(session, [one.grant.id for one in every], now() - _LATELY),
        links=representatives.acting_for(session, look.member),
        kinds=_kinds(store.counts(session, staff_support(look, staff))),
        mails=_mails(session, account, settings) if account else [],
    )


def find_account(session: Session, member: Member) -> Account | None:
    """The member's own login, if they have one."""
    return session.scalar(select(Account).where(Account.member_id == member.id))


def _login(session: Session, account: Account) -> LoginSeen:
    return LoginSeen(
        username=account.username,
        active=account.status is AccountStatus.ACTIVE,
        locked=authentication.is_locked(session, account),
        verified=account.email_verified_at is not None,
        created_at=account.created_at,
        last_signed_in_at=account.last_signed_in_at,
    )


def _kinds(counts: dict[str, int]) -> list[tuple[LazyString, int]]:
    every = ((kind.name, _sum(counts, kind.resource_types)) for kind in data_types.DATA_TYPES)
    return [(name, number) for name, number in every if number]


def _sum(counts: dict[str, int], types: Iterable[str]) -> int:
    return sum(counts.get(one, 0) for one in types)


def _mails(session: Session, account: Account, settings: Settings) -> list[MailSeen]:
    # What was sent there before the address became this account's was somebody else's.
    found = mail.list_recent(session, account.email, since=account.email_verified_at or account.created_at)
    return [MailSeen(one.created_at, mail.subject_of(one, settings), one.state.value) for one in found]
