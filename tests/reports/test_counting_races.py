"""Case 190 of security.md: two workers that count the same day of the report at one time."""

import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from service.db import make_sessions
from service.reports import transfers
from service.reports.models import ApiTransfer
from service.settings import Settings
from tests.conftest import MovableClock
from tests.factories import make_member
from tests.reports.days import go_to, read


def test_case_190_two_who_count_at_one_time_count_each_day_once(
    engine: Engine, session: Session, settings: Settings, clock: MovableClock
) -> None:
    member = make_member(session)
    session.commit()
    for day in (1, 2):
        go_to(clock, settings, "09:00", days=1)
        read(session, member.id, f"grant-{day}")
    go_to(clock, settings, "12:00", days=1)
    session.commit()
    zone, sessions = settings.plan.timezone, make_sessions(engine)

    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as slow:
            day = transfers._next_day(slow, zone)
            assert day is not None and transfers.count_day(slow, day, zone)
            other = pool.submit(transfers.count_finished_days, sessions, settings)
            _wait_until_kept_by(slow)
        assert other.result(30) == 1, "the day that the first had is not counted again, the next one is"

    counted = select(ApiTransfer.grant_id, ApiTransfer.events, ApiTransfer.sessions, ApiTransfer.resources)
    assert sorted(map(tuple, session.execute(counted))) == [("grant-1", 1, 1, 3), ("grant-2", 1, 1, 3)]
    session.commit()
    assert transfers.count_finished_days(sessions, settings) == 0


def _wait_until_kept_by(slow: Session) -> None:
    """Until somebody waits for this transaction. SQLite lets nobody begin beside it."""
    if slow.get_bind().dialect.name == "sqlite":
        return
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
    ends = time.monotonic() + 20
    while not slow.scalar(waiting):
        assert time.monotonic() < ends, "nobody waits"
        # What is told of others stands still in a transaction.
        slow.execute(text("SELECT pg_stat_clear_snapshot()"))
        time.sleep(0.01)
