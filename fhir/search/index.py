"""From a resource to its index columns, as `fhir.search.parameters` declares them."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import orjson

from fhir.compartment import literal
from fhir.models import SEPARATOR
from fhir.search import parameters
from fhir.search.dates import DAWN, Span, span_of
from fhir.search.declared import ARRAYS, DATES, PRIMARY_DATES, Column, Kind
from fhir.search.parameters import Parameter

NO_DATE = DAWN - 1
"""`sort_date` of a resource without a date: after all others when the newest come first."""
_PARTS = (
    "text", "family", "given", "prefix", "suffix", "line", "city", "district", "state", "postalCode", "country",
)  # fmt: skip
"""What a search of a HumanName or an Address looks at."""
_STEP = re.compile(r"(\w+)(?:\[([^\]]+)\])?(?:\.|$)", re.ASCII)

_Step = tuple[str, str | None]


class IndexRow(msgspec.Struct, array_like=True):
    """The index columns of one resource. `dates` are hulls, `spans` the single spans of those that repeat.

    `provider_id` is the Organization that billed a claim; None for every other resource and biller. `claim_number` is
    the value of a claim's first identifier.
    """

    dates: dict[Column, Span] = {}
    spans: dict[Column, str] = {}
    words: dict[Column, tuple[str, ...]] = {}
    texts: str = ""
    sort_date: int = NO_DATE
    provider_id: str | None = None
    claim_number: str | None = None


def index(resource: Mapping[str, Any]) -> IndexRow:
    """The index columns of a resource; raises BadDate where a date that is searched is none."""
    row = IndexRow()
    words: dict[Column, dict[str, None]] = {}
    texts: dict[str, None] = {}
    for extractor in _extractors(resource["resourceType"]):
        found: list[Any] = []
        for path in extractor.paths:
            # Most elements that can be searched by are absent.
            if path[0][0] in resource:
                _walk(resource, path, 0, found)
        if not found:
            continue
        if extractor.kind is Kind.DATE:
            _index_dates(row, extractor.column, found)
        elif extractor.kind is Kind.STRING:
            texts.update(dict.fromkeys(_texts(extractor, found)))
        else:
            _index_words(words, extractor, found)
    row.words = {column: tuple(values) for column, values in words.items()}
    row.texts = f"{SEPARATOR}{SEPARATOR.join(texts)}{SEPARATOR}" if texts else ""
    row.sort_date = _sort_date(resource, row)
    row.provider_id = _billing_organization(resource)
    row.claim_number = _claim_number(resource, row)
    return row


def normal(text: str) -> str:
    """A string as compared: without accents, case folded, one space for many (FHIR R4, search, string)."""
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(text.casefold().split())


def plain(text: str) -> str:
    """A string as `:exact` compares it: as it is but for white space, of which one is as good as another."""
    return " ".join(text.split())


def token(system: str | None, code: str) -> str:
    """A coded value as stored beside its bare code: `system|code`, `|code` without a system."""
    return f"{system or ''}|{code}"


class _Extractor(NamedTuple):
    """How one parameter is indexed. `marked` leads what a modifier finds by, which the element `marking` holds."""

    kind: Kind
    column: Column
    paths: tuple[tuple[_Step, ...], ...]
    lead: str
    marked: str
    marking: str | None


@lru_cache(maxsize=64)
def _extractors(resource_type: str) -> tuple[_Extractor, ...]:
    return tuple(
        _extractor(parameter)
        for parameter in parameters.of(resource_type)
        if parameter.path and parameter.column in {*DATES, *ARRAYS, Column.TEXTS}
    )


def _extractor(parameter: Parameter) -> _Extractor:
    modifier, marking = _MARKED.get(parameter.column, ("exact", None))
    return _Extractor(
        parameter.kind, parameter.column, tuple(_steps(path) for path in _alternatives(parameter.path)),
        parameters.stored_name(parameter), parameters.marked_name(parameter, modifier), marking,
    )  # fmt: skip


def _alternatives(path: str) -> list[str]:
    return path.split("|")


def _steps(path: str) -> tuple[_Step, ...]:
    return tuple((name, url or None) for name, url in _STEP.findall(path))


def _walk(node: Any, path: tuple[_Step, ...], at: int, found: list[Any]) -> None:
    while True:
        if type(node) is list:
            if at == len(path):
                found += node
                return
            for item in node:
                _walk(item, path, at, found)
            return
        if at == len(path):
            found.append(node)
            return
        if type(node) is not dict:
            return
        name, url = path[at]
        node = node.get(name)
        if node is None:
            return
        if url is not None:
            extensions = node if isinstance(node, list) else ()
            node = [one for one in extensions if isinstance(one, dict) and one.get("url") == url]
        at += 1


def _texts(extractor: _Extractor, found: list[Any]) -> Iterator[str]:
    for text in (text for one in found for text in _strings(one)):
        yield extractor.lead + normal(text)
        yield extractor.marked + plain(text)


def _index_words(words: dict[Column, dict[str, None]], extractor: _Extractor, found: list[Any]) -> None:
    lead, read, marking = extractor.lead, _READERS[extractor.kind], extractor.marking
    values = words.setdefault(extractor.column, {})
    number = len(values)
    for one in found:
        for word in read(one):
            values[lead + word] = None
        if marking is not None and type(one) is dict and marking in one:
            for word in _MARKS[marking](one):
                words.setdefault(Column.TOKENS, {})[extractor.marked + word] = None
    if len(values) == number:
        # What has no code or literal reference is nevertheless not missing.
        values[lead] = None


def _logical(reference: dict[str, Any]) -> Iterable[str]:
    """What `:identifier` finds a reference by."""
    return _tokens(reference["identifier"])


def _typed(identifier: dict[str, Any]) -> Iterator[str]:
    """What `:of-type` finds an identifier by."""
    kind, value = identifier["type"], identifier.get("value")
    if isinstance(kind, dict) and isinstance(value, str):
        for coding in (one for one in kind.get("coding") or () if isinstance(one, dict)):
            if coding.get("system") and coding.get("code"):
                yield f"{coding['system']}|{coding['code']}|{value}"


def _index_dates(row: IndexRow, column: Column, found: list[Any]) -> None:
    spans = list(dict.fromkeys(one for one in map(span_of, found) if one is not None))
    if not spans:
        return
    row.dates[column] = Span(min(one.start for one in spans), max(one.end for one in spans))
    if len(spans) > 1:
        row.spans[column] = orjson.dumps([[one.start, one.end] for one in spans]).decode()


def _sort_date(resource: Mapping[str, Any], row: IndexRow) -> int:
    element = PRIMARY_DATES.get(resource["resourceType"])
    primary = span_of(resource.get(element)) if element else row.dates.get(Column.DATE1)
    return primary.start if primary else NO_DATE


def _billing_organization(resource: Mapping[str, Any]) -> str | None:
    provider = resource.get("provider") if resource["resourceType"] == "ExplanationOfBenefit" else None
    target = literal(provider.get("reference")) if isinstance(provider, dict) else None
    return target[1] if target and target[0] == "Organization" else None


def _claim_number(resource: Mapping[str, Any], row: IndexRow) -> str | None:
    if resource["resourceType"] != "ExplanationOfBenefit":
        return None
    # The bare value of an identifier stands before the one with its system.
    return next(iter(row.words.get(Column.IDENTIFIER, ())), None) or None


def _tokens(value: Any) -> Iterable[str]:
    if type(value) is dict:
        if "coding" in value:
            # Nearly always one.
            return [word for coding in value["coding"] or () for word in _tokens(coding)]
        code = value.get("code", value.get("value"))
        return (code, token(value.get("system"), code)) if type(code) is str and "text" not in value else _NONE
    if type(value) is str:
        return (value,)
    return ("true" if value else "false",) if type(value) is bool else _NONE


def _references(value: Any) -> Iterable[str]:
    target = literal(value.get("reference")) if type(value) is dict else None
    return ("/".join(target),) if target else _NONE


def _uris(value: Any) -> Iterable[str]:
    return (value, value.partition("|")[0]) if type(value) is str else _NONE


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in _PARTS:
            below = value.get(part)
            yield from (one for one in (below if isinstance(below, list) else [below]) if isinstance(one, str))


_READERS: Mapping[Kind, Callable[[Any], Iterable[str]]] = {
    Kind.TOKEN: _tokens,
    Kind.CODE: _tokens,
    Kind.REFERENCE: _references,
    Kind.URI: _uris,
    Kind.CANONICAL: _uris,
}
_NONE: tuple[str, ...] = ()
_MARKED: Mapping[Column, tuple[str, str]] = {
    Column.REFS: ("identifier", "identifier"),
    Column.IDENTIFIER: ("of-type", "type"),
}
"""The modifier that finds by more than a column's own values, and the element that it finds by."""
_MARKS: Mapping[str, Callable[[dict[str, Any]], Iterable[str]]] = {"identifier": _logical, "type": _typed}
