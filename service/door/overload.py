"""Refusing early what this process cannot answer soon, before Flask, the database or a page sees it (decision 97).

The web server hands every request to a thread at once; most threads only wait here, or tell those who come too many
that they should come again. The probes never wait.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.test import EnvironBuilder

from service import web
from service.db import new_id
from service.door.admission import Lane, working_in
from service.door.error_pages import unavailable
from service.watching.metrics import EXTENSION, Counters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AT_ALL_TIMES = frozenset({"/health/live", "/health/ready", "/metrics"})
BODIES, LONG_BODIES = 16, 2
"""How many bodies may be on their way in at once: of what is read before a place is taken, and of longer ones."""
READ_AHEAD = 64 * 1024
RETRY_AFTER = 2
SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that computes lets another one on; Python's 5 ms are fifty refusals long."""
_HEAVY = "latchstring.heavy"
_PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
_AREAS = {"fhir": "fhir", "directory": "directory", "plan": "plan"}
"""Areas of what is counted, by the first part of the path; what else has errors of its own is OAuth's."""
_DOCUMENTS = ("pdf", "record.json")
QUESTIONS, QUESTIONS_WAITING = 2, 32
"""How many preflights may be answered at once, and wait: they ask no database, and take no place from anybody."""
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})

IsHeavy = Callable[[str], bool]
"""Whether a request for this path, below the prefix it is registered for, is heavy."""


def heavy_under(app: Flask, prefix: str, is_heavy: IsHeavy) -> None:
    """Let requests under `prefix` for which `is_heavy` says so never take every place."""
    app.extensions.setdefault(_HEAVY, {})[prefix] = is_heavy


