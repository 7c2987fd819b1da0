"""`DocumentReference/$docref` (US Core): a patient's documents by kind and by when care was given.

We store documents and make none: what would have to be generated is answered by an empty Bundle, as the operation
says. Without dates the latest document of the kind is meant, without a kind the summary of care (CCD).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from fhir import store
from fhir.calls import Call, Given
from fhir.compartment import ID
from fhir.outcomes import BadRequest, BadValue, Issue, NotSupported
from fhir.search import conditions, parameters
from fhir.search.conditions import Condition, Term, Test
from fhir.search.dates import BadDate, Prefix, Span, span
from fhir.search.declared import Column
from fhir.search.query import DEFAULT_COUNT, TRANSPORT, Search, refuse_too_many, require_printable, shown
from fhir.storage.results import Cursor, Page, Resource

TYPE = "DocumentReference"
SUMMARY = "http://loinc.org|34133-9"
"""The kind of a CCD (LOINC)."""
_KNOWN = frozenset({"patient", "start", "end", "type", "on-demand", "profile"})
_ONCE = ("patient", "start", "end", "on-demand")


class PatientMissing(BadRequest):
    """The operation does not say whose documents are wanted."""

    issue = Issue.REQUIRED
    sentence = "Say whose documents: patient is the id of a Patient."


@dataclass(frozen=True, slots=True)
class Asked:
    """Which documents: one where `latest`, none at all where they would have to be made."""

    search: Search
    latest: bool
    generated: bool
    profiles: frozenset[str]


def parse(given: Given, *, base: str, context: frozenset[str] | None, strict: bool) -> Asked:
    """What the parameters ask for; raises BadRequest, BadValue, NotSupported and OtherPatient."""
    found, ignored = _sorted(given, strict)
    values = {name: found[name][0] for name in _ONCE if name in found}
    if not values.get("patient"):
        raise PatientMissing(expression="patient")
    if not ID.fullmatch(values["patient"].removeprefix("Patient/")):
        raise BadValue("patient is the id of a Patient.", expression="patient")
    if values.get("on-demand", "false") not in {"true", "false"}:
        raise BadValue("on-demand is true or false.", expression="on-demand")
    start, end = _date(values, "start"), _date(values, "end")
    if start and end and end.end <= start.start:
        raise BadValue("end lies before start.", expression="end")
    latest = start is None and end is None
    kinds = found.get("type", [SUMMARY] if latest else [])
    asked = (
        conditions.patient("patient", "", values["patient"], base=base, context=context),
        *(_kind(kinds, base) if kinds else ()),
        *_of_care(start, end),
    )
    used = tuple((name, value) for name, every in found.items() for value in every)
    profiles = frozenset(found.get("profile", ()))
    count = 1 if latest and not profiles else DEFAULT_COUNT
    search = Search(TYPE, conditions=asked, count=count, used=used, ignored=tuple(ignored))
    return Asked(search, latest, values.get("on-demand") == "true", profiles)


def page(call: Call, asked: Asked, start: Cursor | None) -> Page:
    """One page of the documents; raises InsufficientScope."""
    found = store.search(call.session, call.access, asked.search, start)
    if asked.generated:
        return Page(())
    matches = _of_profiles(found, asked)
    while asked.latest and not matches and found.following is not None:
        # The latest one of that profile may be older than a page of others.
        found = store.search(call.session, call.access, asked.search, found.following)
        matches = _of_profiles(found, asked)
    return Page(matches[:1]) if asked.latest else Page(matches, following=found.following)


def _sorted(given: Given, strict: bool) -> tuple[dict[str, list[str]], list[str]]:
    found: dict[str, list[str]] = {}
    ignored: list[str] = []
    refuse_too_many(given)
    for name, value in given:
        if value == "" or name in TRANSPORT:
            continue
        require_printable(name, value)
        if name in _KNOWN:
            found.setdefault(name, []).append(value)
        elif strict:
            raise NotSupported(f"The parameter {shown(name)} is not supported.", expression=shown(name))
        else:
            ignored.append(shown(name))
    for name in _ONCE:
        if len(found.get(name, ())) > 1:
            raise BadValue(f"Give {name} once.", expression=name)
    return found, ignored


def _kind(kinds: Sequence[str], base: str) -> tuple[Condition]:
    parameter = parameters.find(TYPE, "type")
    assert parameter is not None, "declared"
    return (conditions.condition(parameter, "", ",".join(kinds), base=base),)


def _of_care(start: Span | None, end: Span | None) -> list[Condition]:
    """Documents about care in that time; those that do not say when are none of them."""
    asked = ((Prefix.GE, start), (Prefix.LE, end))
    return [
        Condition(Column.DATE2, (Term(Test.SPAN, prefix=prefix, span=bound),))
        for prefix, bound in asked if bound is not None
    ]  # fmt: skip


def _date(values: dict[str, str], name: str) -> Span | None:
    try:
        return span(values[name].replace(" ", "+")) if name in values else None
    except BadDate:
        raise BadValue(f"{name} is a FHIR date, such as 2026-11-01.", expression=name) from None


def _of_profiles(found: Page, asked: Asked) -> tuple[Resource, ...]:
    return tuple(one for one in found.matches if _has_profile(one, asked.profiles))


def _has_profile(one: Resource, wanted: frozenset[str]) -> bool:
    if not wanted:
        return True
    found: dict[str, Any] = orjson.loads(one.body)
    told = {str(profile).partition("|")[0] for profile in found.get("meta", {}).get("profile", ())}
    formats = (content.get("format", {}) for content in found.get("content", ()))
    told |= {str(one.get("code")) for one in formats}
    return bool(told & {profile.partition("|")[0] for profile in wanted})
