"""What a login of the portal holds, as people read it: entries with their groups, or the clients that let it in."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import billing_authorizations
from consent.billing_models import BillingAuthorization
from service.plan.logins import reach
from service.plan.logins.entry_words import SOURCES
from service.plan.models import (
    AccessEntry,
    IdKind,
    OrganizationKind,
    PortalFunction,
    ProviderGroup,
    ProviderStaff,
    StaffStatus,
)
from service.plan.providers import numbers
from service.provider import menu

_KINDS: Mapping[IdKind, LazyString] = {
    IdKind.TAX_ID: _("Tax ID"),
    IdKind.NPI: _("NPI"),
    IdKind.VENDOR_NUMBER: _("Vendor number"),
    IdKind.OFFICE_ID: _("Office ID"),
}


@dataclass(frozen=True)
class HeldEntry:
    """One entry: all of its numbers together, the groups that carry them, and how it came."""

    entry: AccessEntry
    numbers: tuple[tuple[LazyString, str], ...]
    groups: tuple[ProviderGroup, ...]
    source: str


@dataclass(frozen=True)
class HeldClient:
    """One client of a billing organisation, and the applications it allows."""

    authorization: BillingAuthorization
    applications: tuple[LazyString, ...]


@dataclass(frozen=True)
class Holdings:
    """Everything a login holds: entries of a provider's login, clients of a billing organisation's."""

    entries: tuple[HeldEntry, ...] = ()
    clients: tuple[HeldClient, ...] = ()


def of(session: Session, staff: ProviderStaff) -> Holdings:
    """What the login holds now; nothing while it waits for its PIN."""
    if staff.status is not StaffStatus.ACTIVE:
        return Holdings()
    if staff.organization.kind is OrganizationKind.PROVIDER:
        return Holdings(entries=tuple(_held(session, entry) for entry in reach.entries_of(session, staff.id)))
    return Holdings(clients=_clients(session, staff))


def groups_of(session: Session, staff: ProviderStaff) -> list[ProviderGroup]:
    """The provider groups a login reaches in any way, by name."""
    held = of(session, staff)
    found = {group.id: group for entry in held.entries for group in entry.groups}
    found |= {client.authorization.group_id: client.authorization.group for client in held.clients}
    return sorted(found.values(), key=lambda group: (group.name, group.number))


def _held(session: Session, entry: AccessEntry) -> HeldEntry:
    asked = reach.numbers_of(entry)
    shown = tuple(
        (_KINDS[kind], numbers.shown_tax_id(value) if kind is IdKind.TAX_ID else value) for kind, value in asked
    )
    return HeldEntry(entry, shown, tuple(reach.groups_with(session, asked)), SOURCES[entry.source])


def _clients(session: Session, staff: ProviderStaff) -> tuple[HeldClient, ...]:
    found: dict[str, BillingAuthorization] = {}
    for function in PortalFunction:
        standing = billing_authorizations.standing_of(session, staff.organization_id, function)
        found |= {one.id: one for one in standing}
    every = sorted(found.values(), key=lambda one: one.group.name)
    return tuple(
        HeldClient(one, tuple(app.name for app in menu.APPLICATIONS if app.function.value in one.functions))
        for one in every
    )