def install(app: web.LatchstringFlask) -> None:
    """Stand before the whole application; last of what is installed, so that nothing stands before it."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    app.wsgi_app = Door(app, app.wsgi_app)  # type: ignore[method-assign]


class Door:
    """The application, with so many at once inside, so many waiting outside, and a word for the rest."""

    def __init__(self, app: web.LatchstringFlask, inside: "WSGIApplication") -> None:
        settings = app.extensions["latchstring"].settings
        at_once, waiting = settings.requests_at_once, settings.requests_waiting
        self._app, self._inside = app, inside
        self._heavy: dict[str, IsHeavy] = app.extensions.get(_HEAVY, {})
        self._places = Lane(at_once, waiting)
        # One place less than there are: what is light always gets through.
        self._heavy_places = Lane(max(1, at_once - 1), waiting)
        self._questions = Lane(QUESTIONS, QUESTIONS_WAITING)
        self._bodies, self._long_bodies = Lane(BODIES, 0), Lane(LONG_BODIES, LONG_BODIES)
        self._words = Words(app)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path in AT_ALL_TIMES:
            return self._inside(environ, start_response)
        length: str = environ.get("CONTENT_LENGTH", "")
        if environ["REQUEST_METHOD"] == "OPTIONS" and not length and web.renderer_prefix(self._app, path):
            # A browser tells its app nothing of a preflight that is refused, not even when to come again.
            return self._answer_in(self._questions, environ, start_response)
        if not length and not self._is_heavy(path):
            # Most requests: without a body, and light.
            return self._answer_in(self._places, environ, start_response)
        return self._answer_in_turn(path, length, environ, start_response)

    def _answer_in(
        self, lane: Lane, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:  # fmt: skip
        if not lane.enter():
            return self._words.tell(environ, start_response)
        with working_in(lane):
            return self._inside(environ, start_response)

    def _answer_in_turn(
        self, path: str, length: str, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        with ExitStack() as held:
            long = length.isdecimal() and int(length) > READ_AHEAD
            if length and not long and not self._read_ahead(environ, length):
                return self._words.tell(environ, start_response)
            lanes = [self._long_bodies] if long else []
            lanes += [self._heavy_places] if self._is_heavy(path) else []
            for lane in lanes:
                if not lane.enter():
                    return self._words.tell(environ, start_response)
                held.callback(lane.leave)
            if not self._places.enter():
                return self._words.tell(environ, start_response)
            held.enter_context(working_in(self._places))
            return self._inside(environ, start_response)

    def _read_ahead(self, environ: "WSGIEnvironment", length: str) -> bool:
        """Wait for the whole body without holding a place: whoever sends slowly keeps nobody waiting."""
        if not length.isdecimal() or length == "0":
            return True
        if not self._bodies.enter():
            return False
        try:
            environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(length)))
        finally:
            self._bodies.leave()
        return True

    def _is_heavy(self, path: str) -> bool:
        if path.endswith(_DOCUMENTS):
            return True
        for prefix, is_heavy in self._heavy.items():
            if path.startswith(prefix):
                return is_heavy(path[len(prefix) :])
        return False


class Words:
    """How those are told who come too many: as the application would, made once for each kind of answer."""

    def __init__(self, app: web.LatchstringFlask) -> None:
        self._app = app
        self._making = Lock()
        self._kept: dict[tuple[str, str, str], tuple[str, list[tuple[str, str]], bytes]] = {}

    def tell(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """503 with Retry-After: an OperationOutcome, OAuth's JSON, or a page in the person's language."""
        place = web.renderer_prefix(self._app, environ["PATH_INFO"])
        self._count(place)
        # A method may be any word, and each kind is kept: those that nobody answers are told as GET is.
        method = environ["REQUEST_METHOD"] if place and environ["REQUEST_METHOD"] in _METHODS else "GET"
        kind = (place, "" if place else _language(environ), method)
        status, headers, body = self._kept.get(kind) or self._made(kind)
        own = environ.get("HTTP_X_REQUEST_ID", "")
        reference = own if web.REQUEST_ID.fullmatch(own) else new_id()
        body = body.replace(_PLACEHOLDER.encode(), reference.encode())
        told = [*headers, ("X-Request-Id", reference), ("Content-Length", str(len(body)))]
        start_response(status, told)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _count(self, place: str) -> None:
        counters: Counters | None = self._app.extensions.get(EXTENSION)
        if counters is not None:
            with suppress(OSError):
                counters.count(_AREAS.get(place.split("/", 2)[1], "oauth") if place else "pages", 503, 0.0)

    def _made(self, kind: tuple[str, str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        # A crowd comes at once: one of them makes the words, or all would be in the application together.
        with self._making:
            return self._kept.get(kind) or self._make(kind)

    def _make(self, kind: tuple[str, str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        place, language, method = kind
        headers = [("X-Request-Id", _PLACEHOLDER), ("Accept-Language", language or "en")]
        # Nothing of whoever happens to come first may be kept for the others: this request is nobody's.
        base_url = web.held_by(self._app).settings.base_url
        made = EnvironBuilder(place or "/", base_url=base_url, method=method, headers=headers)
        # Nor does it pass what stands before a view: no span, whose trace all of them would be told, and no count.
        with self._app.request_context(made.get_environ()):
            answer = self._app.process_response(unavailable(RETRY_AFTER))
        left_out = {"x-request-id", "content-length", "set-cookie"}
        kept = [(name, value) for name, value in answer.headers if name.lower() not in left_out]
        found = self._kept[kind] = (answer.status, kept, answer.get_data())
        return found


def _language(environ: "WSGIEnvironment") -> str:
    """Spanish where the page, the browser's choice or the browser itself asks for it first; nobody is looked up."""
    if (asked := environ.get("QUERY_STRING", "")) and "lang=es" in asked:
        return "es"
    if "lang=" in (chosen := environ.get("HTTP_COOKIE", "")):
        return "es" if "lang=es" in chosen else "en"
    return "es" if environ.get("HTTP_ACCEPT_LANGUAGE", "")[:2].lower() == "es" else "en"
