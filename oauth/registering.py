"""The endpoints at which programs register apps and manage them (RFC 7591, RFC 7592); no page of another origin may."""

import hmac
from typing import Any

import orjson
from flask import Blueprint, Response, json, request, url_for
from werkzeug.exceptions import NotFound

from oauth import errors
from oauth.apps import dynamic
from oauth.apps.client_metadata import InvalidMetadata, MetadataRefused
from oauth.apps.dynamic import NotManaged, Registered, TooManyRegistrations
from oauth.errors import JSON, NO_STORE, as_json
from service import web
from service.accounts import throttling
from service.db import digest
from service.settings import ProgramsRegister

blueprint = Blueprint("registering", __name__, url_prefix="/oauth/register")
# A token in the header says who calls, or nobody has to.
web.csrf.exempt(blueprint)
_LONGEST_TOKEN = 512


class InvalidToken(Exception):
    """The initial access token, or the one that manages an app, is missing or does not fit."""


@blueprint.before_request
def _admit() -> None:
    """Judge and count who calls, in a transaction of its own: the app's server may be asked for its keys next."""
    session, settings = web.db_session(), web.settings()
    if request.endpoint == "registering.register":
        if settings.programs_register is ProgramsRegister.OFF:
            raise NotFound
        if settings.programs_register is ProgramsRegister.TOKEN:
            _require_initial_token(settings.registration_token)
        dynamic.admit(session, throttling.network_of(request.remote_addr))
    elif request.method == "PUT":
        dynamic.admit_change(session, _client_id(), _bearer())
    web.end_transaction()


@blueprint.post("")
def register() -> Response:
    """RFC 7591 §3."""
    network = throttling.network_of(request.remote_addr)
    made = dynamic.register(web.db_session(), _body(), network=network, settings=web.settings())
    return _answer(made, 201)


@blueprint.get("/<client_id>")
def read(client_id: str) -> Response:
    """RFC 7592 §2.1."""
    return _answer(dynamic.describe(web.db_session(), client_id, _bearer()), 200)


@blueprint.put("/<client_id>")
def change(client_id: str) -> Response:
    """RFC 7592 §2.2; the token stays as it is."""
    changed = dynamic.change(web.db_session(), client_id, _bearer(), _body(), settings=web.settings())
    return _answer(changed, 200)


@blueprint.delete("/<client_id>")
def retire(client_id: str) -> Response:
    """RFC 7592 §2.3."""
    dynamic.retire(web.db_session(), client_id, _bearer(), settings=web.settings())
    return Response(status=204, headers=NO_STORE)


@blueprint.errorhandler(MetadataRefused)
def _refuse(refused: MetadataRefused) -> Response:
    # RFC 6749 §5.2 allows no double quote here.
    body = {"error": refused.code, "error_description": refused.reason.replace('"', "'")}
    return Response(json.dumps(body), 400, headers=NO_STORE, content_type=JSON)


@blueprint.errorhandler(NotManaged)
@blueprint.errorhandler(InvalidToken)
def _refuse_token(_problem: Exception) -> Response:
    body = {"error": "invalid_token", "error_description": "The token is missing or not valid."}
    headers = NO_STORE | {"WWW-Authenticate": 'Bearer realm="register", error="invalid_token"'}
    return Response(json.dumps(body), 401, headers=headers, content_type=JSON)


@blueprint.errorhandler(TooManyRegistrations)
def _refuse_more(problem: TooManyRegistrations) -> Response:
    return as_json(errors.TooManyRegistrations(problem.seconds))


def _answer(registered: Registered, status: int) -> Response:
    """The client information response (RFC 7592 §3). A token that came is shown back."""
    client = registered.client
    told: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "registration_client_uri": web.settings().base_url + url_for("registering.read", client_id=client.id),
        "registration_access_token": registered.token,
        **registered.standing,
        **registered.metadata,
    }
    if registered.secret is not None:
        told["client_secret"] = registered.secret
    if client.secret_hash is not None:
        told["client_secret_expires_at"] = int(client.secret_expires_at.timestamp()) if client.secret_expires_at else 0
    return Response(json.dumps(told), status, headers=NO_STORE, content_type=JSON)


def _body() -> dict[str, Any]:
    """The JSON object that was sent. It refuses halves of characters; the null character no database keeps."""
    raw = request.get_data()
    if request.mimetype != "application/json" or b"\\u0000" in raw:
        raise InvalidMetadata("Send a JSON object as application/json.")
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidMetadata("Send a JSON object as application/json.") from None
    if not isinstance(said, dict):
        raise InvalidMetadata("Send a JSON object as application/json.")
    return said


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(token) <= _LONGEST_TOKEN:
        raise InvalidToken
    return token


def _require_initial_token(expected: str) -> None:
    if not hmac.compare_digest(digest(_bearer()), digest(expected)):
        raise InvalidToken


def _client_id() -> str:
    return str((request.view_args or {}).get("client_id", ""))
