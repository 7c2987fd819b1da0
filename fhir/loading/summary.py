"""What a load did: counts, and the first of what was found."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fhir.loading.faults import Finding
from fhir.loading.tables import FhirLoad

SHOWN = 100
_COUNTS = ("added", "changed", "unchanged", "deleted", "rejected", "warned")


@dataclass(frozen=True, slots=True)
class Reject:
    """A resource that was not stored, and why.

    `line` is 0 in a file that is a Bundle; `entry` is which entry of a Bundle it is, 0 where there is none.
    """

    file: str
    line: int
    path: str
    rule: str
    hint: str
    entry: int = 0

    def __str__(self) -> str:
        numbers = [f"{name} {number}" for name, number in (("line", self.line), ("entry", self.entry)) if number]
        where = ", ".join([self.file, *numbers, *([self.path] if self.path else [])])
        return f"{where}: {self.rule}. {self.hint}"


@dataclass
class LoadSummary:
    """What a load did so far, what an interrupted run before it did included.

    `problems` holds the first hundred rejects, the reject file all; `warnings` counts breaches that refused nothing,
    by finding.
    """

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    warned: int = 0
    read_bytes: int = 0
    total_bytes: int = 0
    resumed: bool = False
    problems: list[Reject] = field(default_factory=list)
    warnings: Counter[Finding] = field(default_factory=Counter)
    reject_file: Path | None = None
    warning_file: Path | None = None

    @property
    def written(self) -> int:
        """How many resources are other than before."""
        return self.added + self.changed + self.deleted

    def take_over(self, load: FhirLoad) -> None:
        """Go on from the counts of an interrupted run."""
        self.read, self.resumed = load.lines_read, load.lines_read > 0
        for name in _COUNTS:
            setattr(self, name, getattr(load, name))

    def hand_over(self, load: FhirLoad) -> None:
        """Keep the counts with the load."""
        load.lines_read = self.read
        for name in _COUNTS:
            setattr(load, name, getattr(self, name))
