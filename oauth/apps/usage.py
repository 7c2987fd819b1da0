"""How much an app was used, day by day: counts of the app's own requests, and of no person.

From the audit stream, and from the counts of what was refused without an audit row (`oauth.apps.refusals`).

A day is one of UTC. Two ways lead to an app's rows, both by an index that its reads do not pay for: under its grants,
and, where a row has no grant, by the app's own id.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Row, Select, distinct, func, select, type_coerce, union_all
from sqlalchemy.orm import Session

from consent.models import Grant
from oauth.apps import refusals
from service.audit import AuditEvent, Outcome
from service.clock import now

DAYS = 30
API = "api:"
"""How a counted reason begins that is a status and a type of the API, as in `api:400:Observation`."""
FEWEST_TOLD = 5
"""Fewer people than these in a day are not counted out."""
_MICROSECONDS_A_DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_ANSWER, _REFUSE, _ISSUE = "oauth:authorization:answer", "oauth:authorization:refuse", "oauth:token:issue"


@dataclass
class Day:
    """What an app did in a day. `people` is None for some, but fewer than FEWEST_TOLD."""

    day: date
    authorizations: int = 0
    exchanges: int = 0
    refreshes: int = 0
    reads: int = 0
    refused: int = 0
    people: int | None = 0

    @property
    def is_used(self) -> bool:
        """Whether anything happened."""
        return bool(self.authorizations or self.exchanges or self.refreshes or self.reads or self.refused)


@dataclass
class Usage:
    """The days, the latest first; requests to the API by type and status; refusals of OAuth by a word each."""

    days: list[Day]
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def most(self) -> int:
        """The most that a day had of reads and refusals: what a full bar stands for."""
        return max(day.reads + day.refused for day in self.days)


def of_app(session: Session, client_id: str) -> Usage:
    """The last DAYS days of an app, today included."""
    today = now().astimezone(UTC).date()
    usage = Usage([Day(today - timedelta(days=back)) for back in range(DAYS)])
    days = {day.day: day for day in usage.days}
    since = datetime.combine(usage.days[-1].day, datetime.min.time(), UTC)
    for row in session.execute(_counts(client_id, since)):
        if day := days.get(_EPOCH + timedelta(days=row.day)):
            _add(usage, day, row)
    for number_of_day, reason, number in refusals.since(session, client_id, (usage.days[-1].day - _EPOCH).days):
        if day := days.get(_EPOCH + timedelta(days=number_of_day)):
            day.refused += number
            if reason.startswith(API):
                status, resource_type = reason.removeprefix(API).split(":", 1)
                usage.requests[resource_type, int(status)] += number
            else:
                usage.refusals[reason] += number
    for row in session.execute(_people(client_id, since)):
        if day := days.get(_EPOCH + timedelta(days=row.day)):
            day.people = row.people if row.people >= FEWEST_TOLD else None
    return usage


def _counts(client_id: str, since: datetime) -> Select[Any]:
    """One row for each day, tag, outcome, and what its detail says of grant type, error and status."""
    columns = (
        _day().label("day"), AuditEvent.tag, AuditEvent.outcome, AuditEvent.resource_type,
        AuditEvent.detail["grant_type"].as_string().label("grant_type"),
        AuditEvent.detail["error"].as_string().label("error"),
        AuditEvent.detail["status"].as_integer().label("status"),
    )  # fmt: skip
    # Its own rows alone: another app that showed a token of this one's grant has left its row under that grant.
    own = select(*columns).where(AuditEvent.client_id == client_id, AuditEvent.at >= since)
    under_grants = own.join(Grant, Grant.id == AuditEvent.grant_id).where(Grant.client_id == client_id)
    rows = union_all(under_grants, own.where(AuditEvent.grant_id.is_(None))).subquery()
    return select(*rows.c, func.count().label("number")).group_by(*rows.c)


def _people(client_id: str, since: datetime) -> Select[Any]:
    day = _day().label("day")
    reads = (AuditEvent.client_id == client_id, AuditEvent.at >= since, AuditEvent.tag.startswith("fhir:"))
    found = select(day, func.count(distinct(AuditEvent.member_id)).label("people")).join(
        Grant, Grant.id == AuditEvent.grant_id
    )
    return found.where(Grant.client_id == client_id, *reads).group_by(day)


def _day() -> Any:
    return type_coerce(AuditEvent.at, BigInteger) // _MICROSECONDS_A_DAY


def _add(usage: Usage, day: Day, row: Row[Any]) -> None:
    source, number = row.tag.partition(":")[0], row.number
    if source == "fhir" and row.resource_type:
        status = 200 if row.outcome is Outcome.SUCCESS else row.status
        usage.requests[row.resource_type, status] += number
        day.reads += number if row.outcome is Outcome.SUCCESS else 0
        day.refused += number if row.outcome is not Outcome.SUCCESS else 0
    elif row.tag == _ANSWER:
        day.authorizations += number
    elif row.tag == _ISSUE:
        day.refreshes += number if row.grant_type == "refresh_token" else 0
        day.exchanges += number if row.grant_type != "refresh_token" else 0
    elif source == "oauth" and row.outcome is Outcome.REFUSED:
        usage.refusals[row.error if row.tag == _REFUSE else row.tag.removeprefix("oauth:")] += number
        day.refused += number
