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
from service.accounts.models import Account
from service.clock import now
from service.plan.logins.reach import groups_with
from service.plan.models import IdKind, ProviderGroup, Remittance
from service.plan.providers import numbers
from service.plan.providers.numbers import UnusableNumber
from service.plan.remittances.remittance_content import Payee

_PAGE = 50


class AlreadyAssigned(Exception):
    """The remittance has its group: somebody else was quicker."""


class NotAssigned(Exception):
    """The remittance is not the group's any more, or was never given to it by staff."""


class UnknownRemittance(Exception):
    """No remittance waits, or was assigned, under that id."""


@dataclass(frozen=True)
class Assigned:
    """A remittance that staff gave to a group, and the name of who did."""

    remittance: Remittance
    group: ProviderGroup
    by: str


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
    by = {"assigned_at": now(), "assigned_by_account_id": by_account_id}
    statement = update(Remittance).where(*waiting).values(group_id=group.id, **by)
    done = session.execute(statement.execution_options(synchronize_session=False))
    if cast(CursorResult[Any], done).rowcount != 1:
        raise AlreadyAssigned
    session.refresh(remittance)
    audit.record(
        session, "plan:remittance:assign", account_id=by_account_id, resource_type="Remittance", count=1,
        detail={"remittance": remittance.id, "group": group.id},
    )  # fmt: skip


def unassign(session: Session, remittance: Remittance, reason: str, *, by_account_id: str) -> None:
    """Take a remittance back that staff gave to the wrong group; it waits again. Raises NotAssigned.

    It is gone from the group at its next request. Who looked at it meanwhile stays in the audit stream.
    """
    group_id = remittance.group_id
    standing = (
        Remittance.id == remittance.id, Remittance.group_id == group_id, Remittance.assigned_at.is_not(None),
    )  # fmt: skip
    nobody = {"group_id": None, "assigned_at": None, "assigned_by_account_id": None}
    statement = update(Remittance).where(*standing).values(**nobody)
    done = session.execute(statement.execution_options(synchronize_session=False))
    if cast(CursorResult[Any], done).rowcount != 1:
        raise NotAssigned
    session.refresh(remittance)
    audit.record(
        session, "plan:remittance:unassign", account_id=by_account_id, resource_type="Remittance", count=1,
        detail={"remittance": remittance.id, "group": group_id}, reason=reason,
    )  # fmt: skip


def assigned(session: Session, *, limit: int = _PAGE) -> list[Assigned]:
    """The remittances that staff gave to a group, the latest first."""
    statement = (
        select(Remittance, ProviderGroup, Account)
        .join(ProviderGroup, ProviderGroup.id == Remittance.group_id)
        .outerjoin(Account, Account.id == Remittance.assigned_by_account_id)
        .options(defer(Remittance.document))
        .where(Remittance.assigned_at.is_not(None))
        .order_by(Remittance.assigned_at.desc(), Remittance.id)
        .limit(limit)
    )
    return [Assigned(row, group, by.full_name if by else "") for row, group, by in session.execute(statement)]


def get_assigned(session: Session, remittance_id: str) -> Assigned:
    """A remittance that staff gave to a group; raises UnknownRemittance."""
    found = session.get(Remittance, remittance_id)
    if found is None or found.group_id is None or found.assigned_at is None:
        raise UnknownRemittance
    by = session.get(Account, found.assigned_by_account_id) if found.assigned_by_account_id else None
    return Assigned(found, session.get_one(ProviderGroup, found.group_id), by.full_name if by else "")


def _by_own_number(session: Session, number: str) -> Sequence[ProviderGroup]:
    wanted = ProviderGroup.number.in_((number.strip(), number.strip().upper()))
    return session.scalars(select(ProviderGroup).where(wanted).limit(2)).all()


_READERS = (
    (IdKind.TAX_ID, numbers.tax_id), (IdKind.NPI, numbers.npi), (IdKind.VENDOR_NUMBER, numbers.vendor_number),
    (IdKind.OFFICE_ID, numbers.vendor_number),
)  # fmt: skip
