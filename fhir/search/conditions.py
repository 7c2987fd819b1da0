"""One search parameter's value as a condition on an index column."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fhir.compartment import ID, literal
from fhir.outcomes import BadValue, Forbidden, NotSupported, OtherPatient
from fhir.search import parameters
from fhir.search.dates import ALWAYS, BadDate, Prefix, Span, approximate, prefixed
from fhir.search.declared import Column, Kind
from fhir.search.index import normal, plain, token
from fhir.search.parameters import Parameter

_NOBODY = "?"
"""No id and no reference: equals nothing in the index."""


_NO_DATE = "{} is not a FHIR date such as 2024, 2024-05, 2024-05-31 or 2024-05-31T10:00:00Z, with a prefix such as ge."


class Test(StrEnum):
    """How a term is compared with the column."""

    EQUALS = "equals"
    STARTS = "starts"
    CONTAINS = "contains"
    PRESENT = "present"
    ABSENT = "absent"
    """Of dates only."""
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Term:
    """One alternative: a word to equal or to start with, or a span to compare by `prefix`.

    To contain, a value must start with the word and hold `part` after it.
    """

    test: Test
    word: str = ""
    part: str = ""
    prefix: Prefix = Prefix.EQ
    span: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class Condition:
    """A column that must match any of the terms, or none of them where `negated`."""

    column: Column
    terms: tuple[Term, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Chained:
    """A reference to a resource of type `target` that meets the condition; `name` is what it was asked by."""

    parameter: Parameter
    target: str
    condition: Condition
    name: str

    def to(self, ids: Sequence[str]) -> Condition:
        """The condition on the reference itself, once it is known who meets the condition; `ids` may be none."""
        lead = f"{parameters.stored_name(self.parameter)}{self.target}/"
        words = [lead + one for one in ids] or [_NOBODY]
        return Condition(self.parameter.column, tuple(Term(Test.EQUALS, word) for word in words))


def condition(parameter: Parameter, modifier: str, value: str, *, base: str) -> Condition:
    """The condition that `parameter[:modifier]=value` asks for; raises NotSupported or BadValue."""
    if modifier and modifier not in parameters.modifiers(parameter):
        raise unknown_modifier(parameter)
    if modifier == "missing":
        return _missing(parameter, value)
    values = [one for one in _split(value, ",") if one]
    if not values:
        raise BadValue(f"{parameter.name} has no value.", expression=parameter.name)
    if _ends_in_escape(value):
        raise BadValue(f"{parameter.name} ends in a backslash; write \\\\ for one.", expression=parameter.name)
    column = Column.TOKENS if modifier in _MARKED else parameter.column
    terms = tuple(term for one in values for term in _terms(parameter, modifier, one, base))
    return Condition(column, terms, modifier == "not")


def unknown_modifier(parameter: Parameter) -> NotSupported:
    """The refusal of a modifier that a parameter does not take, whatever the handling: ignored, it would find more."""
    known = ", ".join(f":{one}" for one in parameters.modifiers(parameter))
    sentence = f"{parameter.name} does not take this modifier, only {known}."
    return NotSupported(sentence, expression=parameter.name)


def patient(name: str, modifier: str, value: str, *, base: str, context: frozenset[str] | None) -> Condition:
    """The condition that a patient parameter asks for; raises OtherPatient for anybody outside the context.

    Decided before any look-up, so that it tells nothing about who exists.
    """
    if modifier == "identifier":
        refuse_identified_patient(name)
    if modifier not in {"", "Patient"}:
        raise NotSupported(f"{name} takes no modifier but :Patient and :missing.", expression=name)
    ids = [_patient_id(name, one, base) for one in _split(value, ",") if one]
    if not ids:
        raise BadValue(f"{name} has no value.", expression=name)
    if context is not None and any(one not in context for one in ids):
        raise OtherPatient(expression=name)
    if "" in ids:
        raise BadValue(f"{name} is not an id or a reference such as Patient/id.", expression=name)
    return Condition(Column.PATIENT, tuple(Term(Test.EQUALS, one) for one in ids))


def refuse_identified_patient(name: str) -> None:
    """Refuse to find a patient by identifier: it would have to be looked up whose it is."""
    raise Forbidden("Name the patient by id.", expression=name)


def _patient_id(name: str, text: str, base: str) -> str:
    """The id that a value names; nobody's for another server's patient, none for what is no reference."""
    if ID.fullmatch(text):
        return text
    if name == "_id":
        return _NOBODY
    ours = text.removeprefix(base + "/")
    named = literal(ours)
    if named is None:
        return _NOBODY if "://" in ours else ""
    return named[1] if named[0] == "Patient" else _NOBODY


def _missing(parameter: Parameter, value: str) -> Condition:
    if value not in {"true", "false"}:
        raise BadValue(f"{parameter.name}:missing must be true or false.", expression=parameter.name)
    lead = parameters.stored_name(parameter)
    return Condition(parameter.column, (Term(Test.PRESENT, lead),), negated=value == "true")


def _terms(parameter: Parameter, modifier: str, value: str, base: str) -> tuple[Term, ...]:
    if modifier in _MARKED:
        return (_MARKED[modifier](parameter, parameters.marked_name(parameter, modifier), value),)
    lead = parameters.stored_name(parameter)
    match parameter.kind:
        case Kind.DATE:
            return (_date(parameter, value),)
        case Kind.STRING:
            return (_string(parameter, lead, modifier, _unescape(value)),)
        case Kind.REFERENCE:
            words = _references(parameter, modifier, _unescape(value).removeprefix(base + "/"))
            return tuple(Term(Test.EQUALS, lead + word) for word in words)
        case Kind.URI | Kind.CANONICAL:
            return (Term(Test.EQUALS, lead + _unescape(value)),)
        case _:
            return (_token(parameter, lead, value),)


def _string(parameter: Parameter, lead: str, modifier: str, text: str) -> Term:
    if not normal(text):
        raise BadValue(f"{parameter.name} has no letter to search for.", expression=parameter.name)
    if modifier == "exact":
        return Term(Test.EQUALS, parameters.marked_name(parameter, modifier) + plain(text))
    if modifier == "contains":
        return Term(Test.CONTAINS, lead, normal(text))
    return Term(Test.STARTS, lead + normal(text))


def _date(parameter: Parameter, value: str) -> Term:
    try:
        # A plus sign that was not encoded arrives as a space (F-18 tolerates it for formats; so do we for zones).
        prefix, asked = prefixed(value.replace(" ", "+"))
    except BadDate:
        raise BadValue(_NO_DATE.format(parameter.name), expression=parameter.name) from None
    return Term(Test.SPAN, prefix=prefix, span=approximate(asked) if prefix is Prefix.AP else asked)


def _typed(parameter: Parameter, lead: str, value: str) -> Term:
    parts = [_unescape(part) for part in _split(value, "|")]
    if len(parts) != 3 or not all(parts):
        sentence = f"{parameter.name}:of-type takes the type's system, its code and the value, as system|code|value."
        raise BadValue(sentence, expression=parameter.name)
    return Term(Test.EQUALS, lead + "|".join(parts))


def _token(parameter: Parameter, lead: str, value: str) -> Term:
    if parameter.column is Column.ID and not ID.fullmatch(value):
        raise BadValue("_id takes ids: 1 to 64 letters, digits, hyphens and dots.", expression=parameter.name)
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
        return (_NOBODY,) if target and named[0] != target else (f"{named[0]}/{named[1]}",)
    if not ID.fullmatch(text):
        if ":" in text:
            # Another server's resource is none of ours, whatever its type and id.
            return (_NOBODY,)
        raise BadValue(f"{parameter.name} is not an id or a reference such as Type/id.", expression=parameter.name)
    return tuple(f"{kind}/{text}" for kind in ((target,) if target else parameters.targets(parameter)))


def _split(text: str, separator: str) -> list[str]:
    r"""Split at separators that no backslash escapes; escapes stay in the parts."""
    if "\\" not in text:
        return text.split(separator)
    parts, current, escaped = [], "", False
    for letter in text:
        if letter == separator and not escaped:
            parts.append(current)
            current = ""
        else:
            current += letter
        escaped = letter == "\\" and not escaped
    return [*parts, current]


def _ends_in_escape(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    unescaped, escaped = "", False
    for letter in text:
        if letter == "\\" and not escaped:
            escaped = True
            continue
        unescaped += letter
        escaped = False
    return unescaped


# Modifiers that find by further values of the index: how each reads what it is asked for.
_MARKED = {"identifier": _token, "of-type": _typed}
