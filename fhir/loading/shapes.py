"""The shape of every R4 type that is stored: which elements it may have, of which type, repeating or not.

Made at first use from `r4_elements.json` as msgspec structs, so that a whole resource is checked in C. What an element
must be (cardinality, codes) is for profiles; here a text is refused that no FHIR reader could take: a value that its
type does not have, two types of one choice (`value[x]`), an object or a list that is empty.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import astuple

from fhir.loading.definitions import ELEMENTS, RESOURCES
from fhir.loading.faults import Rejected
from fhir.loading.json_texts import encode, parse_value

_MONTH = r"[0-9]{4}(?:-(?:0[1-9]|1[0-2]))?"
_LEAP_DAY = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
_DAY = (
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_DAY})"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_ADDRESS = r"^\S++\Z"
_PATTERNS = {
    "date": rf"^(?!0000)(?:{_MONTH}|{_DAY})\Z",
    "dateTime": rf"^(?!0000)(?:{_MONTH}|{_DAY}(?:T{_TIME}{_ZONE})?)\Z",
    "instant": rf"^(?!0000){_DAY}T{_TIME}{_ZONE}\Z",
    "time": rf"^{_TIME}\Z",
    "code": r"^\S++(?:\Z|(?:\s\S++)++\Z)",
    "id": r"^[A-Za-z0-9\-.]{1,64}\Z",
    "uri": _ADDRESS,
    "url": _ADDRESS,
    "canonical": _ADDRESS,
    "oid": r"^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+\Z",
    "base64Binary": r"^\s*(?:[0-9A-Za-z+/=]{4}\s*+)++\Z",
}
"""As FHIR R4 writes them, but that a day is one of the calendar."""
DATES_HINT = "Dates are days of the calendar, written as 2026-04-30, times as 2026-04-30T10:11:12Z."
_IN_WORDS = {
    _PATTERNS["code"]: "A code has no space before, behind or twice within it.",
    _PATTERNS["id"]: "An id has 1 to 64 letters, digits, hyphens and dots.",
    _ADDRESS: "An address has no spaces.",
    _PATTERNS["oid"]: "An OID is written as urn:oid:1.2.3.",
    _PATTERNS["base64Binary"]: "Base64 has letters, digits, + and /, in groups of four.",
}
_OF_PATTERNS = {repr(pattern): words for pattern, words in _IN_WORDS.items()}
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_PRIMITIVES: dict[str, Any] = {
    "boolean": bool,
    "decimal": float,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)],
    "unsignedInt": Annotated[int, msgspec.Meta(ge=0, lt=2**31)],
    "positiveInt": Annotated[int, msgspec.Meta(ge=1, lt=2**31)],
} | {kind: Annotated[str, msgspec.Meta(min_length=1, pattern=pattern)] for kind, pattern in _PATTERNS.items()}
_TEXTS = frozenset({"markdown", "string", "uuid", "xhtml"})
_ANY_RESOURCE = "Resource"
COMPANION = "_"
"""The kind of what holds the extensions of a primitive's value, an object."""
_MODULE = "fhir.loading._r4_shapes"
NAMES: Mapping[str, Any] = {
    "Any": Any, "Optional": msgspec.UnsetType, "Annotated": Annotated, "Meta": msgspec.Meta, "Raw": msgspec.Raw,
}  # fmt: skip
"""What annotations that were written as texts may name."""
_CONTAINED = "Say in resourceType which type of FHIR R4 the contained resource is."
_EMPTY = "An element without a value is left out; this one is empty"
_WHERE = re.compile(r" - at `(?:key in )?\$(.*?)`$")
_REPEATED = re.compile(r"\[\.\.\.\]")
_JSON_S = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "an array",
    "object": "an object", "null": "null",
}  # fmt: skip
_PYTHON_S = re.compile(rf"`({'|'.join(_JSON_S)})(?: \| null)?`")


