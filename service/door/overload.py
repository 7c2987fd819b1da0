"""Refusing early what this process cannot answer soon, before Flask, the database or a page sees it (decision 97).

The web server hands every request to a thread at once; most threads only wait here, or tell those who come too many
that they should come again. The probes never wait.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask, g
from werkzeug.test import EnvironBuilder

from service import web
from service.db import new_id
from service.door.admission import Lane, Room, working_in
from service.door.error_pages import unavailable
from service.plan_file import Plan
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
MOST_IN_PIECES = 16 * 1024 * 1024
"""What is read of a body that comes in pieces, at least: as much as anything takes, so that more is too much."""
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
        room = Room(settings.requests_at_once, settings.requests_waiting)
        self._app, self._inside = app, inside
        self._heavy: dict[str, IsHeavy] = app.extensions.get(_HEAVY, {})
        self._places = Lane(room, room.in_a_crowd())
        # One place less than there are: what is light always gets through. A crowd of these is none for the others.
        self._heavy_places = Lane(room.less_one(), room.in_a_crowd().less_one(), before=self._places)
        self._questions = Lane(Room(QUESTIONS, QUESTIONS_WAITING))
        self._bodies, self._long_bodies = Lane(Room(BODIES, 0)), Lane(Room(LONG_BODIES, LONG_BODIES))
        self._words = Words(app)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = _path_of(environ)
        if path in AT_ALL_TIMES:
            return self._inside(environ, start_response)
        length: str = environ.get("CONTENT_LENGTH", "")
        # A body in pieces, nobody knows how many (RFC 9112 §7.1).
        in_pieces = not length and "HTTP_TRANSFER_ENCODING" in environ
        if (
            environ["REQUEST_METHOD"] == "OPTIONS"
            and not length
            and not in_pieces
            and web.renderer_prefix(self._app, path)
        ):
            # A browser tells its app nothing of a preflight that is refused, not even when to come again.
            return self._answer_in(self._questions, environ, start_response)
        long = length.isdecimal() and int(length) > READ_AHEAD
        if length and not long and not self._read_ahead(environ, length):
            return self._words.tell(environ, start_response)
        if not long and not in_pieces and not self._is_heavy(path):
            # Most requests: light, and with a small body or none.
            return self._answer_in(self._places, environ, start_response)
        return self._answer_in_turn(path, environ, start_response, long=long, in_pieces=in_pieces)

    def _answer_in(
        self, lane: Lane, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:  # fmt: skip
        if not lane.enter():
            return self._words.tell(environ, start_response)
        with working_in(lane):
            return self._inside(environ, start_response)

    def _answer_in_turn(
        self, path: str, environ: "WSGIEnvironment", start_response: "StartResponse", *, long: bool, in_pieces: bool
    ) -> Iterable[bytes]:
        with ExitStack() as held:
            if in_pieces and not self._gather(environ, held):
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

    def _gather(self, environ: "WSGIEnvironment", held: ExitStack) -> bool:
        """The same for a body in pieces, which has its length from then on; a long one is held among those.

        Flask would take of one that is too long what it may have, and drop the rest without a word.
        """
        sent = environ["wsgi.input"]
        if not self._bodies.enter():
            return False
        try:
            read = sent.read(READ_AHEAD + 1)
        finally:
            self._bodies.leave()
        if len(read) > READ_AHEAD:
            if not self._long_bodies.enter():
                return False
            held.callback(self._long_bodies.leave)
            read += sent.read(MOST_IN_PIECES)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(read), str(len(read))
        del environ["HTTP_TRANSFER_ENCODING"]
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
        self._kept: dict[tuple[str, str, str], _Kept] = {}

    def tell(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """503 with Retry-After: an OperationOutcome, OAuth's JSON, or a page in the person's language."""
        place = web.renderer_prefix(self._app, _path_of(environ))
        self._count(place)
        # A method may be any word, and each kind is kept: those that nobody answers are told as GET is.
        method = environ["REQUEST_METHOD"] if place and environ["REQUEST_METHOD"] in _METHODS else "GET"
        kind = (place, "" if place else _language(environ), method)
        kept = self._kept.get(kind)
        if kept is None or kept.plan is not web.held_by(self._app).edited_plan.last_known:
            kept = self._made(kind)
        status, headers, body = kept.status, kept.headers, kept.body
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

    def _made(self, kind: tuple[str, str, str]) -> "_Kept":
        # A crowd comes at once: one of them makes the words, or all would be in the application together.
        with self._making:
            plan = web.held_by(self._app).edited_plan.last_known
            kept = self._kept.get(kind)
            if kept is None or kept.plan is not plan:
                kept = self._kept[kind] = self._make(kind, plan)
            return kept

    def _make(self, kind: tuple[str, str, str], plan: Plan) -> "_Kept":
        place, language, method = kind
        # A language that was chosen: of who only prefers one, the account is asked for another.
        headers = [("X-Request-Id", _PLACEHOLDER), ("Cookie", f"lang={language or 'en'}")]
        # Nothing of whoever happens to come first may be kept for the others: this request is nobody's.
        base_url = web.held_by(self._app).settings.base_url
        made = EnvironBuilder(place or "/", base_url=base_url, method=method, headers=headers)
        # Nor does it pass what stands before a view: no span, whose trace all of them would be told, and no count.
        with self._app.request_context(made.get_environ()):
            # As the last page had it: asking the database, it would wait among those whom it has too many of.
            g.plan = plan
            answer = self._app.process_response(unavailable(RETRY_AFTER))
        left_out = {"x-request-id", "content-length", "set-cookie"}
        kept = [(name, value) for name, value in answer.headers if name.lower() not in left_out]
        return _Kept(answer.status, kept, answer.get_data(), plan)


@dataclass(frozen=True, slots=True)
class _Kept:
    status: str
    headers: list[tuple[str, str]]
    body: bytes
    plan: Plan
    """What the plan said of itself then: changed since, the words are made anew."""


def _path_of(environ: "WSGIEnvironment") -> str:
    """The path as the application routes it: with one slash before it, however many there are."""
    path: str = environ["PATH_INFO"]
    return path if path[1:2] != "/" and path[:1] == "/" else f"/{path.lstrip('/')}"


def _language(environ: "WSGIEnvironment") -> str:
    """Spanish where the page, the browser's choice or the browser itself asks for it first; nobody is looked up."""
    if (asked := environ.get("QUERY_STRING", "")) and "lang=es" in asked:
        return "es"
    if "lang=" in (chosen := environ.get("HTTP_COOKIE", "")):
        return "es" if "lang=es" in chosen else "en"
    return "es" if environ.get("HTTP_ACCEPT_LANGUAGE", "")[:2].lower() == "es" else "en"
