"""Spans of OpenTelemetry, with names of ours and the attributes of `ATTRIBUTES`: there is no way to give them others.

Exceptions are not recorded, since their texts hold what was worked on. What a caller says of its own trace
(traceparent) is believed only where TRUST_TRACEPARENT says so. Imported by `service.watching.tracing` alone,
when it is needed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

from flask import Flask, Response, g
from flask.globals import request_ctx
from opentelemetry import context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ATTRIBUTES = frozenset({"http.request.method", "http.route", "http.response.status_code", "latchstring.request_id"})
"""All that a span may say: the method, the name of our own view, the status, the id by which the audit finds it."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROPAGATOR = TraceContextTextMapPropagator()
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class Spans:
    """The spans of one application."""

    def __init__(self, tracer: Tracer, request_id: Callable[[], str], *, trusts_callers: bool) -> None:
        self._tracer, self._request_id, self._trusts_callers = tracer, request_id, trusts_callers

    def step(self, name: str) -> AbstractContextManager[Any]:
        """A span within the one that runs."""
        return self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)

    def trace_id(self) -> str | None:
        """The trace that runs, as 32 hexadecimal digits."""
        found = get_current_span().get_span_context()
        return f"{found.trace_id:032x}" if found.is_valid else None

    def begin(self) -> None:
        """The span of a request begins."""
        given = request_ctx.request
        told = {name: given.headers[name] for name in ("traceparent", "tracestate") if name in given.headers}
        parent = _PROPAGATOR.extract(told, context.Context()) if self._trusts_callers else context.Context()
        method = given.method if given.method in _METHODS else "OTHER"
        route = given.endpoint or "nowhere"
        said = {"http.request.method": method, "http.route": route, "latchstring.request_id": self._request_id()}
        span = self._tracer.start_span(
            f"{method} {route}", parent, SpanKind.SERVER, _allowed(said), record_exception=False,
            set_status_on_exception=False,
        )  # fmt: skip
        g.span = span, context.attach(set_span_in_context(span, parent))

    def note(self, response: Response) -> Response:
        """How it was answered."""
        if "span" in g:
            g.span[0].set_attributes(_allowed({"http.response.status_code": response.status_code}))
        return response

    def end(self, _error: BaseException | None) -> None:
        """It ends."""
        span, token = g.pop("span", (None, None))
        if span is not None:
            context.detach(token)
            span.end()


def trace(app: Flask, provider: TracerProvider, request_id: Callable[[], str], *, trusts_callers: bool) -> Spans:
    """Trace what `app` answers, around all else that it does."""
    made = Spans(provider.get_tracer("latchstring"), request_id, trusts_callers=trusts_callers)
    app.before_request_funcs.setdefault(None, []).insert(0, made.begin)
    app.after_request_funcs.setdefault(None, []).insert(0, made.note)
    app.teardown_appcontext(made.end)
    return made


def sending_to(endpoint: str, share: float) -> TracerProvider:
    """What sends a share of the traces to a collector (OTLP over HTTP); raises ImportError without the exporter."""
    exporter = import_module(_EXPORTER).OTLPSpanExporter(endpoint=endpoint)
    # Nothing of the machine and of its environment: not Resource.create.
    resource = Resource({"service.name": "latchstring"})
    made = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)), resource=resource)
    made.add_span_processor(BatchSpanProcessor(exporter))
    return made


def _allowed(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in ATTRIBUTES}
