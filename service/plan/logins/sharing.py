"""Signs that several people use one login of the portal (security.md 140): shown, asked about, never blocked.

Two devices in use at one time, many new devices within a week, or activity around the clock. Each is shown to the
organisation's delegates and to plan staff, and the account's next sign-in shows its factor or an e-mailed code. Whoever
is at work goes on working. Devices are told apart by a cookie of their own; where on the map they are is not known.
"""

from collections import defaultdict
from datetime import datetime, timedelta

import structlog
from sqlalchemy import BigInteger, ColumnElement, func, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, sessionmaker

from service.accounts.models import CodeReason, KnownDevice, LoginSession
from service.accounts.sessions import require_code
from service.clock import now
from service.plan.logins import delegates, portal_mail, portal_staff
from service.plan.logins.delegates import UnknownLogin
from service.plan.models import ProviderStaff, SharingKind, SharingSign, StaffStatus
from service.plan_file import Plan
from service.settings import Settings

WINDOW = timedelta(hours=24)
WEEK = timedelta(days=7)
TOGETHER = timedelta(minutes=1)
"""How long a device must still be used after another was signed in, to count as used at one time."""
BUSY_HOURS = 20
"""Hours of the last 24 with activity, from which on nobody slept."""
_MOST = 500
log = structlog.get_logger("service.plan.logins.sharing")


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The worker's job: look for signs and write them down."""
    with sessions.begin() as session:
        look(session, settings.plan)


def look(session: Session, plan: Plan) -> int:
    """Write down every sign that was not seen within a week before; how many."""
    found = {
        SharingKind.TWO_DEVICES: _two_devices(session),
        SharingKind.MANY_DEVICES: _many_devices(session, plan.sharing_new_devices_a_week),
        SharingKind.ROUND_THE_CLOCK: _round_the_clock(session),
    }
    return sum(
        _flag(session, account_id, kind, count)
        for kind, accounts in found.items()
        for account_id, count in accounts.items()
    )


def open_signs(session: Session, organization_id: str | None = None) -> list[tuple[SharingSign, ProviderStaff]]:
    """Signs nobody has settled, the newest first: of one organisation for its delegates, or all for plan staff."""
    statement = (
        select(SharingSign, ProviderStaff)
        .join(ProviderStaff, ProviderStaff.account_id == SharingSign.account_id)
        .where(SharingSign.settled_at.is_(None), ProviderStaff.status != StaffStatus.DEACTIVATED)
        .order_by(SharingSign.seen_at.desc())
        .limit(_MOST)
    )
    if organization_id is not None:
        statement = statement.where(ProviderStaff.organization_id == organization_id)
    return [(sign, staff) for sign, staff in session.execute(statement).unique()]


def settle(session: Session, actor: ProviderStaff, staff: ProviderStaff) -> None:
    """A delegate has talked with the person: their open signs are settled. Raises what `require_authority` raises."""
    delegates.require_authority(session, actor, staff)
    settle_by(session, staff, by_account_id=actor.account_id)


def settle_by(session: Session, staff: ProviderStaff, *, by_account_id: str) -> None:
    """Settle the open signs of a login, by a delegate or plan staff; raises UnknownLogin where there is none."""
    signs = session.scalars(
        select(SharingSign).where(SharingSign.account_id == staff.account_id, SharingSign.settled_at.is_(None))
    ).all()
    if not signs:
        raise UnknownLogin
    for sign in signs:
        sign.settled_at, sign.settled_by_account_id = now(), by_account_id
    delegates.record(session, "settle_sharing", staff, by_account_id=by_account_id)


