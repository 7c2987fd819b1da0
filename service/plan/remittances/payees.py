"""Whose a remittance is: payees are matched to provider groups by numbers alone, never by name (security.md 128).

A payee is known where exactly one group carries every number that came with the payment. All others wait for plan
staff, and nobody at a provider sees them meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session, defer

from service import audit
from service.plan.logins.reach import groups_with
from service.plan.models import IdKind, ProviderGroup, Remittance
from service.plan.providers import numbers
from service.plan.providers.numbers import UnusableNumber
from service.plan.remittances.remittance_content import Payee

_PAGE = 50


class AlreadyAssigned(Exception):
    """The remittance has its group: somebody else was quicker."""


class UnknownRemittance(Exception):
    """No remittance waits under that id."""


@dataclass(frozen=True)
class Waiting:
    """A page of remittances whose payee is not known; `more` where others follow the last."""

    rows: Sequence[Remittance]
    more: bool


def find_group(session: Session, payee: Payee) -> ProviderGroup | None:
    """The one group with all of the payee's numbers; None where it is unknown, ambiguous or a number was unreadable."""
    given = [
        (IdKind.TAX_ID, payee.tax_id), (IdKind.NPI, payee.npi), (IdKind.VENDOR_NUMBER, payee.vendor_number),
    ]  # fmt: skip
    if payee.unread or not (payee.tax_id or payee.npi):
        return None
    found = groups_with(session, [(kind, value) for kind, value in given if value], limit=2)
    return found[0] if len(found) == 1 else None


def unassigned(session: Session, *, after: str | None = None, limit: int = _PAGE) -> Waiting:
    """The remittances that belong to no group yet, by their id; `after` is the last id of the page before."""
    waiting = select(Remittance).options(defer(Remittance.document)).where(Remittance.group_id.is_(None))
    statement = waiting.order_by(Remittance.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(Remittance.id > after)
    rows = list(session.scalars(statement))
    return Waiting(rows[:limit], len(rows) > limit)


def count_unassigned(session: Session) -> int:
    """How many remittances belong to no group yet."""
    return session.scalars(select(func.count()).select_from(Remittance).where(Remittance.group_id.is_(None))).one()


def get_unassigned(session: Session, remittance_id: str) -> Remittance:
    """A remittance that waits for its group; raises UnknownRemittance."""
    found = session.get(Remittance, remittance_id)
    if found is None or found.group_id is not None:
        raise UnknownRemittance
    return found


def candidates(session: Session, number: str) -> list[ProviderGroup]:
    """The groups that staff may mean by a Tax ID, NPI, vendor number, office id or the plan's own group number."""
    found = {group.id: group for group in _by_own_number(session, number)}
    for kind, read in _READERS:
        try:
            value = read(number)
        except UnusableNumber:
            continue
        found |= {group.id: group for group in groups_with(session, [(kind, value)], limit=20)}
    return list(found.values())


def assign(session: Session, remittance: Remittance, group: ProviderGroup, *, by_account_id: str) -> None:
    """Give a waiting remittance to its group; raises AlreadyAssigned, of two at one time exactly one wins."""
    waiting = (Remittance.id == remittance.id, Remittance.group_id.is_(None))
    statement = update(Remittance).where(*waiting).values(group_id=group.id)
    done = session.execute(statement.execution_options(synchronize_session=False))
    if cast(CursorResult[Any], done).rowcount != 1:
        raise AlreadyAssigned
    session.refresh(remittance)
    audit.record(
        session, "plan:remittance:assign", account_id=by_account_id, resource_type="Remittance", count=1,
        detail={"remittance": remittance.id, "group": group.id},
    )  # fmt: skip


def _by_own_number(session: Session, number: str) -> Sequence[ProviderGroup]:
    wanted = ProviderGroup.number.in_((number.strip(), number.strip().upper()))
    return session.scalars(select(ProviderGroup).where(wanted).limit(2)).all()


_READERS = (
    (IdKind.TAX_ID, numbers.tax_id), (IdKind.NPI, numbers.npi), (IdKind.VENDOR_NUMBER, numbers.vendor_number),
    (IdKind.OFFICE_ID, numbers.vendor_number),
)  # fmt: skip
