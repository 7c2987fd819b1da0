"""What a run found: one outcome a requirement, as text for people and as JSON for programs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What became of a requirement."""

    PASS = "pass"
    FAIL = "fail"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True)
class Outcome:
    """One line: the requirement and what became of it. `expected` and `found` are of failures, `reason` of the rest."""

    key: str
    source: str
    title: str
    verdict: Verdict
    expected: str = ""
    found: str = ""
    reason: str = ""

    @property
    def section(self) -> str:
        """The section it stands in."""
        return self.key.partition(".")[0]

    def line(self) -> str:
        """The outcome as one line."""
        why = f"expected {self.expected}; found {self.found}" if self.verdict is Verdict.FAIL else self.reason
        said = f"{self.verdict:<11}  {self.key:<34}  {self.source:<20}  {self.title}"
        return f"{said}: {why}" if why else said


@dataclass(frozen=True)
class Report:
    """A whole run against one FHIR base."""

    fhir_base: str
    began_at: datetime
    seconds: float
    outcomes: tuple[Outcome, ...]

    @property
    def sums(self) -> dict[Verdict, int]:
        """How many passed, failed and were not offered."""
        counted = Counter(outcome.verdict for outcome in self.outcomes)
        return {verdict: counted[verdict] for verdict in Verdict}

    @property
    def failed(self) -> bool:
        """Whether any requirement failed."""
        return self.sums[Verdict.FAIL] > 0

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "fhir_base": self.fhir_base,
            "began_at": self.began_at.isoformat(),
            "seconds": round(self.seconds, 1),
            "sums": {verdict.value: number for verdict, number in self.sums.items()},
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
        }

    def as_text(self) -> str:
        """The report for people: a line a requirement, then the sums."""
        said = ", ".join(f"{number} {verdict.value}" for verdict, number in self.sums.items())
        return "\n".join((*_lines(self.outcomes), "", f"{said} ({self.seconds:.0f} s, {self.fhir_base})"))


def together(reports: Mapping[str, Report]) -> Report:
    """Several runs at one server as one, by whom each was: a requirement fails where it failed for anybody."""
    first = next(iter(reports.values()))
    by_key: dict[str, list[tuple[str, Outcome]]] = {}
    for name, report in reports.items():
        for outcome in report.outcomes:
            by_key.setdefault(outcome.key, []).append((name, outcome))
    seconds = sum(report.seconds for report in reports.values())
    return replace(first, seconds=seconds, outcomes=tuple(map(_worst, by_key.values())))


def _worst(outcomes: Sequence[tuple[str, Outcome]]) -> Outcome:
    order = (Verdict.FAIL, Verdict.PASS, Verdict.NOT_OFFERED)
    worst = min((outcome for _name, outcome in outcomes), key=lambda one: order.index(one.verdict))
    if worst.verdict is not Verdict.FAIL:
        return worst
    names = [name for name, outcome in outcomes if outcome.verdict is Verdict.FAIL]
    return replace(worst, found=f"{worst.found} ({', '.join(names)})")


def failures_first(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes with what failed at the top, otherwise in their order."""
    return sorted(outcomes, key=lambda outcome: outcome.verdict is not Verdict.FAIL)


def read_outcomes(content: Iterable[dict[str, Any]]) -> list[Outcome]:
    """Outcomes as `Report.as_json` wrote them."""
    return [Outcome(**{**one, "verdict": Verdict(one["verdict"])}) for one in content]


def _lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    section = ""
    for outcome in outcomes:
        if outcome.section != section:
            section = outcome.section
            yield f"\n{section.replace('_', ' ')}"
        yield outcome.line()
