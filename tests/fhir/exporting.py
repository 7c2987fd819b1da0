"""Bulk exports as a program of the plan asks for them, and the worker's turn."""

import gzip
import json
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from fhir.bulk import work
from fhir.bulk.models import BulkExport, Status
from service.settings import Settings
from service.web import Latchstring
from tests.fhir.conftest import Api
from tests.oauth.desk import Desk
from tests.oauth.keyed import Program, register_backend

ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}


@dataclass
class Exporter:
    """A program of the plan's own."""

    api: Api
    program: Program
    settings: Settings

    def with_scope(self, scope: str) -> "Exporter":
        """The same program with a token of these scopes."""
        return replace(self, api=replace(self.api, token=self.program.token(scope)))

    def ask(self, path: str = "Patient/$export", *, prefer: str = "", **given: Any) -> TestResponse:
        """Ask for an export, by POST where a body is given."""
        headers = ASYNC | ({"Prefer": f"respond-async, {prefer}"} if prefer else {})
        return self.api.call("POST" if "json" in given else "GET", path, headers=headers, **given)

    def begin(self, path: str = "Patient/$export", **given: Any) -> str:
        """Begin an export; the address to ask after it."""
        answer = self.ask(path, **given)
        assert answer.status_code == 202, answer.text
        return answer.headers["Content-Location"]

    def manifest(self, path: str = "Patient/$export", **given: Any) -> dict[str, Any]:
        """Begin an export, let the worker make it, and fetch its manifest."""
        place = self.begin(path, **given)
        self.work()
        return self.ready(place)

    def ready(self, place: str) -> dict[str, Any]:
        """The manifest of an export that is ready."""
        answer = self.api.get(place)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        found: dict[str, Any] = answer.get_json()
        return found

    def work(self) -> None:
        """Let the worker do all there is."""
        held: Latchstring = self.api.client.application.extensions["latchstring"]
        waiting = select(BulkExport.id).where(BulkExport.status.in_((Status.ACCEPTED, Status.RUNNING)))
        # A turn ends after some seconds; on a busy machine an export takes several.
        for _turn in range(20):
            work.run(held.sessions, held.settings)
            with held.sessions() as session:
                if session.scalar(waiting.limit(1)) is None:
                    return

    def lines(self, found: dict[str, Any], kind: str = "output", **headers: str) -> list[dict[str, Any]]:
        """Every line of every file of a kind."""
        lines: list[dict[str, Any]] = []
        for file in found[kind]:
            answer = self.api.get(file["url"], headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.headers["Content-Type"] == "application/fhir+ndjson"
            packed = answer.headers.get("Content-Encoding") == "gzip"
            content = gzip.decompress(answer.data) if packed else answer.data
            some = [json.loads(line) for line in content.splitlines()]
            assert {one["resourceType"] for one in some} == {file["type"]} and len(some) == file["count"]
            lines += some
        return lines


def exporter(app: Flask, desk: Desk, scope: str = "system/*.rs", **given: Any) -> Exporter:
    """A new program with a token."""
    program = register_backend(desk, **given)
    settings: Settings = app.extensions["latchstring"].settings
    return Exporter(Api(app.test_client(), "", program.token(scope), desk.settings.fhir_base), program, settings)


def keys(lines: list[dict[str, Any]]) -> set[str]:
    """The names (Type/id) of the resources of these lines."""
    return {f"{one['resourceType']}/{one['id']}" for one in lines}


def naming(*patients: str) -> dict[str, Any]:
    """The body of a request for these patients alone."""
    named = [{"name": "patient", "valueReference": {"reference": f"Patient/{one}"}} for one in patients]
    return {"json": {"resourceType": "Parameters", "parameter": named}}