def require_shape(raw: bytes, resource_type: str) -> None:
    """Refuse a text that has an unknown element, a value of the wrong type or nothing within; raises Rejected."""
    try:
        _decoder(resource_type).decode(raw)
        require_no_empty(encode(parse_value(raw)), resource_type)
    except msgspec.ValidationError as problem:
        raise _rejected(str(problem), resource_type) from None
    except msgspec.DecodeError:
        raise Rejected("json", "The line is not one JSON object.") from None


def elements(resource_type: str) -> "dict[str, msgspec.json.Decoder[Any]]":
    """What a resource of this type may consist of: by element, a decoder that takes nothing but its shape."""
    struct = getattr(_shapes(), _name(resource_type))
    return {field.encode_name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(struct)}


@lru_cache(maxsize=128)
def of_kind(kind: str) -> "msgspec.json.Decoder[Any]":
    """A decoder of one value of this type, or COMPANION, that takes nothing but its shape."""
    return msgspec.json.Decoder(dict[str, Any] if kind == COMPANION else getattr(_shapes(), _name(kind)))


def require_no_empty(encoded: bytes, path: str) -> None:
    """Refuse a JSON text, written by `encode`, that has an object or a list with nothing in it; raises Rejected."""
    if has_empty(encoded) and (at := _empty(parse_value(encoded), path)):
        raise Rejected("structure", f"{_EMPTY}.", at)


def has_empty(encoded: bytes) -> bool:
    """Whether there may be one; its braces may stand within a string."""
    return b"{}" in encoded or b"[]" in encoded


def _empty(value: Any, path: str) -> str:
    """The path of the first empty object or list; empty where there is none."""
    if not isinstance(value, dict | list):
        return ""
    if not value:
        return path
    if isinstance(value, dict):
        below = ((one, f"{path}.{name}") for name, one in value.items())
    else:
        below = ((one, f"{path}[{place}]") for place, one in enumerate(value))
    return next(filter(None, (_empty(one, where) for one, where in below)), "")


@lru_cache(maxsize=1_024)
def choices(kind: str) -> tuple[frozenset[str], ...]:
    """The names of which one may stand in an object of this type, a set for each choice; extensions of values too."""
    found: dict[str, set[str]] = {}
    for name, (below, repeats) in definitions().get(kind, {}).items():
        stem = name.removesuffix(below[:1].upper() + below[1:])
        if stem not in {"", name} and not repeats:
            found.setdefault(stem, set()).update((name, f"_{name}") if is_primitive(below) else (name,))
    return tuple(frozenset(names) for names in found.values() if several_of(names))


def several_of(names: Iterable[str]) -> list[str]:
    """The types of one choice among these names of members, if there are several; else none."""
    found = sorted({name.removeprefix("_") for name in names})
    return found if len(found) > 1 else []


def is_reference(resource_type: str, name: str) -> bool:
    """Whether an element of this name is one reference."""
    return definitions()[resource_type].get(name) == ["Reference", False]


def _rejected(told: str, resource_type: str) -> Rejected:
    where = _WHERE.search(told)
    path = resource_type + (_REPEATED.sub("", where[1]) if where else "")
    what = told[: where.start()] if where else told
    if path.endswith(".resourceType") or what == "Object missing required field `resourceType`":
        return Rejected("structure", _CONTAINED, path)
    if "matching regex" in what:
        words = _OF_PATTERNS.get(what.partition("matching regex ")[2])
        return Rejected("structure" if words else "date", words or DATES_HINT, path)
    return Rejected("structure", _in_json_s_words(what.replace("Object", "This object")) + ".", path)


def _in_json_s_words(what: str) -> str:
    """What msgspec says, whose types are Python's; an empty text or list is told to be left out."""
    if "length >= 1" in what:
        return _EMPTY
    return _PYTHON_S.sub(lambda found: _JSON_S[found[1]], what) if what.startswith("Expected") else what


@lru_cache(maxsize=64)
def _decoder(resource_type: str) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(getattr(_shapes(), _name(resource_type)))


