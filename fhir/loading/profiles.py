"""Resources against the profiles they declare: cardinality, fixed values and patterns, slices, required bindings.

The profiles are those of `profiles.json.gz`, or of a folder of definitions that is named. FHIRPath invariants are not
run; a value set that nobody listed (CPT, NDC) is known by its code systems alone.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir.loading.definitions import PROFILES, NoDefinitions, profiles_of
from fhir.loading.faults import Finding

_Node = Mapping[str, Any]
_MOST = 50
_NO_VALUE: _Node = {}


def findings(resource: dict[str, Any], definitions: Path | None = None) -> list[Finding]:
    """What the declared profiles have against a resource, at most fifty; tells no value."""
    known = _known(definitions)
    resource_type = resource["resourceType"]
    named = _declared(resource)
    declared = [url for url in named if known.profile(url).get("type") == resource_type]
    if not declared and resource_type in known.types:
        lead = f"None of those it names is a profile of {resource_type} that we know. " if named else ""
        hint = f"{lead}Name a profile of US Core or CARIN BB that it follows."
        return [Finding("no-profile", hint, f"{resource_type}.meta.profile")]
    found: dict[Finding, None] = {}
    for url in declared:
        for one in _check(known, known.profile(url), resource, resource_type):
            found[one] = None
            if len(found) >= _MOST:
                return list(found)
    return list(found)


def unseen(url: str, resources: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The must-support elements of a profile that none of the resources has; None for a profile that is not known.

    Paths are written as in the profile, `identifier:memberid.value`. What lies in a slice counts in that slice alone;
    slices that are told apart by a value set that nobody listed are left out.
    """
    known = _known(None)
    profile = known.profile(url)
    return list(_unseen(known, profile, resources, "")) if profile else None


def _unseen(known: "_Known", node: _Node, values: Sequence[Any], path: str) -> Iterator[str]:
    for name, child in node.get("children", {}).items():
        found = [pair for value in values if isinstance(value, dict) for pair in _values(value, name)]
        # What a primitive has besides its value stands beside it.
        beside = [one for value in values if isinstance(value, dict) for one in _listed(value.get(f"_{name}"))]
        where = f"{path}.{name}".lstrip(".")
        yield from _sought(known, child, [*(one for _key, one in found), *beside], where)
        for slice_name, piece in child.get("slices", {}).items():
            if not all(_is_told(known, piece, path) for _kind, path in child.get("by", ())):
                continue
            matching = [one for key, one in found if _belongs(known, child, piece, key, one)]
            yield from _sought(known, piece, matching, f"{where}:{slice_name}")


def _sought(known: "_Known", node: _Node, found: Sequence[Any], path: str) -> Iterator[str]:
    if node.get("must") and not found:
        yield path
    yield from _unseen(known, node, found, path)


def require_definitions(definitions: Path) -> None:
    """Read a folder of definitions; raises NoDefinitions where it holds none that can be read."""
    _known(definitions)


class _Known:
    """Profiles by address and value sets by address."""

    def __init__(self, made: Mapping[str, Any]) -> None:
        self._profiles: Mapping[str, _Node] = made["profiles"]
        self.types = frozenset(one["type"] for one in self._profiles.values())
        self._sets = {
            url: {system: None if codes is None else frozenset(codes) for system, codes in systems.items()}
            for url, systems in made["sets"].items()
        }

    def profile(self, url: str) -> _Node:
        """The tree of a profile, empty for one that is not known."""
        return self._profiles.get(url, _NO_VALUE)

    def lists(self, url: str) -> bool:
        """Whether the codes of a value set are known, or at least their systems."""
        return url in self._sets

    def holds(self, url: str, value: Any) -> bool | None:
        """Whether a coding of the value is in the set; None when it cannot be told."""
        systems = self._sets.get(url)
        if systems is None or value is None:
            return None
        if isinstance(value, str):
            listed = [codes for codes in systems.values() if codes is not None]
            return any(value in codes for codes in listed) if len(listed) == len(systems) else None
        return any(self._has(systems, one) for one in _codings(value))

    @staticmethod
    def _has(systems: Mapping[str, frozenset[str] | None], coding: Mapping[str, Any]) -> bool:
        if coding.get("system") not in systems:
            return False
        codes = systems[coding["system"]]
        return codes is None or coding.get("code") in codes


@lru_cache(maxsize=4)
def _known(definitions: Path | None) -> _Known:
    if definitions is None:
        packed = Path(__file__).with_name(PROFILES).read_bytes()
        return _Known(json.loads(gzip.decompress(packed)))
    folders = [definitions, *(one for one in sorted(definitions.iterdir()) if one.is_dir())]
    filled = [one for one in folders if any(one.glob("*.json")) or any(one.glob("*.gz"))]
    if not filled:
        raise NoDefinitions(definitions)
    try:
        return _Known(profiles_of(filled))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoDefinitions(definitions) from None


def _declared(resource: Mapping[str, Any]) -> list[str]:
    named = resource.get("meta", {}).get("profile")
    return [str(one).partition("|")[0] for one in named] if isinstance(named, list) else []


