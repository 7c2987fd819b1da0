"""How far the authorizations of a day came, app by app: asked, opened, shown, allowed, exchanged, data read.

Counts only, of no person: an app that loses people at one step has a fault there, or a page that frightens.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Executable, Row, Select, distinct, exists, func, insert, select
from sqlalchemy.orm import Session, aliased

from oauth.apps.models import FunnelDay
from oauth.authorization.flows import LIFE, LONGEST
from oauth.models import Client, PendingAuthorization
from service.audit import AuditEvent, Outcome

STEPS = ("asked", "opened", "shown", "allowed", "denied", "exchanged", "read")
"""The steps, in order; `denied` is the other way out of `shown`."""


@dataclass(frozen=True)
class Funnel:
    """One app's sums over the days asked for."""

    client_id: str
    app_name: str
    steps: Mapping[str, int]

    def part(self, step: str) -> float | None:
        """How much of those who asked came to this step, 0 to 1; None where nobody asked."""
        return self.steps[step] / self.steps["asked"] if self.steps["asked"] else None


def count_day(session: Session, day: date, begin: datetime, end: datetime, events_after: int) -> None:
    """Keep the counts of a day that is over; `events_after` is an audit id that lies before all of its events."""
    counts = of_moments(session, begin, end, events_after)
    rows = [{"day": day, "client_id": client_id, **_all_steps(steps)} for client_id, steps in counts.items()]
    if rows:
        session.execute(insert(FunnelDay), rows)


def of_moments(session: Session, begin: datetime, end: datetime, events_after: int) -> dict[str, Counter[str]]:
    """The steps of each app from `begin` until before `end`, counted anew. Requests are kept for two days only."""
    found: dict[str, Counter[str]] = {}
    for row in session.execute(_requests(begin, end)):
        found.setdefault(row.client_id, Counter()).update(asked=row.asked, opened=row.opened, shown=row.shown)
    for row in session.execute(_events(begin, end, events_after)):
        if step := _step_of(row):
            found.setdefault(row.client_id, Counter())[step] += row.number
    for row in session.execute(_reads(begin, end, events_after)):
        found.setdefault(row.client_id, Counter()).update(read=row.number)
    return found


def sums(session: Session, since: date, until: date) -> Sequence[Funnel]:
    """Every app's sums of the counted days from `since` through `until`, the most asked for first."""
    columns = [func.sum(getattr(FunnelDay, step)).label(step) for step in STEPS]
    rows = session.execute(
        select(FunnelDay.client_id, Client.name, *columns)
        .join(Client, Client.id == FunnelDay.client_id)
        .where(FunnelDay.day.between(since, until))
        .group_by(FunnelDay.client_id, Client.name)
    )
    funnels = [Funnel(row.client_id, row.name, {step: int(getattr(row, step)) for step in STEPS}) for row in rows]
    return sorted(funnels, key=lambda funnel: (-funnel.steps["asked"], funnel.app_name))


def _all_steps(steps: Counter[str]) -> dict[str, int]:
    return {step: steps[step] for step in STEPS}


def _requests(begin: datetime, end: datetime) -> Executable:
    # Found by the moment of their end, which has an index: they end between LIFE and LONGEST after they began.
    return (
        select(
            PendingAuthorization.client_id, func.count().label("asked"),
            func.count(PendingAuthorization.browser).label("opened"),
            func.count(PendingAuthorization.shown_at).label("shown"),
        )
        .where(PendingAuthorization.expires_at >= begin + LIFE, PendingAuthorization.expires_at < end + LONGEST)
        .where(PendingAuthorization.created_at >= begin, PendingAuthorization.created_at < end)
        .group_by(PendingAuthorization.client_id)
    )  # fmt: skip


_ANSWER, _REFUSE, _ISSUE = "oauth:authorization:answer", "oauth:authorization:refuse", "oauth:token:issue"


def _events(begin: datetime, end: datetime, after: int) -> Select[Any]:
    grant_type = AuditEvent.detail["grant_type"].as_string().label("grant_type")
    error = AuditEvent.detail["error"].as_string().label("error")
    columns = (AuditEvent.client_id, AuditEvent.tag, grant_type, error)
    told = select(*columns).where(
        AuditEvent.id > after, AuditEvent.at >= begin, AuditEvent.at < end, AuditEvent.client_id.is_not(None),
        AuditEvent.tag.in_((_ANSWER, _REFUSE, _ISSUE)),
    ).subquery()  # fmt: skip
    return select(*told.c, func.count().label("number")).group_by(*told.c)


def _step_of(row: Row[Any]) -> str | None:
    if row.tag == _ANSWER:
        return "allowed"
    if row.tag == _REFUSE:
        return "denied" if row.error == "access_denied" else None
    return "exchanged" if row.grant_type == "authorization_code" else None


def _reads(begin: datetime, end: datetime, after: int) -> Executable:
    read = aliased(AuditEvent)
    has_read = exists().where(
        read.grant_id == AuditEvent.grant_id, read.at >= begin, read.at < end, read.tag.startswith("fhir:"),
        read.outcome == Outcome.SUCCESS,
    )  # fmt: skip
    exchanged = (
        AuditEvent.id > after, AuditEvent.at >= begin, AuditEvent.at < end, AuditEvent.tag == _ISSUE,
        AuditEvent.detail["grant_type"].as_string() == "authorization_code",
    )  # fmt: skip
    number = func.count(distinct(AuditEvent.grant_id)).label("number")
    return select(AuditEvent.client_id, number).where(*exchanged, has_read).group_by(AuditEvent.client_id)