def _two_devices(session: Session) -> dict[str, int]:
    """Accounts with a device still in use after another had been signed in."""
    older, newer = aliased(LoginSession), aliased(LoginSession)
    together = TOGETHER // timedelta(microseconds=1)
    since = now() - WINDOW
    statement = (
        select(older.account_id)
        .join(newer, newer.account_id == older.account_id)
        .where(
            older.last_seen_at > since, newer.last_seen_at > since, older.device_id != newer.device_id,
            newer.created_at > older.created_at,
            _microseconds(older.last_seen_at) >= _microseconds(newer.created_at) + together,
            _of_the_portal(older.account_id),
        )
        .distinct()
        .limit(_MOST)
    )  # fmt: skip
    return dict.fromkeys(session.scalars(statement), 2)


def _many_devices(session: Session, most: int) -> dict[str, int]:
    """Accounts with more than `most` new devices within a week, and how many."""
    number = func.count()
    statement = (
        select(KnownDevice.account_id, number)
        .where(KnownDevice.created_at > now() - WEEK, _of_the_portal(KnownDevice.account_id))
        .group_by(KnownDevice.account_id)
        .having(number > most)
        .limit(_MOST)
    )
    return {account_id: new_ones for account_id, new_ones in session.execute(statement)}  # noqa: C416 (rows are no pairs to mypy)


def _round_the_clock(session: Session) -> dict[str, int]:
    """Accounts in use in most hours of a day, and how many. A session has no pause longer than its idle time."""
    since = now() - WINDOW
    used = func.sum(_microseconds(LoginSession.last_seen_at) - _microseconds(LoginSession.created_at))
    busy = (
        select(LoginSession.account_id)
        .where(LoginSession.last_seen_at > since, _of_the_portal(LoginSession.account_id))
        .group_by(LoginSession.account_id)
        .having(func.count() > 1)
        .order_by(used.desc())
        .limit(_MOST)
    )
    hours: dict[str, set[int]] = defaultdict(set)
    spans = select(LoginSession.account_id, LoginSession.created_at, LoginSession.last_seen_at)
    for account_id, begun, seen in session.execute(
        spans.where(LoginSession.account_id.in_(busy), LoginSession.last_seen_at > since)
    ):
        hours[account_id] |= _hours(max(begun, since), seen, since)
    return {account_id: len(busy_in) for account_id, busy_in in hours.items() if len(busy_in) >= BUSY_HOURS}


def _hours(begun: datetime, seen: datetime, since: datetime) -> set[int]:
    first, last = ((moment - since) // timedelta(hours=1) for moment in (begun, seen))
    return set(range(first, min(last, 23) + 1))


def _microseconds(instant: InstrumentedAttribute[datetime]) -> ColumnElement[int]:
    """The instant as the database holds it, to reckon with there (decision 4)."""
    return type_coerce(instant, BigInteger)


def _of_the_portal(account_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    working = select(ProviderStaff.account_id).where(ProviderStaff.status != StaffStatus.DEACTIVATED)
    return account_id.in_(working)


def _flag(session: Session, account_id: str, kind: SharingKind, count: int) -> int:
    """Write one sign down and tell the delegates, once a week for each kind; 1 if it was new."""
    known = (SharingSign.account_id == account_id, SharingSign.kind == kind, SharingSign.seen_at > now() - WEEK)
    if session.scalar(select(SharingSign.id).where(*known).limit(1)) is not None:
        return 0
    staff = session.scalars(
        select(ProviderStaff).where(
            ProviderStaff.account_id == account_id, ProviderStaff.status != StaffStatus.DEACTIVATED
        )
    ).one()
    session.add(SharingSign(account_id=account_id, kind=kind, count=count, seen_at=now()))
    require_code(staff.account, CodeReason.SHARING)
    session.flush()
    others = [one for one in portal_staff.delegates_of(session, staff.organization_id) if one.id != staff.id]
    portal_mail.sharing_sign(session, staff, others)
    delegates.record(
        session, "flag_sharing", staff, by_account_id=None, detail={"kind": kind.value, "count": count}
    )  # fmt: skip
    log.warning("login_may_be_shared", kind=kind.value)
    return 1
