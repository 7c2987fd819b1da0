"""Keeps a few programs running: starts them, starts again what dies, and ends all of them together."""

import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import FrameType

_TICK = 0.1
_PATIENCE = 10.0
"""Seconds a program has to end by itself; also the life after which a death counts as the first again."""
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Program:
    """A program to keep running: the name people read, and its command line."""

    name: str
    command: tuple[str, ...]


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0


@dataclass
class Supervisor:
    """Runs programs in `folder` with `environment`; `say` gets a sentence whenever one dies."""

    folder: Path
    environment: Mapping[str, str]
    say: Callable[[str], None]
    _children: list[_Child] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self, *programs: Program) -> None:
        """Start these programs and keep them running from now on."""
        for program in programs:
            child = _Child(program)
            self._children.append(child)
            self._launch(child)

    def watch(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Restart what dies until `until` says yes or a stop is asked for; whether to go on."""
        while not self._stop.is_set():
            for child in self._children:
                self._tend(child)
            if until():
                return True
            self._stop.wait(_TICK)
        return False

    def stop(self) -> None:
        """End every program: asked first, killed after ten seconds."""
        self._stop.set()
        running = [child.process for child in self._children if child.process and child.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = monotonic() + _PATIENCE
        for process in running:
            try:
                process.wait(max(0.1, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def obey_signals(self, stack: ExitStack) -> None:
        """Stop on SIGTERM and SIGINT until `stack` closes."""
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, self._asked_to_stop))

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _launch(self, child: _Child) -> None:
        # A session of its own: Ctrl-C reaches the supervisor alone, which then ends the others in order.
        child.process = subprocess.Popen(  # noqa: S603 (the commands are ours)
            child.program.command, cwd=self.folder, env=dict(self.environment), start_new_session=True
        )
        child.started = monotonic()

    def _tend(self, child: _Child) -> None:
        if child.process is None:
            if monotonic() >= child.due:
                self._launch(child)
            return
        status = child.process.poll()
        if status is None:
            return
        child.deaths = 1 if monotonic() - child.started > _PATIENCE else child.deaths + 1
        pause = min(_LONGEST_PAUSE, 0.5 * 2 ** (child.deaths - 1))
        child.process, child.due = None, monotonic() + pause
        self.say(f"{child.program.name} ended with status {status}; it starts again in {pause:g} s.")
