"""The conformance self-test as plan staff use it: asked for in the console, run by the worker, the last 20 kept.

In the sandbox only: a run signs in as an invented member and connects apps.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from service import audit
from service.clock import now
from service.plan.models import SelfTestRun
from service.settings import Settings
from service.single_use import spend

KEPT = 20
_LONGEST = timedelta(minutes=10)
Run = Callable[[Settings], tuple[dict[str, Any] | None, str]]
"""Makes a run: its report for programs and no problem, or none and a sentence that says why."""
log = structlog.get_logger("service.plan.self_tests")


class RunWaits(Exception):
    """A run was asked for and has not ended."""

    sentence = "A run is on its way already. Its result will stand here in a minute."


class SandboxOnly(Exception):
    """This is a production system."""

    sentence = "A run signs in as an invented member, so it is for test systems only."


class UnknownRun(Exception):
    """No such run, or not one that is kept."""


def ask(session: Session, settings: Settings, *, by_account_id: str) -> SelfTestRun:
    """Ask for a run; raises SandboxOnly, RunWaits."""
    if not settings.sandbox:
        raise SandboxOnly
    if any(is_on_its_way(run) for run in list_runs(session)):
        raise RunWaits
    run = SelfTestRun(asked_by_account_id=by_account_id, asked_at=now())
    session.add(run)
    session.flush()
    audit.record(session, "plan:self_test:ask", account_id=by_account_id, detail={"run": run.id})
    return run


def list_runs(session: Session) -> Sequence[SelfTestRun]:
    """The runs that are kept, the newest first."""
    return session.scalars(select(SelfTestRun).order_by(SelfTestRun.asked_at.desc()).limit(KEPT)).all()


def get(session: Session, run_id: str) -> SelfTestRun:
    """One run; raises UnknownRun."""
    found = session.get(SelfTestRun, run_id)
    if found is None:
        raise UnknownRun
    return found


def is_on_its_way(run: SelfTestRun) -> bool:
    """Whether its result is still to come: a worker that was ended in the middle brings none."""
    return run.ended_at is None and now() < run.asked_at + _LONGEST


def carry_out(sessions: sessionmaker[Session], settings: Settings, run: Run) -> None:
    """What the worker does with the run that waits, if one does. Nothing is locked while it lasts."""
    if not settings.sandbox:
        return
    with sessions.begin() as session:
        waiting = select(SelfTestRun.id).where(SelfTestRun.spent_at.is_(None)).order_by(SelfTestRun.asked_at).limit(1)
        run_id = session.scalar(waiting)
        taken = run_id is not None and spend(session, SelfTestRun, SelfTestRun.id == run_id)
    if not taken:
        return
    report, problem = run(settings)
    with sessions.begin() as session:
        _keep(session, session.get_one(SelfTestRun, run_id), report, problem)


def _keep(session: Session, run: SelfTestRun, report: dict[str, Any] | None, problem: str) -> None:
    run.ended_at, run.report, run.problem = now(), report, problem
    session.flush()
    log.info("self_test_ended", sums=report["sums"] if report else None)
    kept = [one.id for one in list_runs(session)]
    session.execute(delete(SelfTestRun).where(SelfTestRun.id.not_in(kept)))
