"""Remittance inquiry: payments of the provider groups somebody reaches, by number, claim, date or amount.

Every function takes the groups of an Access (`consent.policy.provider_authority`), each with the payment dates it
covers. A remittance of nobody's group, or of another's, is not there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, false, func, select, tuple_
from sqlalchemy.orm import Session, defer

from service.plan.logins.reach import GroupReach
from service.plan.models import ProviderGroup, Remittance, RemittanceClaim, RemittanceLine
from service.plan.providers.numbers import payment_keys

PAGE = 25
CLAIMS_PAGE = 50
_MOST_LINES = 50_000
"""Of the claims of one page; the guide allows 999 a claim."""


class UnknownRemittance(Exception):
    """No such remittance, or none that these groups reach: both look the same."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; everything given must hold. `number` is a check, EFT or NP number as people type it.

    `loaded_from` and `loaded_before` (the latter not in it) are instants between which the 835 was loaded.
    """

    number: str = ""
    claim_number: str = ""
    patient_control_number: str = ""
    paid_from: date | None = None
    paid_to: date | None = None
    amount_cents: int | None = None
    ids: frozenset[str] | None = None
    loaded_from: datetime | None = None
    loaded_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A remittance of the result, with its group and how many claims it tells of."""

    remittance: Remittance
    group: ProviderGroup
    claims: int


@dataclass(frozen=True, slots=True)
class Results:
    """One page, the latest payment first; `after` asks for the next one, None where this is the last."""

    found: Sequence[Found]
    after: str | None


@dataclass(frozen=True, slots=True)
class ClaimDetail:
    """A claim with its service lines."""

    claim: RemittanceClaim
    lines: Sequence[RemittanceLine]


@dataclass(frozen=True, slots=True)
class Detail:
    """A remittance with some of its claims, in the order of the 835; `after` is the position to go on behind."""

    remittance: Remittance
    group: ProviderGroup
    claims: Sequence[ClaimDetail]
    totals: "Totals"
    after: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """All claims of a remittance together, in cents; `adjusted` is what the provider adjustments take away."""

    claims: int
    members: int
    charge: int
    paid: int
    patient: int
    adjusted: int


def search(
    session: Session, groups: Sequence[GroupReach], wanted: Wanted, *, after: str | None = None, limit: int = PAGE
) -> Results:
    """The remittances of these groups that match; raises UnusablePaymentNumber for a number that is none."""
    # The 835 itself is not read for a list.
    statement = select(Remittance).options(defer(Remittance.document)).where(_visible(groups), *_conditions(wanted))
    if after is not None and (place := _place(after)) is not None:
        statement = statement.where(tuple_(Remittance.paid_on, Remittance.id) < place)
    ordered = statement.order_by(Remittance.paid_on.desc(), Remittance.id.desc()).limit(limit + 1)
    rows = list(session.scalars(ordered))
    shown = rows[:limit]
    owners, counts = _owners(session, shown), _count_claims(session, [row.id for row in shown])
    return Results(
        [Found(row, owners[row.group_id or ""], counts.get(row.id, 0)) for row in shown],
        f"{shown[-1].paid_on.isoformat()}.{shown[-1].id}" if len(rows) > limit else None,
    )


def get(session: Session, groups: Sequence[GroupReach], remittance_id: str) -> Remittance:
    """A remittance of these groups; raises UnknownRemittance."""
    found = session.scalar(select(Remittance).where(Remittance.id == remittance_id, _visible(groups)))
    if found is None:
        raise UnknownRemittance
    return found


def detail(
    session: Session, groups: Sequence[GroupReach], remittance_id: str, *, after: int = 0, limit: int = CLAIMS_PAGE
) -> Detail:
    """A remittance with its claims from the one behind position `after`; raises UnknownRemittance."""
    remittance = get(session, groups, remittance_id)
    behind = (RemittanceClaim.remittance_id == remittance.id, RemittanceClaim.position > after)
    rows = list(
        session.scalars(select(RemittanceClaim).where(*behind).order_by(RemittanceClaim.position).limit(limit + 1))
    )
    shown = rows[:limit]
    lines = _lines(session, [claim.id for claim in shown])
    return Detail(
        remittance,
        session.get_one(ProviderGroup, remittance.group_id),
        [ClaimDetail(claim, lines[claim.id]) for claim in shown],
        _totals(session, remittance),
        shown[-1].position if shown and len(rows) > limit else None,
    )


