"""What a worker writes of an export: pages ended by their bytes, files written whole, what a client lacks by then."""

import random
from io import FileIO
from tempfile import TemporaryFile
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir import store
from fhir.bulk import files
from fhir.bulk.models import BulkExport
from fhir.storage import statements
from fhir.storage.results import Sweep
from oauth.models import Client
from tests.fhir import records
from tests.fhir.exporting import Exporter, exporter
from tests.oauth.desk import Desk


@pytest.fixture
def plan(app: Flask, desk: Desk, loaded: str) -> Exporter:
    """A program of the plan's own, with two members' records stored."""
    return exporter(app, desk)


def test_what_a_client_may_not_have_any_more_is_told(plan: Exporter, loaded: str, session: Session) -> None:
    whole = plan.lines(plan.manifest())
    place = plan.begin()
    client = session.get_one(Client, plan.program.id)
    client.scopes = "system/Patient.rs system/Coverage.rs system/Observation.rs?category=laboratory"
    session.commit()
    plan.work()

    # The token that it began with was given more than that, and is over.
    now = plan.with_scope("system/*.rs")
    told = {one["issue"][0]["diagnostics"] for one in now.lines(now.ready(place), "error")}
    assert "ExplanationOfBenefit was left out: the client may not have it any more." in told
    assert "Observation was left out in part: the client may not have all of it any more." in told
    assert not any(one.startswith(("Patient", "Coverage")) for one in told)
    written = session.get_one(BulkExport, place.rpartition("/")[2]).written
    assert 0 < written < len(whole)


def test_a_disk_that_takes_a_part_is_asked_for_the_rest() -> None:
    class Slow(FileIO):
        def write(self, content: Any, /) -> int:
            return super().write(memoryview(content)[:3])

    with TemporaryFile(buffering=0) as file, Slow(file.fileno(), "w", closefd=False) as slow:
        files._write(slow, b"0123456789")
        file.seek(0)
        assert file.read() == b"0123456789"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_long_body_among_short_ones_ends_a_page(session: Session, system: Access, monkeypatch: Any) -> None:
    texts = {"a": "short", "b": random.Random(1).randbytes(3_000).hex(), "c": "short", "d": "short"}
    for name, words in texts.items():
        store.put(session, system, records.observation(name, "p", note=[{"text": words}]))
    asked: list[str] = []
    fetch = statements._fetch
    monkeypatch.setattr(
        statements, "_fetch", lambda session, text, values: asked.append(text) or fetch(session, text, values)
    )
    monkeypatch.setattr(store, "SWEEP_BYTES", 2_500)

    first = store.sweep(session, system, Sweep("Observation"), "", 4)
    assert (first.ids, first.more) == (("a", "b"), True) and len(asked) == 2
    assert [texts[one] in body.decode() for one, body in zip(first.ids, first.bodies, strict=True)] == [True, True]
    asked.clear()
    rest = store.sweep(session, system, Sweep("Observation"), "b", 4)
    assert (rest.ids, rest.more) == (("c", "d"), False) and len(asked) == 1
