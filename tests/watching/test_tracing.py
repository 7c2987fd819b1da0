"""Traces: spans of login, consent, token and FHIR with names of ours, and nothing in them about anybody."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine

from consent.policy import plan_system
from fhir.loading import ingest
from service import web
from service.app import create_app
from service.door import overload
from service.door.admission import Lane, Room
from service.environment import UnsafeSetting
from service.settings import Settings
from service.watching import spans, tracing
from tests.factories import PASSWORD
from tests.fhir import records
from tests.oauth.desk import Desk

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = PARENT.split("-")[1]


class Traced:
    """An application whose spans are kept in memory."""

    def __init__(self, app: Flask, *, trusts_callers: bool) -> None:
        self.app, self._kept = app, InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        tracing.begin(spans.trace(app, provider, web.request_id, trusts_callers=trusts_callers))

    @property
    def spans(self) -> tuple[Any, ...]:
        return self._kept.get_finished_spans()

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def traces(self) -> set[str]:
        return {f"{span.context.trace_id:032x}" for span in self.spans}


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    yield
    tracing.stop()


def test_login_consent_token_and_records_are_traced_and_say_nothing_of_anybody(app: Flask, engine: Engine) -> None:
    traced = Traced(app, trusts_callers=False)
    desk = Desk(app)
    mine = desk.member.patient_id
    ingest.load_resources(engine, records.record_of(mine), access=plan_system("tests"))
    browser = app.test_client()
    desk.sign_in(browser)
    assert desk.authorize(browser, desk.register()).status_code == 303
    code = desk.agree(desk.register())
    pair = desk.exchange(code).get_json()
    headers = {"Authorization": f"Bearer {pair['access_token']}", "traceparent": PARENT}
    answer = app.test_client().get(f"/fhir/r4/Observation?patient={mine}&code=c4n4ry", headers=headers)
    assert answer.status_code == 200

    assert {"POST sign_in.submit", "GET oauth.authorize", "POST oauth.token", "GET fhir.search"} <= {
        name.replace("sign_in.sign_in", "sign_in.submit") for name in traced.names
    }, traced.names
    assert {"token", "records", "audit", "password"} <= set(traced.names)
    [search] = [span for span in traced.spans if span.name == "GET fhir.search"]
    assert search.attributes["latchstring.request_id"] == answer.headers["X-Request-Id"]
    assert {span.parent.span_id for span in traced.spans if span.name == "audit"} == {search.context.span_id}
    assert all(set(span.attributes) <= spans.ATTRIBUTES and not span.events for span in traced.spans)
    said = json.dumps([json.loads(span.to_json()) for span in traced.spans])
    secrets = (mine, desk.account.username, desk.member.given_name, desk.member.id, code.value, pair["access_token"],
               PASSWORD, "c4n4ry", code.app.id)  # fmt: skip
    assert [secret for secret in secrets if secret in said] == []
    assert TRACE not in traced.traces(), "nobody outside chooses the trace"


def test_a_trace_that_a_proxy_of_ours_names_goes_on(app: Flask) -> None:
    traced = Traced(app, trusts_callers=True)
    app.test_client().get("/health/live", headers={"traceparent": PARENT})
    app.test_client().get("/health/live", headers={"traceparent": "no trace at all"})
    assert len(traced.traces()) == 2 and TRACE in traced.traces()


def test_a_fault_names_its_trace_on_its_page_and_in_the_log(app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    @app.get("/fault")
    def fault() -> str:
        raise RuntimeError("c4n4ry")

    traced = Traced(app, trusts_callers=False)
    page = app.test_client().get("/fault")
    assert page.status_code == 500
    [trace] = traced.traces()
    assert f"{page.headers['X-Request-Id']} / {trace}" in page.text
    [line] = [json.loads(one) for one in capfd.readouterr().err.splitlines() if "unexpected_fault" in one]
    assert line["trace_id"] == trace
    [span] = traced.spans
    assert not span.events and span.status.description is None
    assert "c4n4ry" not in span.to_json()


def test_who_is_told_that_we_are_busy_gets_nobody_elses_trace(app: Flask) -> None:
    """A refusal is made once and kept: the trace of the first one must not stand in all of them."""
    traced = Traced(app, trusts_callers=False)
    door = app.wsgi_app
    assert isinstance(door, overload.Door)
    door._places = Lane(Room(0, 0))

    page = app.test_client().get("/help")

    assert page.status_code == 503 and not traced.spans
    assert f"<code>{page.headers['X-Request-Id']}</code>" in page.text


def test_nothing_is_traced_unless_asked(app: Flask) -> None:
    assert app.test_client().get("/health/live").status_code == 200
    assert tracing.trace_id() is None
    with tracing.step("token"):
        assert tracing.trace_id() is None


@pytest.mark.parametrize("url", ["http://collector.example.org/v1/traces", "collector:4318"])
def test_traces_go_nowhere_in_clear(settings: Settings, url: str) -> None:
    with pytest.raises(UnsafeSetting, match="OTLP_ENDPOINT"):
        replace(settings, otlp_endpoint=url).require_safe()


def test_a_start_says_what_is_missing(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # None in the place of a module: Python takes it for one that is not there.
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UnsafeSetting, match=r"requirements-tracing\.lock"):
        create_app(replace(settings, otlp_endpoint="https://collector.example.org/v1/traces"), engine)
