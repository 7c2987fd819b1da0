"""Words for logins of the portal: applications, states, entries, signs of sharing."""

from collections.abc import Iterable
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from service.plan.logins import reach
from service.plan.models import AccessEntry, SharingKind, StaffStatus

STATUSES: dict[StaffStatus, LazyString] = {
    StaffStatus.ACTIVE: _("Active"),
    StaffStatus.AWAITING_PIN: _("Waiting for the mailed PIN"),
    StaffStatus.DEACTIVATED: _("Deactivated"),
}
SHARING: dict[SharingKind, LazyString] = {
    SharingKind.TWO_DEVICES: _("Two devices were in use at the same time."),
    SharingKind.MANY_DEVICES: _("Many new devices within a week."),
    SharingKind.ROUND_THE_CLOCK: _("Activity around the clock."),
}
_MOST_NAMES = 3


@dataclass(frozen=True)
class EntryWords:
    """An entry as a person reads it: its numbers, and the providers it reaches."""

    id: str
    numbers: str
    providers: str


def entry_words(session: Session, entries: Iterable[AccessEntry]) -> list[EntryWords]:
    """Words for entries; of a Tax ID the last four digits only (security.md 128)."""
    return [EntryWords(entry.id, _numbers(entry), _providers(session, entry)) for entry in entries]


def _numbers(entry: AccessEntry) -> str:
    parts = (
        entry.tax_id and _("Tax ID ending in %(end)s", end=entry.tax_id[-4:]),
        entry.npi and _("NPI %(number)s", number=entry.npi),
        entry.vendor_number and _("vendor %(number)s", number=entry.vendor_number),
        entry.office_id and _("office %(number)s", number=entry.office_id),
    )
    return ", ".join(str(part) for part in parts if part)


def _providers(session: Session, entry: AccessEntry) -> str:
    names = [group.name for group in reach.groups_with(session, reach.numbers_of(entry), limit=_MOST_NAMES + 1)]
    return "; ".join(names[:_MOST_NAMES]) + ("; …" if len(names) > _MOST_NAMES else "")
