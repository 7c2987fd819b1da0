"""`Patient/[id]/$everything` (FHIR R4): a member's whole record in pages, with the people and places it names.

Each type goes through the same search as ever, so that scopes and labels count here as they do there. Pages are in
the order of types and ids, which nothing that is loaded meanwhile disturbs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fhir import store
from fhir.calls import Call, Given
from fhir.compartment import RECORD_TYPES, SHARED_TYPES
from fhir.outcomes import BadValue, NotSupported
from fhir.search.conditions import Condition, Term, Test
from fhir.search.dates import BadDate, Prefix, Span, span
from fhir.search.declared import Column
from fhir.search.ordering import Key, Sort
from fhir.search.query import DEFAULT_COUNT, MAX_COUNT, TRANSPORT, Include, Search, shown
from fhir.storage import granting
from fhir.storage.results import Cursor, Page, Resource
from oauth.tokens.token_problems import InsufficientScope

CARE_DATES = frozenset({
    "CarePlan", "CareTeam", "Condition", "DiagnosticReport", "DocumentReference", "Encounter", "ExplanationOfBenefit",
    "Immunization", "Media", "MedicationDispense", "MedicationRequest", "Observation", "Procedure",
    "QuestionnaireResponse", "ServiceRequest", "Specimen",
})  # fmt: skip
"""Types whose first date says when care was given; `start` and `end` leave the others alone."""
_BY_ID = Sort((Key("id"),))


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the record is wanted. `used` are the parameters that count, for links."""

    types: frozenset[str] = frozenset()
    start: Span | None = None
    end: Span | None = None
    since: Span | None = None
    count: int = DEFAULT_COUNT
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


def parse(given: Given, *, strict: bool) -> Asked:
    """What the parameters ask for; raises BadValue and NotSupported."""
    found: dict[str, list[str]] = {}
    ignored: list[str] = []
    for name, value in given:
        if value == "" or name in TRANSPORT:
            continue
        if name in _KNOWN:
            found.setdefault(name, []).append(value)
        elif strict:
            raise NotSupported(f"The parameter {shown(name)} is not supported.", expression=shown(name))
        else:
            ignored.append(shown(name))
    start, end = _date(found, "start"), _date(found, "end")
    if start and end and end.end <= start.start:
        raise BadValue("end lies before start.", expression="end")
    count = _count(found)
    if "_count" in found:
        # What was asked above the most is not what was done.
        found["_count"] = [str(count)]
    return Asked(
        types=_types(found.get("_type", ())),
        start=start,
        end=end,
        since=_date(found, "_since"),
        count=count,
        used=tuple((name, value) for name, values in found.items() for value in values),
        ignored=tuple(ignored),
    )


def page(call: Call, patient_id: str, asked: Asked, start: Cursor | None) -> Page:
    """One page of the record; raises NotFound, Gone and InsufficientScope."""
    store.read(call.session, call.access, "Patient", patient_id)
    reached = list(_reached(call, asked))
    after = None if start is None else str(start.place)
    types = [one for one in reached if after is None or one >= after]
    matches: list[Resource] = []
    included: dict[tuple[str, str], Resource] = {}
    for resource_type in types:
        room = asked.count - len(matches)
        cursor = start if start and resource_type == after else None
        search = _search(resource_type, patient_id, asked, room or 1)
        found = store.search(call.session, call.access, search, cursor)
        if not room and found.matches:
            # Only now it is known that another page follows.
            return _page(matches, included, more=True)
        matches += found.matches
        included |= {(one.type, one.id): one for one in found.included}
        if found.following is not None:
            return _page(matches, included, more=True)
    return _page(matches, included, more=False)


def total(call: Call, patient_id: str, asked: Asked) -> int:
    """How many resources of the record are asked for, those it names not counted."""
    store.read(call.session, call.access, "Patient", patient_id)
    searches = (_search(resource_type, patient_id, asked, 0) for resource_type in _reached(call, asked))
    return sum(store.search(call.session, call.access, search).total or 0 for search in searches)


def _page(matches: Sequence[Resource], included: dict[tuple[str, str], Resource], *, more: bool) -> Page:
    following = Cursor(matches[-1].type, matches[-1].id) if more else None
    return Page(tuple(matches), tuple(included.values()), following=following)


def _reached(call: Call, asked: Asked) -> Iterator[str]:
    """The types of the compartment that are asked for and reached, the patient's own first."""
    refused = sorted(one for one in asked.types if not call.access.permits(one, "s"))
    if refused:
        raise InsufficientScope(granting.needed(call.access, refused[0], "s"))
    for resource_type in sorted(RECORD_TYPES):
        if (not asked.types or resource_type in asked.types) and call.access.permits(resource_type, "s"):
            yield resource_type


def _search(resource_type: str, patient_id: str, asked: Asked, count: int) -> Search:
    patient = Condition(Column.PATIENT, (Term(Test.EQUALS, patient_id),))
    return Search(
        resource_type,
        conditions=(patient, *_since(asked), *_of_care(resource_type, asked)),
        count=count,
        sort=_BY_ID,
        includes=_includes(resource_type, SHARED_TYPES & asked.types if asked.types else SHARED_TYPES),
    )


@lru_cache(maxsize=256)
def _includes(resource_type: str, shared: frozenset[str]) -> tuple[Include, ...]:
    # What a role names belongs to it: the person, the organization, the place.
    further = (Include(source, "*", target, iterate=True) for source in sorted(shared) for target in sorted(shared))
    return (*(Include(resource_type, "*", target) for target in sorted(shared)), *further)


def _since(asked: Asked) -> Iterator[Condition]:
    if asked.since:
        yield Condition(Column.LAST_UPDATED, (Term(Test.SPAN, prefix=Prefix.GE, span=asked.since),))


def _of_care(resource_type: str, asked: Asked) -> Iterator[Condition]:
    if resource_type not in CARE_DATES:
        return
    undated = Term(Test.ABSENT)
    if asked.start:
        yield Condition(Column.DATE1, (Term(Test.SPAN, prefix=Prefix.GE, span=asked.start), undated))
    if asked.end:
        yield Condition(Column.DATE1, (Term(Test.SPAN, prefix=Prefix.LE, span=asked.end), undated))


def _types(values: Sequence[str]) -> frozenset[str]:
    named = frozenset(one for value in values for one in value.split(",") if one)
    unknown = sorted(named - RECORD_TYPES - SHARED_TYPES)
    if unknown:
        raise BadValue(f"_type names a type that is not served: {shown(unknown[0])}.", expression="_type")
    return named


def _date(found: dict[str, list[str]], name: str) -> Span | None:
    values = found.get(name, [])
    if len(values) > 1:
        raise BadValue(f"Give {name} once.", expression=name)
    try:
        return span(values[0].replace(" ", "+")) if values else None
    except BadDate:
        raise BadValue(f"{name} is a FHIR date, such as 2026-11-01.", expression=name) from None


def _count(found: dict[str, list[str]]) -> int:
    values = found.get("_count", [str(DEFAULT_COUNT)])
    if len(values) > 1 or not values[0].isascii() or not values[0].isdigit():
        raise BadValue("_count must be a whole number from 0.", expression="_count")
    return min(int(values[0][:12]), MAX_COUNT)


_KNOWN = frozenset({"start", "end", "_since", "_type", "_count"})
