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
_VERSION = "0.1.0"
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
            "securitySchemes": of_oauth.security_schemes(facts),
        },
    }


@lru_cache(maxsize=1)
def _written(app: Flask) -> bytes:
    return orjson.dumps(describe(app))


def _oauth_paths(app: Flask) -> dict[str, dict[str, Any]]:
    described = {**of_oauth.operations(), "openapi.document": {"get": _itself()}}
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        for method, operation in described.get(rule.endpoint, {}).items():
            if method.upper() in (rule.methods or ()):
                told = {"operationId": f"{rule.endpoint}-{method}", **operation}
                paths.setdefault(_VARIABLE.sub(r"{\1}", rule.rule), {})[method] = told
    return paths


def _itself() -> dict[str, Any]:
    told = {"description": "OpenAPI 3.1.", "content": {"application/json": {}}}
    busy = {"description": "Try again.", "content": {"text/html": {}}}
    return {"summary": "This document", "tags": ["Discovery"], "responses": {"200": told, "400": busy, "503": busy}}
