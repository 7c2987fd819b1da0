"""What a run asks of whoever knows the profiles of US Core, CARIN BB and PDex; it is given by who starts the run."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Breach(Protocol):
    """One thing that a profile has against a resource; tells no value."""

    @property
    def rule(self) -> str:
        """Which kind of rule is broken."""

    @property
    def path(self) -> str:
        """Where."""


class Definitions(Protocol):
    """The definitions of profiles, put to use."""

    def findings(self, resource: dict[str, Any], /) -> Sequence[Breach]:
        """What the profiles that a resource claims have against it."""

    def unseen(self, url: str, resources: Sequence[Mapping[str, Any]], /) -> list[str] | None:
        """The must-support elements of a profile that none of the resources has; None for an unknown profile."""
