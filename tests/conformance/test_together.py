"""Runs for several members told as one."""

from service.clock import now
from service.conformance.report import Outcome, Report, Verdict, together


def report(*verdicts: Verdict) -> Report:
    """A report of requirements named by their place."""
    outcomes = [Outcome(f"s.{place}", "", "", verdict, found="less") for place, verdict in enumerate(verdicts)]
    return Report("https://plan.example", now(), 1.0, tuple(outcomes))


def test_a_requirement_fails_where_it_fails_for_anybody() -> None:
    passed, failed, absent = Verdict.PASS, Verdict.FAIL, Verdict.NOT_OFFERED

    whole = together(
        {"sandbox": report(passed, passed, absent, absent), "ada": report(failed, absent, passed, absent)}
    )  # fmt: skip

    assert [one.verdict for one in whole.outcomes] == [failed, passed, passed, absent]
    assert whole.outcomes[0].found == "less (ada)" and whole.seconds == 2
