"""From a resource to its index columns, as `fhir.search.parameters` declares them."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

_CLAIM = "ExplanationOfBenefit"
_BILLER = (_CLAIM, "provider")

_open = msgspec.json.Decoder().decode
_Step = tuple[str, str | None]
_Path = tuple[str | None, tuple[_Step, ...]]
"""Which extension of its first element a path goes through, and its steps behind that."""


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


class Part(NamedTuple):
    """What one element adds to the index columns of its resource.

    `bare` leads a parameter whose element is there without a code or literal reference, so that it is not missing.
    """

    words: tuple[tuple[Column, tuple[str, ...]], ...] = ()
    texts: tuple[str, ...] = ()
    spans: tuple[tuple[Column, tuple[Span, ...]], ...] = ()
    bare: tuple[tuple[Column, str], ...] = ()
    primary: Span | None = None
    provider_id: str | None = None


def index(resource: Mapping[str, Any]) -> IndexRow:
    """The index columns of a resource; raises BadDate where a date that is searched is none."""
    resource_type = resource["resourceType"]
    parts = [part(resource_type, name, value) for name, value in resource.items()]
    return joined(resource_type, [one for one in parts if one is not None])


def part(resource_type: str, name: str, value: Any) -> Part | None:
    """What an element of a resource adds to its index, None where nothing does; raises BadDate."""
    extractors = _extractors(resource_type).get(name, ())
    primary = span_of(value) if PRIMARY_DATES.get(resource_type) == name else None
    if not extractors and primary is None:
        return None
    words: dict[Column, dict[str, None]] = {}
    texts: dict[str, None] = {}
    spans: list[tuple[Column, tuple[Span, ...]]] = []
    bare: list[tuple[Column, str]] = []
    for extractor, paths in extractors:
        found: list[Any] = []
        for url, path in paths:
            _walk(value if url is None else _extensions(value, url), path, 0, found)
        if not found:
            continue
        if extractor.kind is Kind.DATE:
            spans += [(extractor.column, some)] if (some := _spans(found)) else []
        elif extractor.kind is Kind.STRING:
            texts.update(dict.fromkeys(_texts(extractor, found)))
        elif not _index_words(words, extractor, found):
            bare.append((extractor.column, extractor.lead))
    provider_id = _organization(value) if (resource_type, name) == _BILLER else None
    worded = tuple([(column, tuple(values)) for column, values in words.items() if values])
    return Part(worded, tuple(texts), tuple(spans), tuple(bare), primary, provider_id)


@lru_cache(maxsize=1_024)
def led_by(resource_type: str, name: str) -> tuple[str, ...] | None:
    """What leads the words of an element that is one reference; None where more than its target is indexed."""
    extractors = _extractors(resource_type).get(name, ())
    plain = all(one.column is Column.REFS and paths == [(None, ())] for one, paths in extractors)
    return tuple(one.lead for one, _ in extractors) if plain and (resource_type, name) != _BILLER else None


def refers(leads: tuple[str, ...], target: str) -> Part | None:
    """What a reference to one target (`Type/id`) adds to the index."""
    return Part(words=((Column.REFS, tuple([lead + target for lead in leads])),)) if leads else None


def joined(resource_type: str, parts: Iterable[Part]) -> IndexRow:
    """The index columns of a resource of these parts."""
    words: dict[Column, tuple[str, ...]] = {}
    spans: dict[Column, tuple[Span, ...]] = {}
    texts: tuple[str, ...] = ()
    bare: tuple[tuple[Column, str], ...] = ()
    primary: Span | None = None
    provider_id: str | None = None
    for one in parts:
        for column, values in one.words:
            words[column] = tuple(dict.fromkeys((*words[column], *values))) if column in words else values
        for column, some in one.spans:
            spans[column] = tuple(dict.fromkeys((*spans[column], *some))) if column in spans else some
        texts += one.texts
        bare += one.bare
        primary = one.primary or primary
        provider_id = one.provider_id or provider_id
    for column, lead in bare:
        # Unless another element of the same parameter has a code.
        if not any(word.startswith(lead) for word in words.get(column, _NONE)):
            words[column] = (*words.get(column, _NONE), lead)
    dates = {
        column: some[0] if len(some) == 1 else Span(min(one.start for one in some), max(one.end for one in some))
        for column, some in spans.items()
    }
    if resource_type not in PRIMARY_DATES:
        primary = dates.get(Column.DATE1)
    return IndexRow(
        dates=dates,
        spans={column: _several(some) for column, some in spans.items() if len(some) > 1} if spans else {},
        words=words,
        texts=f"{SEPARATOR}{SEPARATOR.join(dict.fromkeys(texts))}{SEPARATOR}" if texts else "",
        sort_date=primary.start if primary else NO_DATE,
        provider_id=provider_id,
        # The bare value of an identifier stands before the one with its system.
        claim_number=next(iter(words.get(Column.IDENTIFIER, _NONE)), None) or None if resource_type == _CLAIM else None,
    )


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
    lead: str
    marked: str
    marking: str | None


@lru_cache(maxsize=64)
def _extractors(resource_type: str) -> Mapping[str, Sequence[tuple[_Extractor, Sequence[_Path]]]]:
    """By element of a resource: what is indexed of it, each with the paths that begin there."""
    found: dict[str, list[tuple[_Extractor, Sequence[_Path]]]] = defaultdict(list)
    for parameter in parameters.of(resource_type):
        if parameter.path and parameter.column in {*DATES, *ARRAYS, Column.TEXTS}:
            for name, paths in _paths(parameter.path).items():
                found[name].append((_extractor(parameter), paths))
    return found


def _extractor(parameter: Parameter) -> _Extractor:
    modifier, marking = _MARKED.get(parameter.column, ("exact", None))
    return _Extractor(
        parameter.kind, parameter.column, parameters.stored_name(parameter),
        parameters.marked_name(parameter, modifier), marking,
    )  # fmt: skip


def _paths(path: str) -> Mapping[str, list[_Path]]:
    """The alternatives of a path by the element they begin with."""
    found: dict[str, list[_Path]] = defaultdict(list)
    for one in path.split("|"):
        (name, url), *further = [(step, url or None) for step, url in _STEP.findall(one)]
        found[name].append((url, tuple(further)))
    return found


def _walk(node: Any, path: tuple[_Step, ...], at: int, found: list[Any]) -> None:
    while True:
        if type(node) is msgspec.Raw:
            node = _opened(node)
        if type(node) is list:
            if at == len(path):
                found += map(_opened, node)
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
        if url is not None:
            node = _extensions(node, url)
        if node is None:
            return
        at += 1


def _extensions(node: Any, url: str) -> list[Any]:
    found = map(_opened, node) if type(node) is list else ()
    return [one for one in found if type(one) is dict and one.get("url") == url]


def _opened(node: Any) -> Any:
    """What a leaf says that was left as its text (`fhir.loading.leaves`); every other value as it is."""
    return _open(node) if type(node) is msgspec.Raw else node


def _texts(extractor: _Extractor, found: list[Any]) -> Iterator[str]:
    for text in (text for one in found for text in _strings(one)):
        yield extractor.lead + normal(text)
        yield extractor.marked + plain(text)


def _index_words(words: dict[Column, dict[str, None]], extractor: _Extractor, found: list[Any]) -> bool:
    """Whether there was any word."""
    lead, read, marking = extractor.lead, _READERS[extractor.kind], extractor.marking
    values = words.setdefault(extractor.column, {})
    number = len(values)
    for one in found:
        for word in read(one):
            values[lead + word] = None
        if marking is not None and type(one) is dict and marking in one:
            for word in _MARKS[marking](one):
                words.setdefault(Column.TOKENS, {})[extractor.marked + word] = None
    return len(values) > number


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


def _spans(found: list[Any]) -> tuple[Span, ...]:
    return tuple(dict.fromkeys(one for one in map(span_of, found) if one is not None))


def _several(spans: Sequence[Span]) -> str:
    return orjson.dumps([[one.start, one.end] for one in spans]).decode()


def _organization(biller: Any) -> str | None:
    target = literal(biller.get("reference")) if isinstance(biller, dict) else None
    return target[1] if target and target[0] == "Organization" else None


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
