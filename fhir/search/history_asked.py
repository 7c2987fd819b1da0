"""What a history asks for: `_count`, `_since`, `_at`, and where its page starts (FHIR R4, http, history)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir.outcomes import BadValue, NotSupported
from fhir.search.dates import BadDate, Span, span

MOST = 100
PAGE = "_page"
_TRANSPORT = frozenset({"_format", "_pretty", "fhirVersion"})


@dataclass(frozen=True, slots=True)
class HistoryAsked:
    """At most `count` versions below `before`: made at `since` or later, current at some moment of `at`."""

    count: int = MOST
    since: int | None = None
    at: Span | None = None
    before: int | None = None


def parse(given: Sequence[tuple[str, str]], *, strict: bool) -> tuple[HistoryAsked, list[tuple[str, str]]]:
    """What is asked, and the parameters that were used; raises BadValue, and NotSupported under strict handling."""
    named: dict[str, str] = {}
    for name, value in given:
        if name in _READ:
            named[name] = value
        elif name not in _TRANSPORT and strict:
            raise NotSupported("A history takes _count, _since and _at.", expression=name)
    asked: dict[str, Any] = {_READ[name][0]: _READ[name][1](name, value) for name, value in named.items()}
    return HistoryAsked(**asked), list(named.items())


def choose(kept: Sequence[tuple[int, int]], asked: HistoryAsked) -> list[int]:
    """The versions asked for, of all that are kept (number, instant in microseconds), newest first."""
    chosen: list[int] = []
    ended: int | None = None
    for number, made in kept:
        late_enough = asked.since is None or made >= asked.since
        stood = asked.at is None or (made < asked.at.end and (ended is None or ended > asked.at.start))
        if late_enough and stood:
            chosen.append(number)
        ended = made
    return chosen


def _count(name: str, value: str) -> int:
    number = _number(name, value)
    return max(1, min(number, MOST))


def _number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise BadValue("A number is expected.", expression=name)
    return int(value)


def _since(name: str, value: str) -> int:
    return _at(name, value).start


def _at(name: str, value: str) -> Span:
    try:
        # A plus that was not encoded arrives as a space.
        return span(value.replace(" ", "+"))
    except BadDate:
        raise BadValue("A date or an instant is expected.", expression=name) from None


_READ = {"_count": ("count", _count), "_since": ("since", _since), "_at": ("at", _at), PAGE: ("before", _number)}
