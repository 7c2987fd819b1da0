"""From search parameters to a Search: pure, without database and request.

Rules of FHIR R4 search: a repeated parameter is AND, a comma OR; unknown parameters are left out unless the client
asks for strict handling; unknown modifiers are refused always, since leaving them out would widen the result.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fhir.compartment import TYPES
from fhir.outcomes import BadValue, NotSupported
from fhir.search import conditions, parameters
from fhir.search.conditions import Condition
from fhir.search.declared import Column

MAX_COUNT = 100
DEFAULT_COUNT = 50
SEARCH_LIMIT = 200
"""Values that one search may hold in all; more cost more than they find."""
_NEVER = ("_has", "_filter", "_query", "_list", "_text", "_content", "_contained", "_containedType")
TRANSPORT = frozenset({"_format", "_pretty", "fhirVersion"})
"""Parameters about the form of the answer, which the search itself passes over."""


class Total(StrEnum):
    """How exactly `Bundle.total` is wanted."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


class Summary(StrEnum):
    """Which part of each resource is wanted."""

    FALSE = "false"
    TRUE = "true"
    TEXT = "text"
    DATA = "data"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Sort:
    """The one column that puts matches in order; ids break ties."""

    column: str = "sort_date"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Include:
    """What to add to the matches: the targets of one reference parameter (`*`: of all)."""

    source: str
    name: str
    target: str = ""
    iterate: bool = False


@dataclass(frozen=True)
class Search:
    """One search as understood. `used` is what really counts, in the order given, for the self link."""

    resource_type: str
    conditions: tuple[Condition, ...] = ()
    count: int = DEFAULT_COUNT
    total: Total = Total.NONE
    summary: Summary = Summary.FALSE
    sort: Sort = Sort()
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    elements: frozenset[str] = frozenset()
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def counts_only(self) -> bool:
        """Whether only the number of matches is wanted."""
        return self.count == 0 or self.summary is Summary.COUNT


@dataclass
class _Draft:
    """A Search in the making."""

    search: Search
    base: str
    patient_ids: frozenset[str] | None
    strict: bool
    conditions: list[Condition] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def change(self, **changes: object) -> None:
        self.search = replace(self.search, **changes)  # type: ignore[arg-type]

    def ignore(self, name: str) -> None:
        if self.strict:
            raise NotSupported(f"The parameter {shown(name)} is not supported.", expression=shown(name))
        self.ignored.append(name)


class _Ignored(Exception):
    """The parameter asks for something we do not know; lenient handling leaves it out."""


def parse(
    resource_type: str,
    given: Sequence[tuple[str, str]],
    *,
    base: str,
    patient_ids: frozenset[str] | None,
    strict: bool = False,
) -> Search:
    """The Search that `given` (names and values in order) asks for.

    `patient_ids` are those in the token's context (None: a plan system, any). Raises BadValue, NotSupported, and
    OtherPatient for a patient outside the context.
    """
    if sum(1 + value.count(",") for _, value in given) > SEARCH_LIMIT:
        raise BadValue("Too many values for one search.")
    draft = _Draft(Search(resource_type), base, patient_ids, strict)
    for name, value in given:
        _refuse_unsupported(name)
        if value == "" or name in TRANSPORT:
            continue
        if not value.isprintable():
            raise BadValue(f"{shown(name)} holds characters that no FHIR value has.", expression=shown(name))
        try:
            _take(draft, name, value)
        except _Ignored:
            draft.ignore(name)
        else:
            draft.used.append((name, value))
    return replace(
        draft.search, conditions=tuple(draft.conditions), used=tuple(draft.used), ignored=tuple(draft.ignored)
    )


def shown(name: str) -> str:
    """A parameter's name as it may be repeated in an answer."""
    return "".join(letter for letter in name[:64] if letter.isprintable())


def _refuse_unsupported(name: str) -> None:
    plain = name.partition(":")[0]
    if plain in parameters.IDENTIFIED_PATIENT or name in parameters.IDENTIFIED_PATIENT:
        conditions.refuse_identified_patient()
    if "." in name or plain in _NEVER:
        raise NotSupported(f"Chained and advanced search is not supported: {shown(name)}.", expression=shown(name))