@lru_cache(maxsize=1)
def definitions() -> dict[str, dict[str, list[Any]]]:
    """The elements of every type, each with its type and whether it repeats."""
    found: dict[str, dict[str, list[Any]]] = json.loads(Path(__file__).with_name(ELEMENTS).read_text("utf-8"))
    return found


@lru_cache(maxsize=1)
def _shapes() -> ModuleType:
    module = sys.modules[_MODULE] = ModuleType(_MODULE)
    vars(module).update(NAMES)
    for name, fields in definitions().items():
        if not is_primitive(name):
            setattr(module, _name(name), _struct(name, fields))
    setattr(module, _ANY_RESOURCE, _any_resource())
    return module


def _any_resource() -> Any:
    """What is contained: of a type that R4 has, with whatever elements."""
    types = json.loads(Path(__file__).with_name(RESOURCES).read_text("utf-8"))
    return msgspec.defstruct(_ANY_RESOURCE, [("resourceType", Literal[tuple(types)])], module=_MODULE, gc=False)


def _struct(name: str, fields: dict[str, list[Any]]) -> Any:
    made: list[tuple[str, Any, Any]] = []
    if "." not in name and name[0].isupper() and "resourceType" not in fields and "meta" in fields:
        made.append(("resourceType", str, msgspec.UNSET))
    for field, (kind, repeats) in fields.items():
        made.append((_field(field), _annotation(kind, repeats), msgspec.UNSET))
        if is_primitive(kind):
            made.append((f"_{field}", _companion(repeats), msgspec.UNSET))
    return msgspec.defstruct(
        _name(name), made, module=_MODULE, kw_only=True, forbid_unknown_fields=True, gc=False,
        rename={_field(field): field for field in fields},
        namespace=_one_of_each(choices(name), [one for one, *_ in made]),
    )  # fmt: skip


def _one_of_each(groups: tuple[frozenset[str], ...], fields: list[str]) -> dict[str, Callable[[Any], None]]:
    """What refuses, once an object is read, two types of one choice in it; nothing where there is no choice."""
    if not groups:
        return {}
    names = [field.removesuffix("_") for field in fields]
    ends = [[place for place, name in enumerate(names) if name in one] for one in groups]
    # Mostly side by side, so that one count tells that there is but one.
    slices = [(slice(one[0], one[-1] + 1), one[-1] - one[0], group) for one, group in zip(ends, groups, strict=True)]

    def look(made: Any) -> None:
        values = astuple(made)
        for part, most, group in slices:
            if values[part].count(msgspec.UNSET) < most:
                told = [name for name, value in zip(names, values, strict=True) if value is not msgspec.UNSET]
                if several := several_of(group.intersection(told)):
                    raise ValueError(f"One type of a choice may stand; here are {' and '.join(several)}")

    return {"__post_init__": look}


def _annotation(kind: str, repeats: bool) -> Any:
    one = primitive(kind, repeats=repeats) if is_primitive(kind) else _name(kind)
    return many(one) if repeats else one


def primitive(kind: str, *, repeats: bool, exact: bool = False) -> Any:
    """What a primitive is as an annotation; `exact` tells whole numbers from others, so that each is written as it was.

    A value that is absent in a list keeps its place as null.
    """
    one: Any = int | float if exact and kind == "decimal" else _PRIMITIVES.get(kind, _Text)
    return one | None if repeats else one


def many(one: Any) -> Any:
    """An annotation of a list that is not empty."""
    return Annotated[list[one], msgspec.Meta(min_length=1)]


def _companion(repeats: bool) -> Any:
    return list[dict[str, Any] | None] if repeats else dict[str, Any]


def is_primitive(kind: str) -> bool:
    """Whether a type is a primitive of FHIR."""
    return kind in _PRIMITIVES or kind in _TEXTS


def _name(kind: str) -> str:
    return kind.replace(".", "_")


def _field(name: str) -> str:
    # "class" and the like are no names for a field.
    return f"{name}_"
