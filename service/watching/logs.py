"""Structured logs: one JSON line an event, without values that could be health data or secrets.

Nothing is written that is not known to be harmless. A field has to stand in `FIELDS`; of others the name alone is
written. A traceback names files, lines and functions only: the exception's own text is left out, since drivers and
libraries put parameters into theirs (security.md 174); so are local variables. Of what libraries log it is told where
they did, not what they said.
"""

import json
import logging
import re
import resource
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from service.watching import tracing

FIELDS = frozenset({
    "client", "count", "decision", "endpoint", "event", "export", "fields", "folder", "hash", "job", "kind",
    "known_account", "lasting", "level", "library", "limits", "login", "mail", "meaning", "mend", "next_in_seconds",
    "norm", "position", "problem", "reason", "reference", "request_id", "setting", "sums", "template", "timestamp",
    "trace", "trace_id", "where",
})  # fmt: skip
"""What may be written: ids, numbers, names of ours. Whoever adds one makes sure that nobody can put words into it."""
WITHHELD = "[withheld]"
_EVENT = re.compile(r"[a-z0-9_ ]{1,60}")
_LONGEST = 300


def configure(level: int = logging.INFO) -> None:
    """Send every log line of the product, and of its libraries, through one JSON writer to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where_it_happened,
            _in_which_trace,
            _withhold,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Authlib prints whole tokens at DEBUG, and SQLAlchemy parameters at INFO.
    for name, least in (("authlib", logging.WARNING), ("sqlalchemy", logging.WARNING), ("flask_wtf", logging.WARNING)):
        logging.getLogger(name).setLevel(least)
    root = logging.getLogger()
    if not any(isinstance(handler, _OfLibraries) for handler in root.handlers):
        root.addHandler(_OfLibraries(logging.WARNING))


def guard_crashes() -> None:
    """Write what ends a process or a thread as other faults are written, and let no core file keep its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    sys.excepthook = _crashed
    threading.excepthook = lambda given: _crashed(given.exc_type, given.exc_value, given.exc_traceback)


class _OfLibraries(logging.Handler):
    """Writes that a library logged something, and where it did: its words may hold what it worked on."""

    def emit(self, record: logging.LogRecord) -> None:
        told: dict[str, Any] = {
            "event": "library_log", "level": record.levelname.lower(), "library": record.name,
            "where": f"{record.filename}:{record.lineno} {record.funcName}",
        }  # fmt: skip
        if record.exc_info and record.exc_info[0]:
            told["problem"] = record.exc_info[0].__name__
        sys.stderr.write(json.dumps(told) + "\n")


def _crashed(kind: type[BaseException], problem: BaseException | None, _trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    structlog.get_logger("service.watching.logs").error("process_crashed", problem=kind.__name__, exc_info=problem)


def _where_it_happened(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event["trace"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def _in_which_trace(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    traced = tracing.trace_id()
    if traced:
        event["trace_id"] = traced
    return event


def _withhold(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    kept = {name: value if name in FIELDS and _is_short(value) else WITHHELD for name, value in event.items()}
    if not _EVENT.fullmatch(str(event.get("event", ""))):
        kept["event"] = WITHHELD
    # Names of fields are written in the code, unless somebody unpacks what was given into a call.
    return {name if _EVENT.fullmatch(name) else WITHHELD: value for name, value in kept.items()}


def _is_short(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_short(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_short(one) for one in value)
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST)
