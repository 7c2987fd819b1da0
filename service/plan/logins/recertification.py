"""Recertification: every so many days a delegate says of each login that its person still needs it.

Delegates are reminded 30 and 7 days before; after a grace the login loses its functions, and delegate status with them.
The last delegate of an organisation is spared, since nobody else could confirm them.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, sessionmaker

from service.clock import now
from service.plan.logins import delegates, portal_mail, portal_staff
from service.plan.models import ProviderStaff, StaffStatus
from service.plan_file import Plan
from service.settings import Settings
from service.single_use import claim

FIRST, SECOND = timedelta(days=30), timedelta(days=7)
"""How long before the day delegates are reminded."""
_WHY = "not confirmed in time"
_BATCH = 500


@dataclass(frozen=True)
class Terms:
    """How long a confirmation is good, and the grace after it."""

    good_for: timedelta
    grace: timedelta

    @classmethod
    def of(cls, plan: Plan) -> "Terms":
        """The plan's."""
        return cls(timedelta(days=plan.recertify_after_days), timedelta(days=plan.recertify_grace_days))

    def due(self, staff: ProviderStaff) -> datetime:
        """Until when the login must be confirmed."""
        return staff.certified_at + self.good_for

    def lapses(self, staff: ProviderStaff) -> datetime:
        """When it loses its functions."""
        return self.due(staff) + self.grace


def due_in(session: Session, organization_id: str, terms: Terms) -> list[ProviderStaff]:
    """The logins of an organisation to be confirmed within 30 days, overdue or lapsed, the most urgent first."""
    soon = now() + FIRST - terms.good_for
    statement = (
        select(ProviderStaff)
        .where(
            ProviderStaff.organization_id == organization_id, ProviderStaff.status == StaffStatus.ACTIVE,
            ProviderStaff.certified_at <= soon,
        )
        .order_by(ProviderStaff.certified_at)
        .limit(_BATCH)
    )  # fmt: skip
    return [staff for staff in session.scalars(statement) if not delegates.is_last(session, staff)]


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The worker's job: remind delegates, and end the functions of logins that nobody confirmed."""
    terms = Terms.of(settings.plan)
    with sessions.begin() as session:
        remind(session, terms)
    with sessions.begin() as session:
        over = ProviderStaff.certified_at <= now() - terms.good_for - terms.grace
        overdue = [staff.id for staff in _every(session, over)]
    for staff_id in overdue:
        with sessions.begin() as session:
            lapse(session, staff_id, terms)


def remind(session: Session, terms: Terms) -> int:
    """Mail each organisation's delegates once for each login and reminder, all logins in one mail; how many mails."""
    counts: dict[str, int] = defaultdict(int)
    for staff in _every(session, ProviderStaff.certified_at <= now() + FIRST - terms.good_for):
        days_before = SECOND if now() >= terms.due(staff) - SECOND else FIRST
        if not delegates.is_last(session, staff) and _claim_reminder(session, staff, days_before, terms):
            counts[staff.organization_id] += 1
    for organization_id, count in counts.items():
        portal_mail.certification_due(session, portal_staff.delegates_of(session, organization_id), count)
    return len(counts)


def lapse(session: Session, staff_id: str, terms: Terms) -> bool:
    """End the functions of a login that is overdue beyond the grace; False when it was confirmed or is the last."""
    staff = session.get_one(ProviderStaff, staff_id)
    delegates.lock(session, staff.organization_id)
    session.refresh(staff)
    over = staff.lapsed_at is None and staff.status is StaffStatus.ACTIVE and now() >= terms.lapses(staff)
    if not over or delegates.is_last(session, staff):
        return False
    if staff.is_delegate:
        delegates.demote_unchecked(session, staff, by_account_id=None, reason=_WHY)
    taken, staff.functions, staff.lapsed_at = staff.functions, [], now()
    session.flush()
    portal_mail.functions_lapsed(session, staff, portal_staff.delegates_of(session, staff.organization_id))
    delegates.record(session, "lapse", staff, by_account_id=None, reason=_WHY, detail={"functions": taken})
    return True


def _claim_reminder(session: Session, staff: ProviderStaff, days_before: timedelta, terms: Terms) -> bool:
    """Whether this reminder of this confirmation is the first; the claim outlives the need for it."""
    name = f"{staff.id}:{int(staff.certified_at.timestamp())}:{days_before.days}"
    return claim(session, "certification", name, expires_at=now() + terms.good_for + terms.grace)


def _every(session: Session, *conditions: ColumnElement[bool]) -> Iterator[ProviderStaff]:
    """Every working login that has not lapsed and meets the conditions, some hundred at a time."""
    working = (ProviderStaff.status == StaffStatus.ACTIVE, ProviderStaff.lapsed_at.is_(None), *conditions)
    last = ""
    while True:
        statement = select(ProviderStaff).where(*working, ProviderStaff.id > last).order_by(ProviderStaff.id)
        page = list(session.scalars(statement.limit(_BATCH)))
        yield from page
        if len(page) < _BATCH:
            return
        last = page[-1].id
