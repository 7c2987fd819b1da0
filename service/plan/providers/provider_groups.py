"""Provider groups, their numbers, addresses and people: stored as the plan tells them, kept with history.

A number that a group had before keeps its row, with the day it ended: it still names the group's older payments. What
a group's row said before stands in `provider_group_version`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.usernames import email_key, is_email
from service.clock import now
from service.db import new_id
from service.plan.models import (
    IdKind,
    Practitioner,
    PractitionerAffiliation,
    ProviderAddress,
    ProviderContact,
    ProviderGroup,
    ProviderGroupVersion,
    ProviderIdentifier,
)

_OFFICE = "Billing office"


class ProviderProblem(ValueError):
    """A row that cannot be taken; the sentence says what to mend."""


class UnknownGroup(Exception):
    """No provider group has that id."""


class Change(StrEnum):
    """What storing a row did."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class GroupRow:
    """One group; numbers are normalised, `values` are columns of its row by name."""

    number: str
    tax_id: str
    values: Mapping[str, Any]
    prior_tax_id: str | None = None
    npi: str | None = None
    npi_type: int = 2
    vendor_number: str | None = None
    office_id: str | None = None
    contact_name: str = ""
    contact_email: str = ""


@dataclass(frozen=True)
class AddressRow:
    """One address of a group."""

    group_number: str
    use: str
    line: str
    city: str
    state: str
    zip_code: str
    name: str = ""
    phone: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    current: bool = True
    location_id: str = ""
    """The id of the FHIR Location of this place, where the plan has one already."""


@dataclass(frozen=True)
class PractitionerRow:
    """One practitioner; without a FHIR id one is made."""

    npi: str
    given_name: str
    family_name: str
    practitioner_id: str = ""
    gender: str = ""
    taxonomy: str = ""
    taxonomy_name: str = ""


@dataclass(frozen=True)
class AffiliationRow:
    """That a practitioner works for a group; `ends_on` is the first day they do not."""

    group_number: str
    npi: str
    starts_on: date
    ends_on: date | None = None


def get(session: Session, group_id: str) -> ProviderGroup:
    """The group with our id; raises UnknownGroup."""
    found = session.get(ProviderGroup, group_id)
    if found is None:
        raise UnknownGroup
    return found


def numbers_of(session: Session, group: ProviderGroup, kind: IdKind) -> list[str]:
    """The group's numbers of one kind that are valid now, the oldest first."""
    current = (
        ProviderIdentifier.group_id == group.id, ProviderIdentifier.kind == kind,
        ProviderIdentifier.valid_until.is_(None),
    )  # fmt: skip
    statement = select(ProviderIdentifier.value).where(*current).order_by(ProviderIdentifier.valid_from)
    return list(session.scalars(statement.limit(200)))


def current_addresses(session: Session, group: ProviderGroup) -> list[ProviderAddress]:
    """The group's addresses in use now."""
    current = (ProviderAddress.group_id == group.id, ProviderAddress.current.is_(True))
    return list(session.scalars(select(ProviderAddress).where(*current).order_by(ProviderAddress.line).limit(200)))


def contacts_of(session: Session, group: ProviderGroup) -> list[ProviderContact]:
    """The people at the group's office that the plan may write to."""
    standing = (ProviderContact.group_id == group.id, ProviderContact.ended_at.is_(None))
    return list(session.scalars(select(ProviderContact).where(*standing).order_by(ProviderContact.name).limit(200)))


def store_group(session: Session, row: GroupRow) -> Change:
    """Add a group or bring it in step with the row; raises ProviderProblem."""
    if row.contact_email and not is_email(row.contact_email):
        raise ProviderProblem("email must be an address like name@example.org")
    _require_own_organization(session, row)
    group = session.scalar(select(ProviderGroup).where(ProviderGroup.number == row.number))
    if group is None:
        group = ProviderGroup(number=row.number, **row.values)
        session.add(group)
        session.flush()
        _number_group(session, group, row)
        _set_contact(session, group, row, known_since=row.values.get("effective_on"))
        return Change.ADDED
    changed = _change_row(session, group, row.values)
    changed |= _number_group(session, group, row)
    changed |= _set_contact(session, group, row, known_since=None)
    return Change.CHANGED if changed else Change.UNCHANGED


def store_address(session: Session, row: AddressRow) -> Change:
    """Add an address of a group or bring it in step; raises ProviderProblem."""
    group = _group_of(session, row.group_number)
    same = (
        ProviderAddress.group_id == group.id, ProviderAddress.use == row.use, ProviderAddress.line == row.line,
        ProviderAddress.zip_code == row.zip_code,
    )  # fmt: skip
    found = session.scalar(select(ProviderAddress).where(*same))
    values = {name: value for name, value in vars(row).items() if name != "group_number"}
    # Not said is not none: a place that the directory knows keeps its entry there.
    if not row.location_id:
        del values["location_id"]
    if found is None:
        session.add(ProviderAddress(group_id=group.id, **values))
        session.flush()
        return Change.ADDED
    return _bring_in_step(found, values)


def store_practitioner(session: Session, row: PractitionerRow) -> Change:
    """Add a practitioner or bring them in step; raises ProviderProblem."""
    found = session.scalar(select(Practitioner).where(Practitioner.npi == row.npi))
    holder = session.scalar(select(Practitioner).where(Practitioner.practitioner_id == row.practitioner_id))
    if holder is not None and holder is not found:
        raise ProviderProblem("fhir_practitioner_id is already another practitioner's")
    if found is None:
        session.add(Practitioner(**vars(row) | {"practitioner_id": row.practitioner_id or new_id()}))
        session.flush()
        return Change.ADDED
    change = _bring_in_step(found, {name: value for name, value in vars(row).items() if value})
    if change is Change.CHANGED:
        found.loaded_at = now()
    return change


