"""Traces for OpenTelemetry, where OTLP_ENDPOINT is set: which step of a request took how long, and nothing about whom.

Its packages are an extra of their own (requirements-tracing.lock); what needs them is in `service.watching.spans`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Protocol

from flask import Flask

from service.environment import UnsafeSetting
from service.settings import Settings

_NOTHING: AbstractContextManager[Any] = nullcontext()


class Spans(Protocol):
    """What traces this process."""

    def step(self, name: str) -> AbstractContextManager[Any]:
        """A span within the one that runs."""

    def trace_id(self) -> str | None:
        """The trace that runs."""


_spans: Spans | None = None


def install(app: Flask, settings: Settings, request_id: Callable[[], str]) -> None:
    """Trace what `app` answers and send it to OTLP_ENDPOINT, if there is one; raises UnsafeSetting without packages."""
    if not settings.otlp_endpoint:
        return
    try:
        spans = import_module("service.watching.spans")
        provider = spans.sending_to(settings.otlp_endpoint, settings.trace_share)
    except ImportError:
        raise UnsafeSetting(
            "OTLP_ENDPOINT needs further packages: pip install --require-hashes --no-deps -r requirements-tracing.lock,"
            " or take OTLP_ENDPOINT away"
        ) from None
    begin(spans.trace(app, provider, request_id, trusts_callers=settings.trust_traceparent))


def begin(spans: Spans) -> None:
    """Trace this process by `spans` from now on."""
    global _spans
    _spans = spans


def stop() -> None:
    """Trace nothing further in this process."""
    global _spans
    _spans = None


def step(name: str) -> AbstractContextManager[Any]:
    """A part of a request as a span of its own; `name` is written in the code and says nothing of anybody."""
    return _NOTHING if _spans is None else _spans.step(name)


def trace_id() -> str | None:
    """The id of the trace that this runs in, as 32 hexadecimal digits."""
    return None if _spans is None else _spans.trace_id()
