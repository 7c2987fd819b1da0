"""From search parameters to a Search: pure, without database and request.

Rules of FHIR R4 search: a repeated parameter is AND, a comma OR; unknown parameters are left out unless the client
asks for strict handling; unknown modifiers are refused always, since leaving them out would widen the result.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fhir.compartment import TYPES
from fhir.outcomes import BadValue, NotSupported
from fhir.search import conditions, ordering, parameters
from fhir.search.conditions import Chained, Condition
from fhir.search.declared import Kind
from fhir.search.ordering import NEWEST_FIRST, Sort

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
    conditions: tuple[Condition | Chained, ...] = ()
    count: int = DEFAULT_COUNT
    total: Total = Total.NONE
    summary: Summary = Summary.FALSE
    sort: Sort = NEWEST_FIRST
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
    conditions: list[Condition | Chained] = field(default_factory=list)
    once: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def change(self, **changes: object) -> None:
        self.search = replace(self.search, **changes)  # type: ignore[arg-type]

    def ignore(self, name: str) -> None:
        if self.strict:
            raise NotSupported(f"The parameter {shown(name)} is not supported.", expression=shown(name))
        self.ignored.append(shown(name))


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
    refuse_too_many(given)
    draft = _Draft(Search(resource_type), base, patient_ids, strict)
    for name, value in given:
        _refuse_unsupported(name)
        if value == "" or name in TRANSPORT:
            continue
        require_printable(name, value)
        try:
            _take(draft, name, value)
        except _Ignored:
            draft.ignore(name)
        else:
            # What was asked above the most is not what was done.
            draft.used.append((name, str(draft.search.count) if name == "_count" else value))
    if draft.search.summary is Summary.TEXT and (draft.search.includes or draft.search.revincludes):
        raise BadValue("_summary=text cannot be mixed with _include or _revinclude.", expression="_summary")
    return replace(
        draft.search, conditions=tuple(draft.conditions), used=tuple(draft.used), ignored=tuple(draft.ignored)
    )


def shown(name: str) -> str:
    """A parameter's name as it may be repeated in an answer."""
    return "".join(letter for letter in name[:64] if letter.isprintable())


def require_printable(name: str, value: str) -> None:
    """Raise BadValue for a value with characters that no FHIR value has, and that no database takes."""
    if not value.isprintable():
        raise BadValue(f"{shown(name)} holds characters that no FHIR value has.", expression=shown(name))


def refuse_too_many(given: Sequence[tuple[str, str]]) -> None:
    """Raise BadValue where parameters (names and values) hold more than SEARCH_LIMIT values together."""
    held = [(1 + value.count(","), name) for name, value in given]
    if sum(number for number, _ in held) > SEARCH_LIMIT:
        sentence = f"One search takes at most {SEARCH_LIMIT} values; ask in several searches."
        raise BadValue(sentence, expression=shown(max(held)[1]))


def _refuse_unsupported(name: str) -> None:
    plain = name.partition(":")[0]
    if plain in parameters.IDENTIFIED_PATIENT or name in parameters.IDENTIFIED_PATIENT:
        conditions.refuse_identified_patient(shown(name))
    if plain in _NEVER:
        raise NotSupported(f"{plain} is not supported.", expression=plain)


def _take(draft: _Draft, name: str, value: str) -> None:
    plain, _, modifier = name.partition(":")
    if plain in _CONTROLS:
        _take_control(draft, plain, modifier, value)
        return
    if "." in name:
        draft.conditions.append(_chained(draft, name, value))
        return
    resource_type = draft.search.resource_type
    parameter = parameters.find(resource_type, plain)
    names_patient = plain in parameters.PATIENT_NAMES or (resource_type, plain) == ("Patient", "_id")
    if names_patient and modifier != "missing":
        condition = conditions.patient(plain, modifier, value, base=draft.base, context=draft.patient_ids)
        if parameter is None:
            raise _Ignored
    elif parameter is None:
        raise _Ignored
    else:
        condition = conditions.condition(parameter, modifier, value, base=draft.base)
    draft.conditions.append(condition)


