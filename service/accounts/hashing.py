"""The one thread of a process that hashes passwords, and gives the memory of it back when nobody signs in.

One at a time, of which a server runs one a core: sign-ins must not starve the reads of everybody else. Always the same
thread, since every thread that hashes keeps its 19 MiB.
"""

import ctypes
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

OF_ONE_HASH = 19 * 1024 * 1024
"""Bytes that one hash needs, and leaves."""
QUIET_SECONDS = 2.0
"""After so long without a hash its memory goes back: drawn anew for each, it would add a fifth to a hash."""
_FENCE = 64 * 1024
_Job = tuple[Future[Any], Callable[[], Any]]


class HashingThread:
    """Does what it is given, one after the other, in a thread that begins with the first of them."""

    def __init__(self, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._quiet_seconds = quiet_seconds
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._beginning = Lock()
        self._thread: Thread | None = None

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """What `work` will give; cancelled, it is not begun."""
        future: Future[Any] = Future()
        self._jobs.put((future, work))
        with self._beginning:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="argon2", daemon=True)
                self._thread.start()
        return future

    def _run(self) -> None:
        holds_memory = False
        while True:
            try:
                job = self._jobs.get(timeout=self._quiet_seconds if holds_memory else None)
            except Empty:
                give_memory_back()
                holds_memory = False
                continue
            _do(*job)
            holds_memory = True
            # Held until the next one comes, it would keep what was hashed in memory.
            del job


def give_memory_back() -> None:
    """Return what this thread's hashes left, and other free memory, to the system, where the C library can (glibc)."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes, library.free.argtypes = (ctypes.c_size_t,), (ctypes.c_void_p,)
    # What is free at the end of a thread's memory is never returned: something has to stand behind it meanwhile, too
    # large for a thread's cache of small pieces, which would put it anywhere.
    left, fence = library.malloc(OF_ONE_HASH), library.malloc(_FENCE)
    library.free(left)
    library.malloc_trim(0)
    library.free(fence)


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as problem:  # noqa: BLE001 (whoever waits is told, whatever it is)
        future.set_exception(problem)
