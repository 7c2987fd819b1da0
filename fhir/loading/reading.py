"""Files to resources: NDJSON and JSON (a Bundle or one resource), plain or gzip, single files and folders."""

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir.compartment import SHARED_TYPES
from fhir.loading.preparation import Rejected, encode, parse

_SUFFIXES = (".ndjson", ".ndjson.gz", ".json", ".json.gz")
_URN = re.compile(rb'"(urn:uuid:[0-9a-fA-F-]{36})"')


@dataclass(frozen=True, slots=True)
class Line:
    """One resource as it came: which file, which line (or entry of a Bundle), and its JSON."""

    file: str
    number: int
    raw: bytes


class NothingToLoad(Exception):
    """None of the paths holds a file we read."""

    def __init__(self) -> None:
        super().__init__("No file of resources there: they end in .ndjson or .json, with .gz or without.")


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files to load in the order to load them; raises NothingToLoad.

    What others refer to comes first: shared types, then patients, then their records, Provenance at the end.
    """
    found: list[Path] = []
    for path in paths:
        found += [one for one in path.iterdir() if _is_ours(one)] if path.is_dir() else [path]
    if not found:
        raise NothingToLoad
    return sorted(found, key=lambda path: (_rank(path.name.partition(".")[0]), path.name))


def read(path: Path) -> Iterator[Line]:
    """The resources of a file."""
    if ".ndjson" not in path.name and ".json" in path.name:
        yield from _read_json(path)
        return
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if stripped := raw.strip():
                yield Line(path.name, number, stripped)


def _is_ours(path: Path) -> bool:
    return path.is_file() and path.name.endswith(_SUFFIXES)


def _rank(resource_type: str) -> int:
    order = ("Patient", "Coverage")
    if resource_type in SHARED_TYPES:
        return 0
    if resource_type in order:
        return 1 + order.index(resource_type)
    return 9 if resource_type == "Provenance" else 5


def _read_json(path: Path) -> Iterator[Line]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        raw = file.read()
    try:
        found = parse(raw)
    except Rejected:
        # The loader says what is wrong with it.
        yield Line(path.name, 1, raw)
        return
    if found.get("resourceType") != "Bundle":
        yield Line(path.name, 1, raw)
        return
    yield from _entries(path.name, found)


def _entries(name: str, bundle: dict[str, Any]) -> Iterator[Line]:
    listed = bundle.get("entry")
    entries = [one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict)]
    names = {}
    for entry in entries:
        resource = entry.get("resource")
        if isinstance(resource, dict) and isinstance(entry.get("fullUrl"), str):
            names[entry["fullUrl"].encode()] = f"{resource.get('resourceType')}/{resource.get('id')}".encode()
    numbered = [(number, entry["resource"]) for number, entry in enumerate(entries, start=1) if entry.get("resource")]
    for number, resource in sorted(numbered, key=lambda one: _rank(_type_of(one[1]))):
        # References inside of the Bundle by urn:uuid become literal ones.
        raw = _URN.sub(lambda found: b'"' + names.get(found[1], found[1]) + b'"', encode(resource))
        yield Line(name, number, raw)


def _type_of(resource: object) -> str:
    return str(resource.get("resourceType")) if isinstance(resource, dict) else ""