def _take_control(draft: _Draft, name: str, modifier: str, value: str) -> None:
    if name in _ONCE and draft.once.setdefault(name, value) != value:
        raise BadValue(f"{name} is given twice with different values; give it once.", expression=name)
    _CONTROLS[name](draft, modifier, value)


def _chained(draft: _Draft, name: str, value: str) -> Chained:
    reference, _, rest = name.partition(".")
    plain, _, target = reference.partition(":")
    asked, _, modifier = rest.partition(":")
    parameter = parameters.find(draft.search.resource_type, plain)
    through = parameters.chains(parameter) if parameter else ()
    found = next((one for one in through if one.name == asked and target in {"", one.resource_type}), None)
    if parameter is None or found is None:
        raise NotSupported(f"Chained search is not supported here: {shown(name)}.", expression=shown(name))
    condition = conditions.condition(found, modifier, value, base=draft.base)
    return Chained(parameter, found.resource_type, condition, shown(name))


def _count(draft: _Draft, modifier: str, value: str) -> None:
    _no_modifier("_count", modifier)
    if not value.isascii() or not value.isdigit():
        raise BadValue("_count must be a whole number from 0.", expression="_count")
    draft.change(count=min(int(value.lstrip("0")[:12] or "0"), MAX_COUNT))


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
    # Some write the type before the element.
    lead = f"{draft.search.resource_type}."
    names = frozenset(name.strip().removeprefix(lead) for name in value.split(",") if name.strip())
    if not names or not all(name.isascii() and name.isalnum() for name in names):
        raise BadValue("_elements takes names of root elements, with commas between.", expression="_elements")
    draft.change(elements=draft.search.elements | names)


def _sort(draft: _Draft, modifier: str, value: str) -> None:
    _no_modifier("_sort", modifier)
    sort = ordering.read(draft.search.resource_type, value)
    if sort is None:
        raise _Ignored
    draft.change(sort=sort)


def _include(draft: _Draft, modifier: str, value: str) -> None:
    _only_iterate("_include", modifier)
    resource_type = draft.search.resource_type
    source, _, rest = (f"{resource_type}:*" if value == "*" else value).partition(":")
    name, _, target = rest.partition(":")
    if not _is_followed(source, name, target) or (source != resource_type and not modifier):
        raise _Ignored
    include = Include(source, name, target, iterate=bool(modifier))
    draft.change(includes=tuple(dict.fromkeys((*draft.search.includes, include))))


def _is_followed(source: str, name: str, target: str) -> bool:
    if source not in TYPES or name == "*":
        return source in TYPES and target in {"", *TYPES}
    parameter = parameters.find(source, name)
    if parameter is None or parameter.kind is not Kind.REFERENCE:
        return False
    return target in {"", *parameters.targets(parameter)}


def _revinclude(draft: _Draft, modifier: str, value: str) -> None:
    _only_iterate("_revinclude", modifier)
    plain = value.removesuffix(f":{draft.search.resource_type}")
    if plain not in parameters.revincludes(draft.search.resource_type):
        raise _Ignored
    source, _, by = plain.partition(":")
    given = {(one.source, one.name): one for one in draft.search.revincludes}
    iterate = bool(modifier) or ((source, by) in given and given[source, by].iterate)
    given[source, by] = Include(source, by, iterate=iterate)
    draft.change(revincludes=tuple(given.values()))


def _only_iterate(name: str, modifier: str) -> None:
    if modifier == "recurse":
        raise NotSupported(f"{name}:recurse is of FHIR STU3; in R4 it is {name}:iterate.", expression=name)
    if modifier not in {"", "iterate"}:
        raise NotSupported(f"{name} knows the modifier :iterate only.", expression=name)


def _no_modifier(name: str, modifier: str) -> None:
    if modifier:
        raise NotSupported(f"{name} takes no modifier.", expression=name)


_ONCE = frozenset({"_count", "_total", "_summary", "_sort"})
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
