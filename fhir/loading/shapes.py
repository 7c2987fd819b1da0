"""The shape of every R4 type that is stored: which elements it may have, of which type, repeating or not.

Made at first use from `r4_elements.json` as msgspec structs, so that a whole resource is checked in C. What an element
must be (cardinality, codes) is for profiles; here a text is refused that no FHIR reader could take.
"""

import json
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import msgspec

from fhir.loading.definitions import ELEMENTS
from fhir.loading.faults import Rejected

_DATE = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?"
_ZONE = r"(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))"
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_PRIMITIVES: dict[str, Any] = {
    "boolean": bool,
    "decimal": float,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)],
    "unsignedInt": Annotated[int, msgspec.Meta(ge=0, lt=2**31)],
    "positiveInt": Annotated[int, msgspec.Meta(ge=1, lt=2**31)],
    "date": Annotated[str, msgspec.Meta(pattern=f"^{_DATE}$")],
    "dateTime": Annotated[str, msgspec.Meta(pattern=rf"^({_DATE}|\d{{4}}-\d\d-\d\dT{_TIME}{_ZONE})$")],
    "instant": Annotated[str, msgspec.Meta(pattern=rf"^\d{{4}}-\d\d-\d\dT{_TIME}{_ZONE}$")],
    "time": Annotated[str, msgspec.Meta(pattern=f"^{_TIME}$")],
}
_TEXTS = frozenset({
    "base64Binary", "canonical", "code", "id", "markdown", "oid", "string", "uri", "url", "uuid", "xhtml",
})  # fmt: skip
_ANY_RESOURCE = "Resource"
COMPANION = "_"
"""The kind of what holds the extensions of a primitive's value, an object."""
_MODULE = "fhir.loading._r4_shapes"
NAMES: Mapping[str, Any] = {
    "Any": Any, "Optional": msgspec.UnsetType, "Annotated": Annotated, "Meta": msgspec.Meta, "Raw": msgspec.Raw,
}  # fmt: skip
"""What annotations that were written as texts may name."""
_WHERE = re.compile(r" - at `(?:key in )?\$(.*?)`$")
_REPEATED = re.compile(r"\[\.\.\.\]")
_JSON_S = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "an array",
    "object": "an object", "null": "null",
}  # fmt: skip
_PYTHON_S = re.compile(rf"`({'|'.join(_JSON_S)})(?: \| null)?`")


def require_shape(raw: bytes, resource_type: str) -> None:
    """Refuse a text that has an unknown element or a value of the wrong type; raises Rejected."""
    try:
        _decoder(resource_type).decode(raw)
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
    is_plain = kind in {_ANY_RESOURCE, COMPANION}
    return msgspec.json.Decoder(dict[str, Any] if is_plain else getattr(_shapes(), _name(kind)))


def is_reference(resource_type: str, name: str) -> bool:
    """Whether an element of this name is one reference."""
    return definitions()[resource_type].get(name) == ["Reference", False]


def _rejected(told: str, resource_type: str) -> Rejected:
    where = _WHERE.search(told)
    path = resource_type + (_REPEATED.sub("", where[1]) if where else "")
    what = told[: where.start()] if where else told
    if "matching regex" in what:
        return Rejected("date", "Dates are written as 2026-04-30, times as 2026-04-30T10:11:12Z.", path)
    return Rejected("structure", _in_json_s_words(what.replace("Object", "This object")) + ".", path)


def _in_json_s_words(what: str) -> str:
    """What msgspec says, whose types are Python's; an empty text or list is told to be left out."""
    if "length >= 1" in what:
        return "An element without a value is left out; this one is empty"
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
        if name not in _PRIMITIVES and name not in _TEXTS:
            setattr(module, _name(name), _struct(name, fields))
    return module


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
    )  # fmt: skip


def _annotation(kind: str, repeats: bool) -> Any:
    if is_primitive(kind):
        one = primitive(kind, repeats=repeats)
    else:
        one = dict[str, Any] if kind == _ANY_RESOURCE else _name(kind)
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
