"""Which provider groups a login of the portal reaches, or an organization: entries, each an AND of numbers.

What a billing organisation reaches by a provider's word is `consent.billing_authorizations`; both meet in
`consent.policy`, the only place that turns them into an Access.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from service.accounts.models import Account, AccountStatus
from service.clock import now
from service.plan.models import (
    AccessEntry,
    IdKind,
    OrganizationKind,
    PortalFunction,
    PortalOrganization,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    StaffStatus,
)

_MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class GroupReach:
    """One provider group somebody reaches, for payment or service dates from `since` to `until` (both included).

    `organization_id` is the id of the group's FHIR Organization, where the plan gave one.
    """

    group_id: str
    organization_id: str | None
    since: date | None = None
    until: date | None = None

    def holds_on(self, day: date) -> bool:
        """Whether it is reached for what was done or paid on `day`."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


def entries_of(session: Session, staff_id: str) -> list[AccessEntry]:
    """The standing entries of a login, the oldest first."""
    standing = (AccessEntry.staff_id == staff_id, AccessEntry.ended_at.is_(None))
    statement = select(AccessEntry).where(*standing).order_by(AccessEntry.created_at, AccessEntry.id)
    return list(session.scalars(statement.limit(_MOST_ENTRIES)))


def groups_of_entries(session: Session, staff_id: str) -> list[ProviderGroup]:
    """The groups that carry all the numbers of some standing entry of the login now, each once, by name."""
    return _groups_of(session, entries_of(session, staff_id))


def groups_of_organization(
    session: Session, organization_id: str, functions: Collection[PortalFunction]
) -> list[ProviderGroup]:  # fmt: skip
    """The same for every login of an organization that works and has all of these applications."""
    works = (ProviderStaff.status == StaffStatus.ACTIVE, Account.status == AccountStatus.ACTIVE)
    logins = select(ProviderStaff).join(Account, Account.id == ProviderStaff.account_id).where(*works)
    own = session.scalars(logins.where(ProviderStaff.organization_id == organization_id))
    able = [login.id for login in own if all(map(login.may, functions))]
    standing = (AccessEntry.staff_id.in_(able), AccessEntry.ended_at.is_(None))
    entries = select(AccessEntry).where(*standing).order_by(AccessEntry.created_at, AccessEntry.id)
    return _groups_of(session, session.scalars(entries.limit(_MOST_ENTRIES)))


def _groups_of(session: Session, entries: Iterable[AccessEntry]) -> list[ProviderGroup]:
    # Co-workers have many entries of the same numbers: each is looked up once.
    asked = dict.fromkeys(tuple(numbers_of(entry)) for entry in entries)
    found = {group.id: group for numbers in asked for group in groups_with(session, numbers)}
    return sorted(found.values(), key=lambda group: (group.name, group.number))


def delegates_of_group(session: Session, group_id: str, *, limit: int = 20) -> list[ProviderStaff]:
    """The working delegates of provider offices whose own entries reach the group now, the longest there first."""
    fits = [
        column.is_(None) | column.in_(select(ProviderIdentifier.value).where(*_of_group(group_id, kind)))
        for column, kind in _COLUMNS
    ]
    entry = (AccessEntry.staff_id == ProviderStaff.id, AccessEntry.ended_at.is_(None), *fits)
    statement = (
        select(ProviderStaff)
        .join(PortalOrganization, PortalOrganization.id == ProviderStaff.organization_id)
        .where(
            PortalOrganization.kind == OrganizationKind.PROVIDER, ProviderStaff.is_delegate.is_(True),
            ProviderStaff.status == StaffStatus.ACTIVE,
            select(AccessEntry.id).where(*entry, or_(*(column.is_not(None) for column, _ in _COLUMNS))).exists(),
        )
        .order_by(ProviderStaff.created_at, ProviderStaff.id)
        .limit(limit)
    )  # fmt: skip
    return list(session.scalars(statement))


def numbers_of(entry: AccessEntry) -> list[tuple[IdKind, str]]:
    """The numbers that an entry asks for."""
    given = (
        (IdKind.TAX_ID, entry.tax_id), (IdKind.NPI, entry.npi), (IdKind.VENDOR_NUMBER, entry.vendor_number),
        (IdKind.OFFICE_ID, entry.office_id),
    )  # fmt: skip
    return [(kind, value) for kind, value in given if value]


def groups_with(session: Session, numbers: Iterable[tuple[IdKind, str]], *, limit: int = 200) -> list[ProviderGroup]:
    """The groups that carry every one of the numbers today; none for no number at all."""
    asked = list(numbers)
    if not asked:
        return []
    statement = select(ProviderGroup).order_by(ProviderGroup.legal_name, ProviderGroup.number).limit(limit)
    for kind, value in asked:
        statement = statement.where(ProviderGroup.id.in_(select(ProviderIdentifier.group_id).where(*_is(kind, value))))
    return list(session.scalars(statement))


_COLUMNS = (
    (AccessEntry.tax_id, IdKind.TAX_ID), (AccessEntry.npi, IdKind.NPI),
    (AccessEntry.vendor_number, IdKind.VENDOR_NUMBER), (AccessEntry.office_id, IdKind.OFFICE_ID),
)  # fmt: skip


def _of_group(group_id: str, kind: IdKind) -> tuple[ColumnElement[bool], ...]:
    return ProviderIdentifier.group_id == group_id, ProviderIdentifier.kind == kind, _has_begun()


def _is(kind: IdKind, value: str) -> tuple[ColumnElement[bool], ...]:
    return ProviderIdentifier.kind == kind, ProviderIdentifier.value == value, _has_begun()


def _has_begun() -> ColumnElement[bool]:
    # A Tax ID that was replaced still names the group's older claims and payments: a number stays its group's.
    today = now().date()
    return ProviderIdentifier.valid_from.is_(None) | (ProviderIdentifier.valid_from <= today)