def _check(known: _Known, node: _Node, value: Any, path: str) -> Iterator[Finding]:
    yield from _check_value(known, node, value, path)
    if isinstance(value, dict):
        for name, child in node.get("children", {}).items():
            yield from _check_child(known, child, name, value, f"{path}.{name}")


def _check_value(known: _Known, node: _Node, value: Any, path: str) -> Iterator[Finding]:
    if "fixed" in node and value != node["fixed"]:
        yield Finding("fixed-value", f"The profile fixes {_short(node['fixed'])} here.", path)
    if "pattern" in node and not _covers(value, node["pattern"]):
        yield Finding("pattern", f"The profile demands {_short(node['pattern'])} here.", path)
    if "binding" in node and not _is_absent(value) and known.holds(node["binding"], value) is False:
        yield Finding("binding", f"Use a code of {node['binding']}.", path)


def _check_child(
    known: _Known, child: _Node, name: str, value: Mapping[str, Any], path: str
) -> Iterator[Finding]:  # fmt: skip
    found = _values(value, name)
    yield from _counted(child, len(found), path)
    for _key, one in found:
        yield from _check(known, child, one, path)
    for slice_name, piece in child.get("slices", {}).items():
        matching = [one for key, one in found if _belongs(known, child, piece, key, one)]
        yield from _counted(piece, len(matching), f"{path}:{slice_name}")
        for one in matching:
            yield from _check(known, piece, one, f"{path}:{slice_name}")


def _belongs(known: _Known, base: _Node, piece: _Node, key: str, value: Any) -> bool:
    return all(_discriminates(known, piece, kind, path, key, value) for kind, path in base.get("by", ()))


def _discriminates(known: _Known, piece: _Node, kind: str, path: str, key: str, value: Any) -> bool:
    if kind == "type":
        wanted = piece.get("kind", "")
        return key.endswith(wanted[:1].upper() + wanted[1:])
    if path == "url" or (kind == "profile" and "url" in piece):
        return isinstance(value, dict) and value.get("url") == piece.get("url")
    node, here = piece, [value]
    for step in () if path == "$this" else path.split("."):
        node = node.get("children", {}).get(step, _NO_VALUE)
        here = [deeper for one in here if isinstance(one, dict) for _key, deeper in _values(one, step)]
    return any(_is(known, node, one) for one in here)


def _is(known: _Known, node: _Node, value: Any) -> bool:
    """Whether the value is what the slice's discriminating element fixes, by pattern or by bound value set."""
    fixed = [node[key] for key in ("fixed", "pattern") if key in node]
    if fixed:
        return all(_covers(value, wanted) for wanted in fixed)
    if "binding" in node:
        return bool(known.holds(node["binding"], value))
    parts = [(name, child) for name, child in node.get("children", {}).items() if _constrained(child)]
    return bool(parts) and isinstance(value, dict) and all(
        any(_is(known, child, one) for _key, one in _values(value, name)) for name, child in parts
    )  # fmt: skip


def _is_told(known: _Known, piece: _Node, path: str) -> bool:
    node = piece
    for step in () if path == "$this" else path.split("."):
        node = node.get("children", {}).get(step, _NO_VALUE)
    return "fixed" in node or "pattern" in node or "binding" not in node or known.lists(node["binding"])


def _constrained(node: _Node) -> bool:
    return "fixed" in node or "pattern" in node or any(map(_constrained, node.get("children", {}).values()))


def _codings(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, dict):
        return []
    found = value.get("coding", [value] if "code" in value else [])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_absent(value: Any) -> bool:
    # A primitive that is absent says why in an extension; a text alone stands for a concept without a code.
    return isinstance(value, dict) and "extension" in value and not value.keys() - {"extension", "id"}


def _values(value: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    """The values of an element by the key they stand under; of `value[x]` those of every type."""
    if not name.endswith("[x]"):
        # A primitive whose value is absent stands as `_name` with an extension that says why.
        key = name if name in value else f"_{name}"
        return [(key, one) for one in _listed(value.get(key))]
    stem = name[:-3]
    found: dict[str, list[Any]] = defaultdict(list)
    for key, one in value.items():
        bare = key.lstrip("_")
        if bare.startswith(stem) and bare[len(stem) :][:1].isupper() and (key == bare or bare not in value):
            found[key] += _listed(one)
    return [(key, one) for key, ones in found.items() for one in ones]


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _counted(node: _Node, count: int, path: str) -> Iterator[Finding]:
    if count < node.get("min", 0):
        yield Finding("cardinality", f"The profile demands at least {node['min']} here; there are {count}.", path)
    if count > node.get("max", count):
        yield Finding("cardinality", f"The profile allows at most {node['max']} here; there are {count}.", path)


def _covers(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _covers(value[name], part) for name, part in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_covers(one, part) for one in value) for part in wanted)
    return bool(value == wanted)


def _short(wanted: Any) -> str:
    return json.dumps(wanted, ensure_ascii=False)[:200]
