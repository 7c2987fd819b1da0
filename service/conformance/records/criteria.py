"""What a search asks for: values taken from a resource, each with the resources that it must find."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from service.conformance.guides.stated import Stated
from service.conformance.records import times
from service.conformance.records.elements import values

Resource = Mapping[str, Any]
_PARTS = (
    "family", "given", "text", "prefix", "suffix", "line", "city", "district", "state", "postalCode", "country",
)  # fmt: skip
"""What names and addresses are searched by."""
_RESERVED = re.compile(r"([\\,|$])")


@dataclass(frozen=True)
class Criterion:
    """One `name=text` of a search, and whether a resource satisfies it."""

    name: str
    text: str
    holds: Callable[[Resource], bool]


def spellings(parameter: Stated, resource: Resource) -> list[Criterion]:
    """The criteria that a resource's values make: of a token its code, and the code with its system beside it."""
    found = [one for path in parameter.paths for one in values(resource, path)]
    return [criterion for value in found for criterion in _BY_TYPE.get(parameter.type, _nothing)(parameter, value)]


def any_of(criteria: Sequence[Criterion]) -> Criterion:
    """Several values of one parameter, any of which will do (`a,b`)."""
    text = ",".join(one.text for one in criteria)
    return Criterion(criteria[0].name, text, lambda resource: any(one.holds(resource) for one in criteria))


def compared(parameter: Stated, comparator: str, value: Any) -> Criterion | None:
    """Dates that lie on one side of when a value of theirs begins, told with its offset from UTC."""
    told = times.span(value)
    if told is None or told[0] == times.ALWAYS[0]:
        return None
    asked = told[0]
    return Criterion(
        parameter.name,
        f"{comparator}{asked.isoformat(timespec='milliseconds')}",
        lambda resource: any(times.holds(comparator, asked, one) for one in _spans(parameter, resource)),
    )


def _token(parameter: Stated, value: Any) -> Iterator[Criterion]:
    for system, code in _codes(value):
        yield Criterion(parameter.name, _escaped(code), _has_code(parameter, None, code))
        if system:
            yield Criterion(parameter.name, f"{_escaped(system)}|{_escaped(code)}", _has_code(parameter, system, code))


def _has_code(parameter: Stated, system: str | None, code: str) -> Callable[[Resource], bool]:
    def holds(resource: Resource) -> bool:
        found = (pair for path in parameter.paths for one in values(resource, path) for pair in _codes(one))
        return any(code == told and system in (None, beside) for beside, told in found)

    return holds


def _codes(value: Any) -> Iterator[tuple[str, str]]:
    """System and code of a Coding, a CodeableConcept, an Identifier or a bare code."""
    if isinstance(value, bool):
        yield "", str(value).lower()
    elif isinstance(value, str):
        yield "", value
    elif isinstance(value, dict):
        for one in value.get("coding", [value]):
            code = one.get("code") or one.get("value")
            if isinstance(code, str):
                yield one.get("system", ""), code


def _reference(parameter: Stated, value: Any) -> Iterator[Criterion]:
    """A reference as it is written, to a patient by the id alone too; a canonical address stands alone."""
    told = _told(value)
    if not told or told.startswith("#"):
        return

    def holds(resource: Resource) -> bool:
        return told in (_told(one) for path in parameter.paths for one in values(resource, path))

    if told.startswith("Patient/"):
        yield Criterion(parameter.name, told.removeprefix("Patient/"), holds)
    yield Criterion(parameter.name, _escaped(told), holds)


def _told(value: Any) -> str:
    found = value.get("reference") if isinstance(value, dict) else value
    return found if isinstance(found, str) else ""


def _string(parameter: Stated, value: Any) -> Iterator[Criterion]:
    """The first word or line of a text, name or address: a string is found by how it begins."""
    for text in _texts(value):
        wanted = _plain(text)

        def holds(resource: Resource, wanted: str = wanted) -> bool:
            found = (part for path in parameter.paths for one in values(resource, path) for part in _texts(one))
            return any(_plain(part).startswith(wanted) for part in found)

        yield Criterion(parameter.name, _escaped(text), holds)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name in (
            "family",
            "given",
            "text",
            "prefix",
            "suffix",
            "line",
            "city",
            "state",
            "postalCode",
            "country",
            "district",
        ):
            told = value.get(name, ())
            yield from [told] if isinstance(told, str) else told


def _plain(text: str) -> str:
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return bare.casefold()


def _date(parameter: Stated, value: Any) -> Iterator[Criterion]:
    """A date as it is written; a Period by `gt` and the day before it begins."""
    told = times.span(value)
    if told is None:
        return
    if isinstance(value, dict):
        if told[0] != times.ALWAYS[0]:
            asked = told[0] - timedelta(days=1)
            before = Criterion(parameter.name, f"gt{asked.isoformat(timespec='milliseconds')}", lambda resource: any(
                times.holds("gt", asked, one) for one in _spans(parameter, resource)))  # fmt: skip
            yield before
        return
    yield Criterion(parameter.name, value, lambda resource: any(
        told[0] <= begin and end <= told[1] for begin, end in _spans(parameter, resource)))  # fmt: skip


def _spans(parameter: Stated, resource: Resource) -> list[times.Span]:
    found = (times.span(one) for path in parameter.paths for one in values(resource, path))
    return [one for one in found if one is not None]


def _nothing(_parameter: Stated, _value: Any) -> Iterator[Criterion]:
    return iter(())


def _escaped(text: str) -> str:
    return _RESERVED.sub(r"\\\1", text)


_BY_TYPE = {"token": _token, "reference": _reference, "string": _string, "date": _date}
