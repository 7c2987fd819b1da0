"""The words of Provider Data Profiles for groups and plan alike: kinds of change, where a request stands, its fields.

English only (docs/decisions/0015).
"""

from collections.abc import Iterator
from datetime import date

from service.plan.models import ProfileChange, ProfileChangeKind, ProfileChangeStatus

KINDS = {
    ProfileChangeKind.ADD_PRACTITIONER: "Add a practitioner",
    ProfileChangeKind.CHANGE_PRACTITIONER: "Change a practitioner",
    ProfileChangeKind.REMOVE_PRACTITIONER: "Remove a practitioner",
    ProfileChangeKind.ADD_LOCATION: "Add a location",
    ProfileChangeKind.CHANGE_LOCATION: "Change a location",
    ProfileChangeKind.REMOVE_LOCATION: "Remove a location",
    ProfileChangeKind.OUT_OF_NETWORK: "Out of network or national provider update",
}
STATES = {
    ProfileChangeStatus.SUBMITTED: "Sent to the plan",
    ProfileChangeStatus.IN_REVIEW: "The plan is looking at it",
    ProfileChangeStatus.APPROVED: "Done",
    ProfileChangeStatus.DECLINED: "Declined",
    ProfileChangeStatus.WITHDRAWN: "Withdrawn",
}
FIELDS: dict[str, tuple[str, str | None]] = {
    "npi": ("NPI of the practitioner", "10 digits: the practitioner's own (Type 1) number"),
    "given_name": ("First name", None),
    "family_name": ("Last name", None),
    "gender": ("Gender", None),
    "taxonomy": ("Taxonomy code", "For instance 207Q00000X"),
    "starts_on": ("First day at the group", "month/day/year"),
    "ends_on": ("Last day at the group", "month/day/year"),
    "name": ("Name of the place", None),
    "line": ("Street address", None),
    "city": ("City", None),
    "state": ("State", "Two letters"),
    "zip_code": ("ZIP code", None),
    "phone": ("Phone", None),
    "note": ("Note to the plan", None),
    "text": ("What should be changed", "Names, NPIs, addresses and from when"),
}
"""Each field's label and hint."""
GENDERS = {"female": "Female", "male": "Male", "other": "Other", "unknown": "Not said"}
_DAYS = frozenset({"starts_on", "ends_on"})


def content(change: ProfileChange) -> Iterator[tuple[str, str | date]]:
    """What the change asks for, field by field: label, and value as people read it; what was left empty is left out."""
    for name, value in change.content.items():
        if value:
            yield FIELDS[name][0], _read(name, str(value))


def _read(name: str, value: str) -> str | date:
    if name in _DAYS:
        return date.fromisoformat(value)
    return GENDERS.get(value, value) if name == "gender" else value
