"""The entries of a portal login: plan staff and proofs give it provider ids, one AND entry at a time, and end them.

What an entry reaches is worked out anew at every request (`service.plan.logins.reach`), so a new one works at the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from service import audit, revocations
from service.clock import now
from service.plan.logins import reach
from service.plan.models import (
    AccessEntry,
    EntrySource,
    IdKind,
    OrganizationKind,
    ProviderGroup,
    ProviderStaff,
    StaffStatus,
)
from service.plan.providers import numbers as plan_numbers
from service.plan.providers.numbers import UnusableNumber
from service.plan.staff import plan_staff

_READERS = {
    IdKind.TAX_ID: plan_numbers.tax_id,
    IdKind.NPI: plan_numbers.npi,
    IdKind.VENDOR_NUMBER: plan_numbers.vendor_number,
    IdKind.OFFICE_ID: plan_numbers.vendor_number,
}


class EntryRefused(Exception):
    """The entry cannot be given; `sentence` says why."""

    sentence = "We cannot add this."


class NoNumber(EntryRefused):
    """Every field was empty."""

    sentence = "Please enter at least one number: a Tax ID, NPI, vendor number or office ID."


class UnusableNumbers(EntryRefused):
    """Some fields hold no such number; `problems` has their sentences."""

    sentence = "Please check the numbers."

    def __init__(self, problems: Mapping[IdKind, str]) -> None:
        super().__init__(self.sentence)
        self.problems = problems


class ReachesNobody(EntryRefused):
    """No provider carries all of the numbers."""

    sentence = (
        "No provider in our records has all of these numbers together. Check each number, or enter fewer: "
        "every number you add must belong to the same provider."
    )


class AlreadyHeld(EntryRefused):
    """The login has this very entry."""

    sentence = "This login has an entry with these numbers already."


class BillingFirm(EntryRefused):
    """The login belongs to a billing organisation, which reaches providers by their word only."""

    sentence = (
        "Billing organizations reach a provider only by that provider's word. "
        "Ask them to add the client under Tax ID & NPI access."
    )


class LoginNotActive(EntryRefused):
    """The login was deactivated."""

    sentence = "This login is deactivated. It can be given no provider IDs."


class EntryOver(Exception):
    """No such standing entry of this login."""

    sentence = "This entry has ended already."


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """An entry as plan staff look at it: its numbers, what it reaches now, who gave and who ended it."""

    entry: AccessEntry
    numbers: tuple[tuple[IdKind, str], ...]
    groups: tuple[ProviderGroup, ...]
    given_by: str
    ended_by: str


def read_numbers(typed: Mapping[IdKind, str]) -> dict[IdKind, str]:
    """The numbers as they are kept, empty fields left out; raises NoNumber, UnusableNumbers."""
    given = {kind: text.strip() for kind, text in typed.items() if text.strip()}
    if not given:
        raise NoNumber
    read: dict[IdKind, str] = {}
    problems: dict[IdKind, str] = {}
    for kind, text in given.items():
        try:
            read[kind] = _READERS[kind](text)
        except UnusableNumber as problem:
            problems[kind] = problem.sentence
    if problems:
        raise UnusableNumbers(problems)
    return read


def preview(session: Session, staff: ProviderStaff, typed: Mapping[IdKind, str]) -> list[ProviderGroup]:
    """The groups that an entry with these numbers would reach; raises the EntryRefused that would stop it."""
    if staff.organization.kind is OrganizationKind.BILLING:
        raise BillingFirm
    if staff.status is StaffStatus.DEACTIVATED:
        raise LoginNotActive
    read = read_numbers(typed)
    found = reach.groups_with(session, read.items())
    if not found:
        raise ReachesNobody
    if any(dict(reach.numbers_of(entry)) == read for entry in reach.entries_of(session, staff.id)):
        raise AlreadyHeld
    return found


def add_entry(
    session: Session, staff: ProviderStaff, numbers: Mapping[IdKind, str], *, source: EntrySource,
    by_account_id: str | None, thread_id: str | None = None,
) -> AccessEntry:  # fmt: skip
    """Give the login one entry, an AND of the numbers (as typed or as kept); raises EntryRefused.

    `thread_id` names the message it answers, for the audit row.
    """
    # Two who add the same at once wait for each other here, and the second is told.
    session.execute(select(ProviderStaff.id).where(ProviderStaff.id == staff.id).with_for_update())
    found = preview(session, staff, numbers)
    kept = {kind.value: value for kind, value in read_numbers(numbers).items()}
    entry = AccessEntry(staff_id=staff.id, source=source, created_by_account_id=by_account_id, **kept)
    session.add(entry)
    session.flush()
    detail = {
        "staff": staff.id, "entry": entry.id, "numbers": kept, "thread": thread_id,
        "groups": [group.number for group in found],
    }  # fmt: skip
    audit.record(session, "plan:access_entry:add", account_id=by_account_id, count=len(found), detail=detail)
    return entry


def end_entry(
    session: Session, staff: ProviderStaff, entry_id: str, *, by_account_id: str, thread_id: str | None = None
) -> None:
    """End one standing entry of the login; raises EntryOver. What it reached is gone at the next request."""
    statement = (
        update(AccessEntry)
        .where(AccessEntry.id == entry_id, AccessEntry.staff_id == staff.id, AccessEntry.ended_at.is_(None))
        .values(ended_at=now(), ended_by_account_id=by_account_id)
    )
    if cast(CursorResult[Any], session.execute(statement)).rowcount != 1:
        raise EntryOver
    revocations.note(session, "access_entry", entry_id)
    detail = {"staff": staff.id, "entry": entry_id, "thread": thread_id}
    audit.record(session, "plan:access_entry:end", account_id=by_account_id, detail=detail)


def held(session: Session, staff: ProviderStaff) -> list[HeldEntry]:
    """The standing entries of a login with what each reaches now, the oldest first."""
    return [_held(session, entry) for entry in reach.entries_of(session, staff.id)]


def ended(session: Session, staff: ProviderStaff) -> list[HeldEntry]:
    """The entries that ended, the latest first; they reach nothing."""
    over = (AccessEntry.staff_id == staff.id, AccessEntry.ended_at.is_not(None))
    every = session.scalars(select(AccessEntry).where(*over).order_by(AccessEntry.ended_at.desc()).limit(50))
    return [_held(session, entry) for entry in every]


def _held(session: Session, entry: AccessEntry) -> HeldEntry:
    groups = () if entry.ended_at else tuple(reach.groups_with(session, reach.numbers_of(entry)))
    given_by = plan_staff.name_of(session, entry.created_by_account_id)
    ended_by = plan_staff.name_of(session, entry.ended_by_account_id)
    return HeldEntry(entry, tuple(reach.numbers_of(entry)), groups, given_by, ended_by)