def claims_of(session: Session, remittance_ids: Sequence[str]) -> dict[str, list[RemittanceClaim]]:
    """All claims of these remittances, in the order of their 835; the caller has found the remittances visible."""
    found: dict[str, list[RemittanceClaim]] = defaultdict(list)
    ordered = select(RemittanceClaim).order_by(RemittanceClaim.remittance_id, RemittanceClaim.position)
    for claim in session.scalars(ordered.where(RemittanceClaim.remittance_id.in_(remittance_ids))):
        found[claim.remittance_id].append(claim)
    return found


def _visible(groups: Sequence[GroupReach]) -> ColumnElement[bool]:
    """That a remittance belongs to one of the groups and was paid within the dates that hold for it."""
    by_dates: dict[tuple[date | None, date | None], list[str]] = defaultdict(list)
    for one in groups:
        by_dates[one.since, one.until].append(one.group_id)
    if not by_dates:
        return false()
    every = Remittance.group_id.in_([one.group_id for one in groups])
    if set(by_dates) == {(None, None)}:
        return every
    # CASE and not OR: a firm may have many clients with dates of their own, and SQLite refuses a thousand ORs in a row.
    spans = ((and_(Remittance.group_id.in_(ids), *_within(*dates)), 1) for dates, ids in by_dates.items())
    return and_(every, case(*spans, else_=0) == 1)


def _within(since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(Remittance.paid_on >= since)
    if until is not None:
        found.append(Remittance.paid_on <= until)
    return found


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found = _within(wanted.paid_from, wanted.paid_to)
    if wanted.number:
        found.append(Remittance.number_key.in_(payment_keys(wanted.number)))
    for column, value in (
        (RemittanceClaim.claim_number, wanted.claim_number),
        (RemittanceClaim.patient_control_number, wanted.patient_control_number),
    ):
        if value:
            typed = (value.strip(), value.strip().upper())
            found.append(Remittance.id.in_(select(RemittanceClaim.remittance_id).where(column.in_(typed))))
    if wanted.amount_cents is not None:
        found.append(Remittance.amount_cents == wanted.amount_cents)
    if wanted.ids is not None:
        found.append(Remittance.id.in_(sorted(wanted.ids)))
    if wanted.loaded_from is not None:
        found.append(Remittance.loaded_at >= wanted.loaded_from)
    if wanted.loaded_before is not None:
        found.append(Remittance.loaded_at < wanted.loaded_before)
    return found


def _place(after: str) -> tuple[date, str] | None:
    on, _, identifier = after.partition(".")
    try:
        return date.fromisoformat(on), str(UUID(identifier))
    except ValueError:
        return None


def _owners(session: Session, rows: Sequence[Remittance]) -> dict[str, ProviderGroup]:
    wanted = {row.group_id for row in rows if row.group_id}
    groups = session.scalars(select(ProviderGroup).where(ProviderGroup.id.in_(wanted)))
    return {group.id: group for group in groups}


def _count_claims(session: Session, ids: Sequence[str]) -> dict[str, int]:
    by_remittance = RemittanceClaim.remittance_id
    counted = select(by_remittance, func.count()).where(by_remittance.in_(ids)).group_by(by_remittance)
    return dict(session.execute(counted).all())


def _lines(session: Session, claim_ids: Sequence[str]) -> dict[str, list[RemittanceLine]]:
    found: dict[str, list[RemittanceLine]] = defaultdict(list)
    ordered = select(RemittanceLine).order_by(RemittanceLine.claim_id, RemittanceLine.position)
    for line in session.scalars(ordered.where(RemittanceLine.claim_id.in_(claim_ids)).limit(_MOST_LINES)):
        found[line.claim_id].append(line)
    return found


def _totals(session: Session, remittance: Remittance) -> Totals:
    claim = RemittanceClaim
    counted = select(
        func.count(), func.count(func.distinct(claim.member_number)), func.coalesce(func.sum(claim.charge_cents), 0),
        func.coalesce(func.sum(claim.paid_cents), 0), func.coalesce(func.sum(claim.patient_cents), 0),
    ).where(claim.remittance_id == remittance.id)  # fmt: skip
    claims, members, charge, paid, patient = session.execute(counted).one()
    adjusted = sum(int(one["cents"]) for one in remittance.provider_adjustments)
    return Totals(claims, members, int(charge), int(paid), int(patient), adjusted)