def store_affiliation(session: Session, row: AffiliationRow) -> Change:
    """Say that a practitioner works for a group, or until when they did; raises ProviderProblem."""
    group = _group_of(session, row.group_number)
    person = session.scalar(select(Practitioner).where(Practitioner.npi == row.npi))
    if person is None:
        raise ProviderProblem("practitioner_npi is not in practitioners.csv; load that file first")
    same = (
        PractitionerAffiliation.group_id == group.id, PractitionerAffiliation.practitioner_id == person.id,
        PractitionerAffiliation.starts_on == row.starts_on,
    )  # fmt: skip
    found = session.scalar(select(PractitionerAffiliation).where(*same))
    if found is None:
        session.add(
            PractitionerAffiliation(
                group_id=group.id, practitioner_id=person.id, starts_on=row.starts_on, ends_on=row.ends_on
            )
        )
        session.flush()
        return Change.ADDED
    return _bring_in_step(found, {"ends_on": row.ends_on})


def _group_of(session: Session, number: str) -> ProviderGroup:
    found = session.scalar(select(ProviderGroup).where(ProviderGroup.number == number))
    if found is None:
        raise ProviderProblem("group_id is not in provider-groups.csv; load that file first")
    return found


def _require_own_organization(session: Session, row: GroupRow) -> None:
    wanted = row.values.get("organization_id")
    holder = select(ProviderGroup.number).where(ProviderGroup.organization_id == wanted)
    if wanted and session.scalar(holder) not in {None, row.number}:
        raise ProviderProblem("fhir_organization_id is already another group's: claims would reach the wrong one")


def _change_row(session: Session, group: ProviderGroup, values: Mapping[str, Any]) -> bool:
    # A blank says nothing: what the row has stays.
    new = {name: value for name, value in values.items() if value not in {"", None} and getattr(group, name) != value}
    if not new:
        return False
    kept = {name: _plain(getattr(group, name)) for name in values}
    session.add(ProviderGroupVersion(group_id=group.id, replaced_at=now(), content=kept))
    _bring_in_step(group, new)
    group.loaded_at = now()
    return True


def _number_group(session: Session, group: ProviderGroup, row: GroupRow) -> bool:
    given = (
        (IdKind.TAX_ID, row.tax_id), (IdKind.NPI, row.npi), (IdKind.VENDOR_NUMBER, row.vendor_number),
        (IdKind.OFFICE_ID, row.office_id),
    )  # fmt: skip
    changed = [_set_number(session, group, kind, value, row.npi_type) for kind, value in given if value]
    if row.prior_tax_id:
        changed.append(_keep_prior(session, group, row.prior_tax_id))
    return any(changed)


def _set_number(session: Session, group: ProviderGroup, kind: IdKind, value: str, npi_type: int) -> bool:
    """Make `value` the group's number of its kind; one that it replaces ends today."""
    standing = _identifiers(session, group, kind)
    if any(one.value == value and one.valid_until is None for one in standing):
        return False
    today = now().date()
    for one in standing:
        one.valid_until = one.valid_until or today
    again = next((one for one in standing if one.value == value), None)
    if again is not None:
        again.valid_until = None
        return True
    session.add(
        ProviderIdentifier(
            group_id=group.id, kind=kind, value=value, npi_type=npi_type if kind is IdKind.NPI else None,
            valid_from=today if standing else None,
        )
    )  # fmt: skip
    session.flush()
    return True


def _keep_prior(session: Session, group: ProviderGroup, tax_id: str) -> bool:
    if any(one.value == tax_id for one in _identifiers(session, group, IdKind.TAX_ID)):
        return False
    session.add(
        ProviderIdentifier(group_id=group.id, kind=IdKind.TAX_ID, value=tax_id, valid_until=now().date())
    )  # fmt: skip
    session.flush()
    return True


def _identifiers(session: Session, group: ProviderGroup, kind: IdKind) -> list[ProviderIdentifier]:
    of_kind = (ProviderIdentifier.group_id == group.id, ProviderIdentifier.kind == kind)
    return list(session.scalars(select(ProviderIdentifier).where(*of_kind).limit(200)))


def _set_contact(session: Session, group: ProviderGroup, row: GroupRow, *, known_since: date | None) -> bool:
    """Make the row's address the group's contact. A replaced one ends, and the new one is fresh (security.md 131)."""
    if not row.contact_email:
        return False
    standing = contacts_of(session, group)
    name, key = row.contact_name or _OFFICE, email_key(row.contact_email)
    if any(one.email_key == key and one.name == name for one in standing):
        return False
    for one in standing:
        one.ended_at = now()
    since = datetime.combine(known_since, time(), UTC) if known_since else now()
    session.add(
        ProviderContact(
            group_id=group.id, name=name, email=row.contact_email, email_key=key,
            phone=str(row.values.get("phone") or ""), changed_at=min(since, now()),
        )
    )  # fmt: skip
    session.flush()
    return True


def _bring_in_step(row: object, values: Mapping[str, Any]) -> Change:
    new = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in new.items():
        setattr(row, name, value)
    return Change.CHANGED if new else Change.UNCHANGED


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
