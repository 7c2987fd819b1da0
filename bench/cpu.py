"""CPU time and memory of processes and all that they started, from /proc (Linux)."""

import os
from collections import defaultdict
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
# Fields after the name in /proc/<pid>/stat, counted from 0 (proc(5) counts the pid as 1).
_PARENT, _FIRST_TIME, _LAST_TIME = 1, 11, 14


def seconds_of(*roots: int) -> float:
    """CPU seconds used so far by these processes, their living descendants, and the dead ones they waited for."""
    times = _read_all()
    return sum(times[pid][1] for pid in _tree(roots, times)) / _TICK


def descendants(root: int) -> list[int]:
    """The living processes under `root`, itself not counted."""
    return [pid for pid in _tree([root], _read_all()) if pid != root]


def processes_named(name: str) -> list[int]:
    """The processes whose command has this name."""
    return [int(path.parent.name) for path in _stats() if _name_of(path) == name]


def resident_megabytes(pid: int) -> float:
    """Memory of the process that is in RAM now."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _read_all() -> dict[int, tuple[int, int]]:
    """By pid: its parent, and the ticks of itself and its dead children."""
    found = {}
    for path in _stats():
        text = _read(path)
        if text:
            fields = text.rpartition(")")[2].split()
            ticks = sum(map(int, fields[_FIRST_TIME : _LAST_TIME + 1]))
            found[int(path.parent.name)] = (int(fields[_PARENT]), ticks)
    return found


def _tree(roots: list[int] | tuple[int, ...], processes: dict[int, tuple[int, int]]) -> set[int]:
    children = defaultdict(list)
    for pid, (parent, _) in processes.items():
        children[parent].append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in processes]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children[pid])
    return found


def _stats() -> list[Path]:
    return list(Path("/proc").glob("[0-9]*/stat"))


def _name_of(path: Path) -> str:
    return _read(path).partition("(")[2].rpartition(")")[0]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
