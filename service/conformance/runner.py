"""Runs requirements, one after the other, and keeps what became of each."""

from collections.abc import Collection, Sequence
from time import monotonic

from urllib3.exceptions import HTTPError, MaxRetryError

from service.clock import now
from service.conformance.report import Outcome, Report, Verdict
from service.conformance.requirement import Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import Failed, NotOffered


class Unreachable(Exception):
    """Nobody answers at the address, or not with a certificate that is trusted; the message says which."""


class UnknownSection(Exception):
    """No section has this name; the message names those there are."""


def run(trial: Trial, requirements: Sequence[Requirement], *, sections: Collection[str] = ()) -> Report:
    """Check every requirement, or those of some `sections`. Raises UnknownSection, Unreachable."""
    names = {requirement.section for requirement in requirements}
    if unknown := set(sections) - names:
        raise UnknownSection(f"{', '.join(sorted(unknown))}: there are {', '.join(sorted(names))}")
    _require_answer(trial)
    began_at, began = now(), monotonic()
    wanted = [one for one in requirements if not sections or one.section in sections]
    outcomes = tuple(_check(requirement, trial) for requirement in wanted)
    return Report(trial.fhir_base, began_at, monotonic() - began, outcomes)


def _require_answer(trial: Trial) -> None:
    try:
        trial.read("metadata")
    except HTTPError as problem:
        cause = problem.reason if isinstance(problem, MaxRetryError) and problem.reason else problem
        raise Unreachable(f"{trial.fhir_base} does not answer: {type(cause).__name__}") from None


def _check(requirement: Requirement, trial: Trial) -> Outcome:
    said = (requirement.key, requirement.source, requirement.title)
    try:
        requirement.check(trial)
    except NotOffered as absent:
        return Outcome(*said, Verdict.NOT_OFFERED, reason=absent.reason)
    except Failed as failure:
        return Outcome(*said, Verdict.FAIL, expected=failure.expected, found=failure.found)
    except Exception as fault:  # noqa: BLE001 (whatever a strange answer provokes here is that server's failure)
        return Outcome(*said, Verdict.FAIL, expected="an answer that can be read", found=type(fault).__name__)
    return Outcome(*said, Verdict.PASS)
