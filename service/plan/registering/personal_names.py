"""Whether a contact is named as the person they are, not as a facility or a doctor of it (product.md PV 3)."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.models import Practitioner, PractitionerAffiliation, ProviderGroup

_TITLES = frozenset({"dr", "doctor", "md", "do", "dds", "dmd", "np", "pa", "phd", "rn", "drs"})
_INSTITUTIONS = frozenset({
    "clinic", "hospital", "medical", "center", "centre", "group", "billing", "health", "care", "associates", "dental",
    "pharmacy", "services", "office", "department",
})  # fmt: skip
_BETWEEN_WORDS = re.compile(r"[\s,/&()-]+")
_MOST = 5_000


class NotYourName(Exception):
    """The name is the organisation's or one of its practitioners'."""


def require_personal(
    session: Session, given_name: str, family_name: str, *, groups: Iterable[str], organizations: Iterable[str]
) -> None:
    """Raise NotYourName for a name of the `groups` (by id), their practitioners, or the `organizations` (by name)."""
    ids = list(groups)
    facilities = [*organizations, *_names_of_groups(session, ids)]
    taken = {key(name) for name in (*facilities, *_practitioners(session, ids))}
    shown = {key(part) for part in _spellings(given_name, family_name)}
    if shown & (taken - {""}) or _is_part_of_a_facility(f"{given_name} {family_name}", facilities):
        raise NotYourName


def key(name: str) -> str:
    """A name as compared: case, accents, punctuation, spaces and titles do not matter (as `roster.same_name`)."""
    words = unicodedata.normalize("NFKD", name).casefold().replace(".", "").split()
    kept = ["".join(letter for letter in word if letter.isalnum()) for word in words]
    return "".join(word for word in kept if word not in _TITLES)


def _is_part_of_a_facility(name: str, facilities: Iterable[str]) -> bool:
    """Whether every word is one of a facility's name, and one says what kind of place it is ("Rivermont Clinic")."""
    words = _words(name)
    return bool(words & _INSTITUTIONS) and any(words <= _words(facility) for facility in facilities)


def _words(name: str) -> set[str]:
    return {key(word) for word in _BETWEEN_WORDS.split(name)} - {""}


def _spellings(given_name: str, family_name: str) -> Iterator[str]:
    yield f"{given_name} {family_name}"
    yield f"{family_name} {given_name}"
    # A facility's name is often put whole into one field.
    yield given_name
    yield family_name


def _names_of_groups(session: Session, ids: list[str]) -> Iterator[str]:
    for group in session.scalars(select(ProviderGroup).where(ProviderGroup.id.in_(ids)).limit(_MOST)):
        yield group.legal_name
        yield group.dba_name


def _practitioners(session: Session, ids: list[str]) -> Iterator[str]:
    affiliated = select(PractitionerAffiliation.practitioner_id).where(PractitionerAffiliation.group_id.in_(ids))
    for practitioner in session.scalars(select(Practitioner).where(Practitioner.id.in_(affiliated)).limit(_MOST)):
        yield practitioner.full_name
