"""A requirement as data: where it is written, what it says, and the function that checks it."""

from collections.abc import Callable
from dataclasses import dataclass

from service.conformance.trial import Trial

Check = Callable[[Trial], None]
"""Returns when the server does what is required; raises `verdicts.Failed` or `verdicts.NotOffered`."""


@dataclass(frozen=True)
class Requirement:
    """One line of the report. `source` gives its ids in the suites' list (A1 ...) and in SMART App Launch (SMART-n)."""

    key: str
    source: str
    title: str
    check: Check

    @property
    def section(self) -> str:
        """The section it stands in."""
        return self.key.partition(".")[0]
