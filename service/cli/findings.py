"""What `flask doctor` finds, and how it is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What was found."""

    GOOD = "ok"
    DOUBTFUL = "doubtful"
    BAD = "BAD"


@dataclass(frozen=True)
class Finding:
    """What was found of one matter; the sentence of a doubtful or bad one says what to do."""

    verdict: Verdict
    sentence: str


Findings = Iterator[Finding]


def good(sentence: str) -> Finding:
    """Nothing is to be done."""
    return Finding(Verdict.GOOD, sentence)


def doubtful(sentence: str) -> Finding:
    """It may be meant; it says what to do if not."""
    return Finding(Verdict.DOUBTFUL, sentence)


def bad(sentence: str) -> Finding:
    """It has to be mended; it says how."""
    return Finding(Verdict.BAD, sentence)
