"""Dates in the headers of requests that no calendar has: such a condition is to be ignored (RFC 9110 §13.1.3)."""

from typing import TYPE_CHECKING

from werkzeug.http import parse_date

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_DATED = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE")


def forget(environ: "WSGIEnvironment") -> None:
    """Take out of the request the dates that the library cannot read and does not say so of: it would be a fault."""
    for name in _DATED:
        if name in environ and _is_beyond_calendar(environ[name]):
            del environ[name]


def _is_beyond_calendar(dated: str) -> bool:
    try:
        parse_date(dated)
    except OverflowError:
        return True
    return False