def _take(draft: _Draft, name: str, value: str) -> None:
    plain, _, modifier = name.partition(":")
    if plain in _CONTROLS:
        _CONTROLS[plain](draft, modifier, value)
        return
    resource_type = draft.search.resource_type
    parameter = parameters.find(resource_type, plain)
    if plain in parameters.PATIENT_NAMES or (resource_type, plain) == ("Patient", "_id"):
        condition = conditions.patient(plain, modifier, value, base=draft.base, context=draft.patient_ids)
        if parameter is None:
            raise _Ignored
    elif parameter is None:
        raise _Ignored
    else:
        condition = conditions.condition(parameter, modifier, value, base=draft.base)
    draft.conditions.append(condition)


def _count(draft: _Draft, modifier: str, value: str) -> None:
    _no_modifier("_count", modifier)
    if not value.isascii() or not value.isdigit():
        raise BadValue("_count must be a whole number from 0.", expression="_count")
    draft.change(count=min(int(value[:12]), MAX_COUNT))


def _total(draft: _Draft, modifier: str, value: str) -> None:
    _no_modifier("_total", modifier)
    if value not in Total.__members__.values():
        raise BadValue("_total must be none, estimate or accurate.", expression="_total")
    draft.change(total=Total(value))


def _summary(draft: _Draft, modifier: str, value: str) -> None:
    _no_modifier("_summary", modifier)
    if value not in Summary.__members__.values():
        raise BadValue("_summary must be true, text, data, count or false.", expression="_summary")
    draft.change(summary=Summary(value))


def _elements(draft: _Draft, modifier: str, value: str) -> None:
    _no_modifier("_elements", modifier)
    names = frozenset(name.strip() for name in value.split(","))
    draft.change(elements=draft.search.elements | frozenset(name for name in names if name.isalnum()))


def _sort(draft: _Draft, modifier: str, value: str) -> None:
    _no_modifier("_sort", modifier)
    key, *others = value.split(",")
    name = key.removeprefix("-")
    parameter = parameters.find(draft.search.resource_type, name)
    if parameter is None or [other.removeprefix("-") for other in others] not in ([], ["_id"]):
        raise _Ignored
    column = {Column.DATE1: "sort_date", Column.LAST_UPDATED: "last_updated", Column.ID: "id"}.get(parameter.column)
    if column is None:
        raise _Ignored
    draft.change(sort=Sort(column, key.startswith("-")))


def _include(draft: _Draft, modifier: str, value: str) -> None:
    if modifier not in {"", "iterate"}:
        raise NotSupported("_include knows the modifier iterate only.", expression="_include")
    iterate = modifier == "iterate"
    source, _, rest = value.partition(":")
    name, _, target = rest.partition(":")
    if value == "*":
        source, name = draft.search.resource_type, "*"
    known = source in TYPES and (name == "*" or name in parameters.includes(source))
    if not known or (target and target not in TYPES) or (source != draft.search.resource_type and not iterate):
        raise _Ignored
    draft.change(includes=(*draft.search.includes, Include(source, name, target, iterate)))


def _revinclude(draft: _Draft, modifier: str, value: str) -> None:
    if modifier:
        raise NotSupported("_revinclude takes no modifier here.", expression="_revinclude")
    if value not in {"Provenance:target", f"Provenance:target:{draft.search.resource_type}"}:
        raise _Ignored
    draft.change(revincludes=(Include("Provenance", "target"),))


def _no_modifier(name: str, modifier: str) -> None:
    if modifier:
        raise NotSupported(f"{name} takes no modifier.", expression=name)


_CONTROLS = {
    "_count": _count,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_sort": _sort,
    "_include": _include,
    "_revinclude": _revinclude,
}


def restriction(resource_type: str, pairs: Iterable[tuple[str, str]], *, base: str) -> tuple[Condition, ...]:
    """The conditions of a granular scope (`?category=…`). A parameter we cannot apply raises NotSupported.

    It is never dropped: that would leave the wider scope (SMART-33).
    """
    found = []
    for name, value in pairs:
        parameter = parameters.find(resource_type, name)
        if parameter is None:
            raise NotSupported(f"The scope's parameter {shown(name)} cannot be applied.")
        found.append(conditions.condition(parameter, "", value, base=base))
    return tuple(found)
