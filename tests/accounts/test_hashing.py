"""The thread that hashes: one after the other, told of faults, and lean while nobody signs in."""

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError

import pytest

from service.accounts.hashing import HashingThread


def test_work_is_done_one_after_the_other_in_one_thread() -> None:
    hashing, at_work, seen = HashingThread(), threading.Lock(), set()

    def work() -> bool:
        seen.add(threading.get_ident())
        alone = at_work.acquire(blocking=False)
        time.sleep(0.01)
        at_work.release()
        return alone

    assert all(one.result(5) for one in [hashing.submit(work) for _ in range(8)])
    assert len(seen) == 1 and threading.get_ident() not in seen


def test_a_fault_is_told_to_who_waits_and_the_next_one_is_served() -> None:
    hashing = HashingThread()

    with pytest.raises(ZeroDivisionError):
        hashing.submit(lambda: 1 // 0).result(5)
    assert hashing.submit(lambda: "served").result(5) == "served"


def test_what_was_cancelled_is_not_begun() -> None:
    hashing, held, begun = HashingThread(), threading.Event(), []
    first = hashing.submit(lambda: held.wait(5))
    second = hashing.submit(lambda: begun.append(True))

    assert second.cancel()
    held.set()
    first.result(5)
    hashing.submit(lambda: None).result(5)

    assert begun == []
    with pytest.raises(CancelledError):
        second.result(0)


_MEMORY = """
import time
from pathlib import Path
from argon2 import PasswordHasher
from service.accounts.hashing import HashingThread

def resident():
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

hasher, hashing = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1), HashingThread(0.5)
for _ in range(4):
    # The first ones raise what the C library keeps for itself: from then on it stays.
    for _ in range(3):
        hashing.submit(lambda: hasher.hash("Harbor-lights-42!")).result(30)
    held, deadline = resident(), time.monotonic() + 10
    while resident() > held - 15 * 1024 and time.monotonic() < deadline:
        time.sleep(0.1)
    print(held - resident())
"""


def test_the_memory_of_a_hash_goes_back_when_nobody_signs_in() -> None:
    # A process of its own: in this one other tests' memory comes and goes.
    found = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True, timeout=120)
    kilobytes = [int(line) for line in found.stdout.split()]

    assert len(kilobytes) == 4 and all(one >= 15 * 1024 for one in kilobytes), kilobytes
