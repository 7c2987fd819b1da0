"""What an export was asked (Bulk Data Access 3.0, kick-off), as it is kept until the worker reads it.

`_typeFilter` is read by the same parser as a search, so that it narrows a type and can do nothing else.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from consent.policy import Access
from fhir.bulk.models import Level
from fhir.calls import Given
from fhir.compartment import ID, PATIENT_ELEMENT, SHARED_TYPES, TYPES
from fhir.outcomes import BadValue, NotSupported
from fhir.search import query as searching
from fhir.search.conditions import Condition
from fhir.search.dates import BadDate, span
from fhir.search.query import TRANSPORT, shown
from fhir.storage import granting
from oauth.tokens.token_problems import InsufficientScope

FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson", "application/fhir ndjson"})
"""What `_outputFormat` takes; a plus that was not encoded arrives as a space."""
MOST_PATIENTS = 5_000
_MOST_FILTERS = 50
_NOT_HERE = frozenset({
    "_sort", "_include", "_revinclude", "_count", "_total", "_summary", "_elements",
})  # fmt: skip
"""Parameters of a search that say nothing about which resources are meant."""
# A comma stands between two queries only where the next one begins.
_BETWEEN = re.compile(r",(?=[A-Za-z]+\?)")


class Asked(msgspec.Struct, frozen=True):
    """What is to be exported. `since` and `until` are microseconds since 1970; `filters` are (type, query).

    `export_type` is what providers are served by, where it is for them (`fhir.bulk.data_export`).
    """

    types: tuple[str, ...]
    since: int | None = None
    until: int | None = None
    filters: tuple[tuple[str, str], ...] = ()
    patients: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    export_type: str = ""
    absent: int = 0
    """How many of the `patients` were not in the Group, or without one not known."""

    def conditions(self, resource_type: str) -> list[tuple[Condition, ...]]:
        """The alternatives of which a resource of the type must fit one; empty where no filter speaks of it."""
        return [_conditions(resource_type, query) for named, query in self.filters if named == resource_type]

    def kept(self) -> dict[str, Any]:
        """The same for the database."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


def restored(kept: Mapping[str, Any]) -> Asked:
    """What `kept` made."""
    return msgspec.convert(kept, Asked)


def parse(given: Given, access: Access, level: Level, *, by_body: bool, strict: bool) -> Asked:
    """What the parameters ask for, within what the access reaches.

    Raises BadValue, NotSupported, and InsufficientScope for a type that is named and not covered.
    """
    found, ignored = _sorted(given, strict)
    for one in found.get("_outputFormat", ()):
        if one not in FORMATS:
            raise BadValue("_outputFormat must be application/fhir+ndjson.", expression="_outputFormat")
    types = _types(found.get("_type", ()), access, level)
    since, until = _instant(found, "_since"), _instant(found, "_until")
    if since is not None and until is not None and until <= since:
        raise BadValue("_until is later than _since: nothing lies between these two.", expression="_until")
    return Asked(
        types=types,
        since=since,
        until=until,
        filters=tuple(_filters(found.get("_typeFilter", ()), types)),
        patients=_patients(found.get("patient", ()), level, by_body=by_body),
        ignored=tuple(dict.fromkeys(ignored)),
    )


def reached(access: Access, resource_type: str) -> bool:
    """Whether an access covers all that an export of the type does: reading and searching."""
    return access.permits(resource_type, "r") and access.permits(resource_type, "s")


def _sorted(given: Given, strict: bool) -> tuple[dict[str, list[str]], list[str]]:
    found: dict[str, list[str]] = {}
    ignored = []
    for name, value in given:
        if name in TRANSPORT or value == "":
            continue
        if name in _KNOWN:
            found.setdefault(name, []).append(value)
        elif strict:
            raise NotSupported(
                f"The parameter {shown(name)} is not supported. Leave it out, or send Prefer: handling=lenient.",
                expression=shown(name),
            )
        else:
            ignored.append(shown(name))
    return found, ignored


def _types(values: Sequence[str], access: Access, level: Level) -> tuple[str, ...]:
    named = list(dict.fromkeys(one.strip() for value in values for one in value.split(",") if one.strip()))
    for one in named:
        if one not in TYPES:
            raise BadValue(f"_type names a type that is not exported: {shown(one)}.", expression="_type")
        if not reached(access, one):
            raise InsufficientScope(granting.needed(access, one, "rs"))
    # The plan's directory is the same for every member: with members it is exported only to who asks for it.
    every = sorted(PATIENT_ELEMENT) if level is not Level.SYSTEM else [*sorted(PATIENT_ELEMENT), *sorted(SHARED_TYPES)]
    types = tuple(named or (one for one in every if reached(access, one)))
    if not types:
        raise InsufficientScope("system/*.rs")
    return types


def _filters(values: Sequence[str], types: Sequence[str]) -> Iterator[tuple[str, str]]:
    queries = [query for value in values for query in _BETWEEN.split(value)]
    if len(queries) > _MOST_FILTERS:
        raise BadValue(f"_typeFilter takes at most {_MOST_FILTERS} queries.", expression="_typeFilter")
    for query in queries:
        resource_type, mark, rest = query.partition("?")
        if resource_type not in TYPES or not mark:
            raise BadValue("_typeFilter is a search such as Observation?category=laboratory.", expression="_typeFilter")
        if resource_type not in types:
            raise BadValue(f"_typeFilter speaks of {resource_type}, which _type leaves out.", expression="_typeFilter")
        _conditions(resource_type, rest)
        yield resource_type, rest


def _conditions(resource_type: str, query: str) -> tuple[Condition, ...]:
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=searching.SEARCH_LIMIT)
    for name, _value in pairs:
        if name.partition(":")[0] in _NOT_HERE:
            raise NotSupported(f"_typeFilter takes no {shown(name)}.", expression="_typeFilter")
    found = searching.parse(resource_type, pairs, base="", patient_ids=None, strict=True).conditions
    plain = tuple(one for one in found if isinstance(one, Condition))
    if len(plain) < len(found):
        raise NotSupported("_typeFilter takes no parameter of another resource (a.b).", expression="_typeFilter")
    return plain


def _instant(found: Mapping[str, Sequence[str]], name: str) -> int | None:
    values = found.get(name, ())
    if len(values) > 1:
        raise BadValue(f"Give {name} once.", expression=name)
    try:
        return span(values[0].replace(" ", "+")).start if values else None
    except BadDate:
        raise BadValue(f"{name} is an instant such as 2026-11-01T00:00:00Z.", expression=name) from None


def _patients(values: Sequence[str], level: Level, *, by_body: bool) -> tuple[str, ...]:
    if values and level is Level.SYSTEM:
        raise NotSupported("patient is not for exports of the whole system.", expression="patient")
    if values and not by_body:
        # An id of a member has no place in an address, which servers on the way write into their logs.
        raise NotSupported("Send patient in a Parameters resource, by POST.", expression="patient")
    ids = [value.removeprefix("Patient/") for value in values]
    if len(ids) > MOST_PATIENTS or not all(ID.fullmatch(one) for one in ids):
        raise BadValue(f"patient is a reference Patient/id, at most {MOST_PATIENTS} of them.", expression="patient")
    return tuple(sorted(set(ids)))


_KNOWN = frozenset({"_outputFormat", "_since", "_until", "_type", "_typeFilter", "patient"})
