"""Requests sent at moments that were settled before, whether or not earlier ones were answered (an open loop).

How long an answer took is counted from the moment at which its request should have left: a server that stands still
makes everybody wait who comes meanwhile, and a generator that waits with it would not notice.
"""

import asyncio
import gc
import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter

from bench import waits
from bench.load import Work

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_WAITS = re.compile(rb"\r\n" + waits.HEADER.encode() + rb":[ \t]*([^\r]+)", re.IGNORECASE)
PATIENCE = 10.0
_BEFORE_OTHERS = -10
NO_ANSWER = 0
"""The status of what was not answered within `PATIENCE` seconds, or whose connection broke."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request, which share of all it has, and the statuses that are right answers to it."""

    name: str
    work: Work
    share: float
    right: frozenset[int] = frozenset({200, 303})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request: when it should have left, and how long after that its answer was there."""

    kind: str
    at: float
    seconds: float
    status: int
    right: bool
    says_when: bool
    """Whether it came with Retry-After."""
    late: float
    """How long after its moment it really left: the generator's own delay."""
    waits: Mapping[str, float]
    """Seconds that the server says it waited, by place (bench.waits)."""


@contextmanager
def ahead_of_the_server() -> Iterator[None]:
    """This thread stands for the machines of others, which no flood slows down.

    It has a core before the server has one, where the system allows that, and looks for no garbage meanwhile.
    """
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _BEFORE_OTHERS)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        os.setpriority(os.PRIO_PROCESS, 0, usual)


@dataclass
class Generator:
    """Sends to the server on `port`; connections are kept and reused, and opened where all are in use."""

    port: int
    kinds: Sequence[Kind]
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    _idle: list["_Connection"] = field(default_factory=list)

    async def run(self, a_second: float, seconds: float) -> list[Answer]:
        """The answers to requests that come by chance, so many a second on average (a Poisson process)."""
        loop, sent, answers = asyncio.get_running_loop(), [], []
        moment = begin = perf_counter()
        while (moment := moment + self.chance.expovariate(a_second)) < begin + seconds:
            if (wait := moment - perf_counter()) > 0:
                await asyncio.sleep(wait)
            kind = self.chance.choices(self.kinds, [kind.share for kind in self.kinds])[0]
            sent.append(loop.create_task(self._send(kind, moment, begin)))
        answers += await asyncio.gather(*sent)
        return answers

    async def closed(self, connections: int, seconds: float) -> float:
        """Answers a second where each of so many callers waits for its answer before it asks again."""
        begin, counted = perf_counter(), 0

        async def ask() -> None:
            nonlocal counted
            while perf_counter() < begin + seconds:
                kind = self.chance.choices(self.kinds, [kind.share for kind in self.kinds])[0]
                answer = await self._send(kind, perf_counter(), begin)
                counted += answer.right

        await asyncio.gather(*(ask() for _ in range(connections)))
        return counted / (perf_counter() - begin)

    async def watch(self, path: str, until: asyncio.Event) -> list[float]:
        """How long a probe of `path` took, each time on a connection of its own; infinite where it failed."""
        took = []
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        while not until.is_set():
            began = perf_counter()
            try:
                connection = await _Connection.open(self.port)
                head = await asyncio.wait_for(connection.ask(request), PATIENCE)
                took.append(perf_counter() - began if head[9:12] == b"200" else float("inf"))
                connection.close()
            except (OSError, TimeoutError):
                took.append(float("inf"))
            await asyncio.sleep(0.1)
        return took

    async def _send(self, kind: Kind, moment: float, begin: float) -> Answer:
        late, head = perf_counter() - moment, b""
        try:
            connection = self._idle.pop() if self._idle else await _Connection.open(self.port)
            try:
                head = await asyncio.wait_for(connection.ask(kind.work.next_request(0)), PATIENCE)
                self._idle.append(connection)
            except TimeoutError:
                connection.close()
        except OSError:
            pass
        status = int(head[9:12]) if head else NO_ANSWER
        took = perf_counter() - moment
        return Answer(
            kind.name, moment - begin, took, status, status in kind.right, b"\r\nretry-after:" in head.lower(), late,
            waits.parsed(found[1].decode()) if (found := _WAITS.search(head)) else {},
        )  # fmt: skip


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._received, self._wanted = bytearray(), 0
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> "_Connection":
        _, made = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, request: bytes) -> bytes:
        """Send it; the head of the answer, once all of it is there."""
        assert self._transport
        if self._transport.is_closing():
            raise ConnectionError
        self._received.clear()
        self._wanted = 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end + 2)
            self._wanted = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) >= self._wanted and self._answer and not self._answer.done():
            head = self._received.partition(b"\r\n\r\n")[0]
            self._answer.set_result(bytes(head) + b"\r\n")

    def connection_lost(self, _problem: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError())

    def close(self) -> None:
        """Close it."""
        if self._transport:
            self._transport.close()
