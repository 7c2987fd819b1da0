"""Structured logs: one JSON line an event, without values that could be health data or secrets.

A traceback names files, lines and functions only. The exception's own text is left out, since drivers and libraries put
parameters into theirs (security.md 174); so are local variables.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure(level: int = logging.INFO) -> None:
    """Send every log line of the product, and of its libraries, through one JSON writer to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where_it_happened,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Authlib prints whole tokens at DEBUG, and SQLAlchemy parameters at INFO.
    for name, least in (("authlib", logging.WARNING), ("sqlalchemy", logging.WARNING), ("flask_wtf", logging.WARNING)):
        logging.getLogger(name).setLevel(least)


def _where_it_happened(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event["trace"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event
