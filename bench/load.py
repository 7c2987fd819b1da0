"""A small load generator: keep-alive connections, one request each in flight, raw HTTP/1.1 over the loopback."""

import re
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_SILENCE = 20.0
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its status, its raw head and its body."""

    status: int
    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Work:
    """What one kind of request is: the bytes to send on connection `slot`, and what to make of the answer."""

    next_request: Callable[[int], bytes]
    take: Callable[[int, Reply], None]


class WrongAnswer(Exception):
    """The server did not answer as it should: the figures would mean nothing."""


class _Connection:
    def __init__(self, port: int, slot: int) -> None:
        self.slot = slot
        self._port = port
        self._received = bytearray()
        self._wanted = 0
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self._port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def renew_if_closed(self) -> None:
        """Connect anew where the server ended an idle connection, as granian does after 30 s without a request."""
        try:
            closed = self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return
        if closed:
            self.socket.close()
            self.socket = self._connect()

    def send(self, request: bytes) -> None:
        self._received.clear()
        self._wanted = 0
        self.socket.sendall(request)

    def receive(self) -> Reply | None:
        chunk = self.socket.recv(_CHUNK)
        if not chunk:
            raise WrongAnswer("the server closed a connection")
        self._received += chunk
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _LENGTH.search(self._received, 0, end + 2)
            if length is None:
                raise WrongAnswer("an answer without Content-Length")
            self._wanted = end + 4 + int(length[1])
        if len(self._received) < self._wanted:
            return None
        head, _, body = bytes(self._received).partition(b"\r\n\r\n")
        return Reply(int(head[9:12]), head, body)


class Load:
    """Connections to the server on `port` that stay open from case to case."""

    def __init__(self, port: int, connections: int) -> None:
        self._connections = [_Connection(port, slot) for slot in range(connections)]

    def run(self, work: Work, seconds: float, connections: int) -> tuple[int, float]:
        """Keep so many connections busy for `seconds`, wait for the last answers; requests answered, time it took."""
        busy, answered = self._connections[:connections], 0
        for connection in busy:
            connection.renew_if_closed()
        begin = perf_counter()
        end = begin + seconds
        with _selecting(busy) as selector:
            for connection in busy:
                connection.send(work.next_request(connection.slot))
            in_flight = len(busy)
            while in_flight:
                ready = selector.select(_SILENCE)
                if not ready:
                    raise WrongAnswer(f"no answer within {_SILENCE:g} s")
                for key, _ in ready:
                    reply = key.data.receive()
                    if reply is None:
                        continue
                    work.take(key.data.slot, reply)
                    answered += 1
                    if perf_counter() < end:
                        key.data.send(work.next_request(key.data.slot))
                    else:
                        in_flight -= 1
        return answered, perf_counter() - begin

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.socket.close()


@contextmanager
def _selecting(connections: list[_Connection]) -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        yield selector
