"""The requirements of guides as values, read from `requirements.json` (made by `published`)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("requirements.json")
_FORCES = ("SHALL", "SHOULD", "MAY")
_DRAFT = "-build"
"""Of an edition that is not published: it demands nothing yet."""
_SECTIONS = {"US Core": "D", "CARIN BB": "C", "PDex": "PDex"}
"""Where the suites' list speaks of a guide; of PDex there is no suite."""


@dataclass(frozen=True)
class Stated:
    """One requirement, whichever guides state it; `type` to `any_of` are of search parameters.

    `guides` are those that state it, each with its force, which may be empty. `paths` lead from the root of a resource
    to the values, of an `_include` to its references.
    """

    resource_type: str
    kind: str
    name: str
    guides: Mapping[str, str]
    type: str = ""
    paths: Sequence[str] = ()
    comparators: Sequence[str] = ()
    any_of: bool = False

    @property
    def force(self) -> str:
        """The strongest word that a published guide has for it; MAY where none says any."""
        said = {force for guide, force in self.guides.items() if _DRAFT not in guide}
        return next((one for one in _FORCES if one in said), "MAY")

    @property
    def source(self) -> str:
        """The sections of the suites' list and the force."""
        sections = [
            section
            for title, section in _SECTIONS.items()
            if any(guide.startswith(f"{title} ") for guide in self.guides)
        ]
        return f"{', '.join(sections)}; {self.force}"

    @property
    def stated_by(self) -> str:
        """The guides in words: `US Core 6.1.0, 7.0.0; PDex 2.0.0`."""
        editions: dict[str, list[str]] = {}
        for guide in self.guides:
            title, _, edition = guide.partition(" (")[0].rpartition(" ")
            if edition not in editions.setdefault(title, []):
                editions[title].append(edition)
        return "; ".join(f"{title} {', '.join(sorted(found))}" for title, found in sorted(editions.items()))


@cache
def everything() -> tuple[Stated, ...]:
    """Every requirement, by type, kind and name."""
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(FILE.read_text("utf-8"))
    return tuple(
        Stated(
            resource_type, kind, name, row["guides"], row.get("type", ""), tuple(row.get("paths", ())),
            tuple(row.get("comparators", ())), row.get("or") == "SHALL",
        )
        for resource_type, kinds in sorted(rows.items())
        for kind, named in sorted(kinds.items())
        for name, row in sorted(named.items())
    )  # fmt: skip


@cache
def parameters(resource_type: str) -> Mapping[str, Stated]:
    """The search parameters of a type by name."""
    return {
        one.name: one
        for one in everything()
        if one.kind == "search-param" and one.resource_type == resource_type and one.paths
    }
