"""A proxy on the loopback interface that passes everything on, but for one thing it does wrong."""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import orjson

from service.settings import Settings
from tests.conftest import LiveServer

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})


@dataclass(frozen=True)
class Call:
    """A request on its way in; a misdeed may give another one."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The first value of each field of a form."""
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass(frozen=True)
class Reply:
    """An answer on its way out; a misdeed may give another one."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of this name, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def without(self, *names: str) -> "Reply":
        """The answer without these headers."""
        gone = {name.lower() for name in names}
        return replace(self, headers=[(key, value) for key, value in self.headers if key.lower() not in gone])

    def with_header(self, name: str, value: str) -> "Reply":
        """The answer with this header, and no other of its name."""
        kept = self.without(name)
        return replace(kept, headers=[*kept.headers, (name, value)])

    def with_json(self, change: Callable[[dict[str, Any]], None]) -> "Reply":
        """The answer with its JSON body changed in place."""
        content = orjson.loads(self.body)
        change(content)
        return replace(self.without("ETag"), body=orjson.dumps(content))


Send = Callable[[Call], Reply]
Misdeed = Callable[[Call, Send], Reply]
"""What the proxy does instead of passing a call on; `send` passes one on."""


@dataclass
class Proxy:
    """Listens on `port` and speaks for `server`; `misdeed` may be changed between runs."""

    port: int
    server: LiveServer
    settings: Settings
    misdeed: Misdeed | None = None
    _listening: ThreadingHTTPServer = field(init=False)

    def __enter__(self) -> "Proxy":
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body leave as two packets: the second would wait 40 ms for the client to confirm the first.
            disable_nagle_algorithm = True

            def answer(self) -> None:
                """Pass a request on, or misbehave."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                call = Call(self.command, self.path, headers, body)
                reply = proxy.misdeed(call, proxy.send) if proxy.misdeed else proxy.send(call)
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body if self.command != "HEAD" else b"")

            do_GET = do_POST = do_HEAD = do_OPTIONS = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                """Nothing: tests are quiet."""

        self._listening = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._listening.daemon_threads = True
        threading.Thread(target=self._listening.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown()
        self._listening.server_close()

    def send(self, call: Call) -> Reply:
        """Pass a call on to the server itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            connection.request(call.method, call.path, call.body or None, call.headers)
            answer = connection.getresponse()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()
