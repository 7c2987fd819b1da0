"""`/openapi.json`: every endpoint for machines in one OpenAPI document, joined of what packages say of theirs.

Addresses and methods are those of the routes; a test fails where an endpoint is missing here, or one here is missing.
"""

import re
from functools import lru_cache
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app, request

from fhir.description import openapi as of_fhir
from fhir.directory.routes import PREFIX as DIRECTORY_PREFIX
from fhir.interactions import switched_on
from fhir.plan import statement as of_plan
from fhir.plan.routes import PREFIX as PLAN_PREFIX
from fhir.routes import PREFIX
from oauth import description as of_oauth
from oauth import discovery
from service import web

blueprint = Blueprint("openapi", __name__)
_JSON = "application/json"
_VERSION = "0.1.0"
_METRICS = {
    "metrics": {"type": "http", "scheme": "bearer", "description": "The installation's METRICS_TOKEN."},
}  # fmt: skip
_VARIABLE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


@blueprint.get("/openapi.json")
def document() -> Response:
    """The document; any origin, may be cached."""
    body = _written(current_app._get_current_object())  # type: ignore[attr-defined]
    response = Response(body, content_type="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.add_etag()
    response.make_conditional(request)
    return response


def describe(app: Flask) -> dict[str, Any]:
    """The document of this application; needs a request or an application context with its settings."""
    settings = web.settings()
    facts = discovery.describe(settings)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{settings.plan.name}: interoperability API",
            "version": _VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": settings.base_url}],
        "paths": _oauth_paths(app)
        | of_fhir.paths(PREFIX, switched_on(settings))
        | of_fhir.directory_paths(DIRECTORY_PREFIX)
        | of_plan.paths(PLAN_PREFIX),
        "components": {
            "schemas": of_oauth.schemas() | of_fhir.schemas(),
            "securitySchemes": of_oauth.security_schemes(facts) | _METRICS,
        },
    }


@lru_cache(maxsize=1)
def _written(app: Flask) -> bytes:
    return orjson.dumps(describe(app))


def _oauth_paths(app: Flask) -> dict[str, dict[str, Any]]:
    described = {**of_oauth.operations(), **_probes(), "openapi.document": {"get": _itself()}}
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        for method, operation in described.get(rule.endpoint, {}).items():
            if method.upper() in (rule.methods or ()):
                told = {"operationId": f"{rule.endpoint}-{method}", **operation}
                paths.setdefault(_VARIABLE.sub(r"{\1}", rule.rule), {})[method] = told
    return paths


def _itself() -> dict[str, Any]:
    told = {"description": "OpenAPI 3.1.", "content": {_JSON: {}}}
    return {"summary": "This document", "tags": ["Discovery"], "responses": {"200": told} | _pages("400", "503")}


def _probes() -> dict[str, dict[str, Any]]:
    text: dict[str, Any] = {"text/plain": {}}
    counted = {"200": {"description": "Counters and gauges, in Prometheus's text format.", "content": text}}
    unknown = {"401": {"description": "Without the token.", "content": text}}
    return {
        "probes.live": {"get": _probe("Whether this process answers", {"200": _state("alive")} | _pages("400"))},
        "probes.ready": {
            "get": _probe(
                "Whether requests may be sent to this process",
                {"200": _state("ready"), "503": _state("not ready", "reason")} | _pages("400"),
            ),
        },
        "probes.metrics": {
            "get": _probe("What was counted", counted | unknown | _pages("400", "404"))
            | {"security": [{"metrics": []}]},
        },
    }


def _probe(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "tags": ["Operation"], "responses": responses}


def _state(word: str, *further: str) -> dict[str, Any]:
    named = {"status": {"const": word}} | {name: {"type": "string"} for name in further}
    schema = {"type": "object", "properties": named, "required": list(named)}
    return {"description": "How it stands.", "content": {_JSON: {"schema": schema}}}


def _pages(*statuses: str) -> dict[str, Any]:
    return {status: {"description": "Refused.", "content": {"text/html": {}}} for status in statuses}
