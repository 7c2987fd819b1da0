"""The clock: one source of time that a file shifts, in the sandbox and in tests only."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service import clock


@pytest.fixture(autouse=True)
def real_clock_afterwards() -> object:
    yield
    clock.obey(None)


def drift() -> timedelta:
    return clock.now() - datetime.now(UTC)


def test_time_is_aware_and_in_utc() -> None:
    assert clock.now().tzinfo is UTC


def test_a_file_shifts_time_as_soon_as_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock.obey(file)
    assert abs(drift()) < timedelta(seconds=1)
    for seconds in ("299.5", "-3600", "0"):
        file.write_text(seconds)
        assert abs(drift() - timedelta(seconds=float(seconds))) < timedelta(seconds=1)
    file.unlink()
    assert abs(drift()) < timedelta(seconds=1)
