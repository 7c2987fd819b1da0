"""Conformance self-test: what the field's public suites check, when this system was last checked, and a button."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.conformance.report import Outcome, Verdict, failures_first, read_outcomes
from service.plan.models import SelfTestRun, StaffRole
from service.plan.staff import self_tests
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.web import NotFoundPage, db_session, settings

blueprint = Blueprint("staff_self_test", __name__, url_prefix="/staff/self-test")
_ROLES = (StaffRole.ADMINISTRATOR, StaffRole.APP_REVIEWER)


@dataclass(frozen=True)
class Result:
    """A run's outcomes of one section, of all, or at first those that failed, with every section's sums of verdicts.

    `sections` are those there are, with the words to show.
    """

    outcomes: list[Outcome]
    sections: list[tuple[str, str]]
    section: str
    counts: dict[str, Counter[str]]


@blueprint.get("")
@require_role(*_ROLES)
def index() -> ResponseReturnValue:
    """The last run that has a result, or the run that the address names."""
    runs = self_tests.list_runs(db_session())
    named = request.args.get("run", type=UUID)
    run = _get(named) if named else next((one for one in runs if one.ended_at), None)
    return render_template(
        "staff/self_test.html", runs=runs, run=run, result=_result(run) if run and run.report else None,
        waiting=next((one for one in runs if self_tests.is_on_its_way(one)), None), may_run=settings().sandbox,
    )  # fmt: skip


@blueprint.post("/run")
@require_role(*_ROLES)
def run() -> ResponseReturnValue:
    """Ask for a run; the worker does it."""
    try:
        self_tests.ask(db_session(), settings(), by_account_id=current_staff().account_id)
    except (self_tests.RunWaits, self_tests.SandboxOnly) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_self_test.index"), 303)


def _get(run_id: UUID) -> SelfTestRun:
    try:
        return self_tests.get(db_session(), str(run_id))
    except self_tests.UnknownRun:
        raise NotFoundPage from None


def _result(run: SelfTestRun) -> Result:
    every = read_outcomes((run.report or {})["outcomes"])
    sections = [(name, name.replace("_", " ")) for name in dict.fromkeys(outcome.section for outcome in every)]
    section = request.args.get("section")
    if section is None:
        # A thousand lines are many screens of a phone: those of a section are one step away.
        failed = [outcome for outcome in every if outcome.verdict is Verdict.FAIL]
        return Result(failed, sections, "", _counts(every))
    shown = [outcome for outcome in every if section in ("", outcome.section)]
    return Result(failures_first(shown), sections, section, {})


def _counts(outcomes: list[Outcome]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.section, Counter())[outcome.verdict.value] += 1
    return found
