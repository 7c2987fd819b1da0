"""One search parameter's value as a condition on an index column."""

from dataclasses import dataclass
from enum import StrEnum

from fhir.compartment import ID, TYPES, literal
from fhir.outcomes import BadValue, Forbidden, NotSupported, OtherPatient
from fhir.search import parameters
from fhir.search.dates import ALWAYS, BadDate, Prefix, Span, approximate, prefixed
from fhir.search.declared import Column, Kind
from fhir.search.index import normal, token
from fhir.search.parameters import Parameter


class Test(StrEnum):
    """How a term is compared with the column."""

    EQUALS = "equals"
    STARTS = "starts"
    PRESENT = "present"
    ABSENT = "absent"
    """Of dates only."""
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Term:
    """One alternative: a word to equal or to start with, or a span to compare by `prefix`."""

    test: Test
    word: str = ""
    prefix: Prefix = Prefix.EQ
    span: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class Condition:
    """A column that must match any of the terms, or none of them where `negated`."""

    column: Column
    terms: tuple[Term, ...]
    negated: bool = False


def condition(parameter: Parameter, modifier: str, value: str, *, base: str) -> Condition:
    """The condition that `parameter[:modifier]=value` asks for; raises NotSupported or BadValue."""
    if modifier == "missing":
        return _missing(parameter, value)
    negated = modifier == "not" and parameter.kind in {Kind.TOKEN, Kind.CODE} and parameter.column is not Column.ID
    target = modifier if parameter.kind is Kind.REFERENCE and modifier in TYPES else ""
    if modifier and not negated and not target:
        raise NotSupported(f"The modifier of {parameter.name} is not supported.", expression=parameter.name)
    values = [one for one in _split(value, ",") if one]
    if not values:
        raise BadValue(f"{parameter.name} has no value.", expression=parameter.name)
    terms = tuple(term for one in values for term in _terms(parameter, target, one, base))
    return Condition(parameter.column, terms, negated)


def patient(name: str, modifier: str, value: str, *, base: str, context: frozenset[str] | None) -> Condition:
    """The condition that a patient parameter asks for; raises OtherPatient for anybody outside the context.

    Decided before any look-up, so that it tells nothing about who exists.
    """
    if modifier == "identifier":
        refuse_identified_patient()
    if modifier not in {"", "Patient"}:
        raise NotSupported(f"The modifier of {name} is not supported.", expression=name)
    ids = [_patient_id(one, base, bare_only=name == "_id") for one in _split(value, ",") if one]
    if not ids:
        raise BadValue(f"{name} has no value.", expression=name)
    if context is not None and any(one not in context for one in ids):
        raise OtherPatient
    return Condition(Column.PATIENT, tuple(Term(Test.EQUALS, one) for one in ids))


def refuse_identified_patient() -> None:
    """Refuse to find a patient by identifier: it would have to be looked up whose it is."""
    raise Forbidden("Name the patient by id.")


def _patient_id(text: str, base: str, *, bare_only: bool) -> str:
    if ID.fullmatch(text):
        return text
    if bare_only:
        return ""
    kind, found = literal(text.removeprefix(base + "/")) or ("", "")
    relative = text.removeprefix(base + "/").startswith("Patient/")
    return found if kind == "Patient" and relative else ""


def _missing(parameter: Parameter, value: str) -> Condition:
    if value not in {"true", "false"}:
        raise BadValue(f"{parameter.name}:missing must be true or false.", expression=parameter.name)
    lead = parameters.stored_name(parameter)
    return Condition(parameter.column, (Term(Test.PRESENT, lead),), negated=value == "true")


def _terms(parameter: Parameter, target: str, value: str, base: str) -> tuple[Term, ...]:
    lead = parameters.stored_name(parameter)
    match parameter.kind:
        case Kind.DATE:
            return (_date(parameter, value),)
        case Kind.STRING:
            return (Term(Test.STARTS, lead + normal(_unescape(value))),)
        case Kind.REFERENCE:
            words = _references(parameter, target, _unescape(value).removeprefix(base + "/"))
            return tuple(Term(Test.EQUALS, lead + word) for word in words)
        case Kind.URI:
            return (Term(Test.EQUALS, lead + _unescape(value)),)
        case _:
            return (_token(parameter, lead, value),)


def _date(parameter: Parameter, value: str) -> Term:
    try:
        # A plus sign that was not encoded arrives as a space (F-18 tolerates it for formats; so do we for zones).
        prefix, asked = prefixed(value.replace(" ", "+"))
    except BadDate:
        raise BadValue(f"{parameter.name} is not a FHIR date.", expression=parameter.name) from None
    return Term(Test.SPAN, prefix=prefix, span=approximate(asked) if prefix is Prefix.AP else asked)


def _token(parameter: Parameter, lead: str, value: str) -> Term:
    parts = _split(value, "|")
    if len(parts) > 2:
        raise BadValue(f"{parameter.name} has more than one bar; write \\| for a bar.", expression=parameter.name)
    code = _unescape(parts[-1])
    if len(parts) == 1:
        return Term(Test.EQUALS, lead + code)
    system = _unescape(parts[0])
    if parameter.kind is Kind.CODE:
        # The element is a bare code: its system is implied, and any that is named fits.
        return Term(Test.EQUALS, lead + code) if code else Term(Test.PRESENT, lead)
    if not code:
        return Term(Test.STARTS, lead + token(system, ""))
    return Term(Test.EQUALS, lead + token(system, code))


def _references(parameter: Parameter, target: str, text: str) -> tuple[str, ...]:
    """What a reference value may look like in the index; a value that can match nothing gives a word none equals."""
    named = literal(text)
    if named is not None:
        # Another server's resource is none of ours, whatever its type and id.
        foreign = "://" in text or (target and named[0] != target)
        return ("?",) if foreign else (f"{named[0]}/{named[1]}",)
    if not ID.fullmatch(text):
        return ("?",)
    return tuple(f"{kind}/{text}" for kind in ((target,) if target else parameters.targets(parameter)))


def _split(text: str, separator: str) -> list[str]:
    r"""Split at separators that no backslash escapes; escapes stay in the parts."""
    parts, current, escaped = [], "", False
    for letter in text:
        if letter == separator and not escaped:
            parts.append(current)
            current = ""
        else:
            current += letter
        escaped = letter == "\\" and not escaped
    return [*parts, current]


def _unescape(text: str) -> str:
    plain, escaped = "", False
    for letter in text:
        if letter == "\\" and not escaped:
            escaped = True
            continue
        plain += letter
        escaped = False
    return plain
