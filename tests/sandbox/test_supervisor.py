"""The supervisor keeps programs running, and leaves none behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sandbox.supervisor import Program, Supervisor
from tests.conftest import ROOT, wait_until

_NOTE_PID = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
_KEEP_ONE = """
import sys
from contextlib import ExitStack
from pathlib import Path
from service.sandbox.supervisor import Program, Supervisor

supervisor = Supervisor(Path("."), {}, print)
with ExitStack() as stack:
    supervisor.obey_signals(stack)
    stack.callback(supervisor.stop)
    supervisor.start(Program("A sleeper", (sys.executable, "-c", sys.argv[2], sys.argv[1])))
    supervisor.watch()
print("stopped")
"""


def _pid(path: Path) -> int | None:
    text = path.read_text() if path.exists() else ""
    return int(text) if text else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sleeper(tmp_path: Path) -> Program:
    return Program("The sleeper", (sys.executable, "-c", _NOTE_PID, str(tmp_path / "pid")))


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, {}, said.append)
    yield made
    made.stop()


def test_a_program_that_dies_is_started_again_and_people_are_told(
    supervisor: Supervisor, sleeper: Program, tmp_path: Path, said: list[str]
) -> None:
    note = tmp_path / "pid"
    supervisor.start(sleeper)
    supervisor.watch(until=lambda: _pid(note) is not None)
    first = _pid(note)
    assert first

    os.kill(first, signal.SIGKILL)
    supervisor.watch(until=lambda: _pid(note) not in {None, first})

    assert said == ["The sleeper ended with status -9; it starts again in 0.5 s."]


def test_a_program_that_cannot_start_is_tried_ever_more_slowly(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(Program("The broken one", (sys.executable, "-c", "exit(3)")))

    supervisor.watch(until=lambda: len(said) == 2)

    assert [words.rsplit(" ", 2)[1] for words in said] == ["0.5", "1"]


def test_stopping_ends_every_program(supervisor: Supervisor, sleeper: Program, tmp_path: Path) -> None:
    supervisor.start(sleeper)
    supervisor.watch(until=lambda: _pid(tmp_path / "pid") is not None)
    pid = _pid(tmp_path / "pid")
    assert pid

    supervisor.stop()

    assert not _lives(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_supervisor_ends_its_programs(tmp_path: Path, number: int) -> None:
    note = tmp_path / "pid"
    keeper = subprocess.Popen(
        [sys.executable, "-c", _KEEP_ONE, str(note), _NOTE_PID], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: _pid(note) is not None, 20, "the program did not start")
    pid = _pid(note)
    assert pid

    keeper.send_signal(number)
    told, _ = keeper.communicate(timeout=20)

    assert keeper.returncode == 0
    assert told == "stopped\n"
    assert not _lives(pid)
