"""What OpenAPI says of the endpoints of this package, by endpoint and method; addresses come from the routes.

What is registered of an app and what discovery says is made of the schema and the value that the endpoints use.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args, get_origin

from marshmallow import fields as kinds

from oauth.apps import client_metadata
from oauth.discovery import Discovery
from service import rates

Operations = Mapping[str, Mapping[str, Any]]
"""An OpenAPI Operation Object for each method in lower case."""
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_TEXT = {"type": "string"}
_TOKEN_TYPE = {"enum": ["Bearer", "DPoP"]}
_ANSWER_HEADERS = {"X-Request-Id": {"schema": _TEXT, "description": "Quote it when you report a fault."}}
PROOF: Mapping[str, Any] = {
    "name": "DPoP", "in": "header", "schema": _TEXT,
    "description": "A proof of possession (RFC 9449): with a token that is bound to a key, and where one shall be.",
}  # fmt: skip
BY_TOKEN: Sequence[Mapping[str, Any]] = ({"smart": []}, {"token": []}, {"dpop": []})
"""How a token is shown: as a bearer token, or with a proof where it is bound to a key."""


def operations() -> dict[str, Operations]:
    """The operations of each endpoint, by its name in the application."""
    return {
        "oauth.authorize": {"get": _authorize("query"), "post": _authorize("body")},
        "oauth.end_session": {"get": _end_session("query"), "post": _end_session("body")},
        "oauth.par": {"post": _proving("Send an authorization request ahead (RFC 9126)", _AUTHORIZE, 201, "Pushed")},
        "oauth.token": {"post": _proving("Codes, refresh tokens and assertions against tokens", _TOKEN, 200, "Token")},
        "oauth.revoke": {"post": _form("End a token (RFC 7009)", _TOLD_TOKEN, 200, None)},
        "oauth.introspect": {"post": _introspection()},
        "oauth.userinfo": {"get": _userinfo(), "post": _userinfo()},
        "oauth.jwks": {"get": _open("The keys of ID tokens", "KeySet")},
        "oauth.logo": {"get": _logo()},
        "discovery.smart_configuration": {"get": _open("SMART configuration", "Discovery")},
        "discovery.authorization_server": {"get": _open("RFC 8414", "Discovery")},
        "discovery.openid_configuration": {"get": _open("OpenID Connect Discovery", "Discovery")},
        "brands.bundle": {"get": _open("The plan's user-access brand", "Resource", media="application/fhir+json")},
        "registering.register": {"post": _registration("Register an app (RFC 7591)", 201)},
        "registering.read": {"get": _managed("What is registered of an app (RFC 7592)", 200)},
        "registering.change": {"put": _managed("Change it", 200, sent=True)},
        "registering.retire": {"delete": _managed("Close the app for good", 204)},
    }


def schemas() -> dict[str, Any]:
    """The schemas that the operations name."""
    metadata = {name: _shape(field) for name, field in client_metadata.SHAPES.items()}
    return {
        "OAuthError": _object({"error": _TEXT, "error_description": _TEXT}, ["error"]),
        "ClientMetadata": _object(metadata, ["client_name", "redirect_uris"]),
        "RegisteredClient": _object(
            metadata | {
                "client_id": _TEXT, "client_id_issued_at": {"type": "integer"}, "client_secret": _TEXT,
                "client_secret_expires_at": {"type": "integer"}, "registration_client_uri": _uri(),
                "registration_access_token": _TEXT, "approval_pending": {"type": "boolean"},
                "approval_state": _TEXT, "approval_question": _TEXT, "decline_reason": _TEXT,
                "decline_explanation": _TEXT,
            },
            ["client_id", "registration_client_uri", "registration_access_token"],
        ),
        "Discovery": _discovery(),
        "Token": _object(
            {
                "access_token": _TEXT, "token_type": _TOKEN_TYPE, "expires_in": {"type": "integer"},
                "scope": _TEXT, "refresh_token": _TEXT, "id_token": _TEXT, "patient": _TEXT,
                "need_patient_banner": {"type": "boolean"},
            },
            ["access_token", "token_type", "expires_in", "scope"],
        ),
        "Pushed": _object(
            {"request_uri": _TEXT, "expires_in": {"type": "integer"}}, ["request_uri", "expires_in"]
        ),
        "Introspection": _object(
            {
                "active": {"type": "boolean"}, "scope": _TEXT, "client_id": _TEXT, "token_type": _TOKEN_TYPE,
                "exp": {"type": "integer"}, "iat": {"type": "integer"}, "iss": _uri(), "sub": _TEXT, "patient": _TEXT,
                "need_patient_banner": {"type": "boolean"}, "fhirUser": _uri(), "cnf": _object({"jkt": _TEXT}, ["jkt"]),
            },
            ["active"],
        ),
        "UserInfo": _object({"sub": _TEXT, "fhirUser": _uri()}, ["sub"]),
        "KeySet": _object({"keys": {"type": "array", "items": {"type": "object"}}}, ["keys"]),
    }  # fmt: skip


def security_schemes(facts: Discovery) -> dict[str, Any]:
    """How callers prove themselves."""
    flows = {
        "authorizationCode": {
            "authorizationUrl": facts.authorization_endpoint,
            "tokenUrl": facts.token_endpoint,
            "refreshUrl": facts.token_endpoint,
            "scopes": {"openid": "Who signed in", "launch/patient": "Which member", "patient/*.rs": "Their record"},
        },
        "clientCredentials": {
            "tokenUrl": facts.token_endpoint,
            "scopes": {"system/*.rs": "What the plan agreed with the program"},
        },
    }
    return {
        "smart": {"type": "oauth2", "flows": flows},
        "client": {"type": "http", "scheme": "basic", "description": "An app by its id and secret."},
        "token": {"type": "http", "scheme": "bearer", "description": "A token that this server gave out."},
        "dpop": {"type": "http", "scheme": "DPoP", "description": "One that is bound to a key, with the header DPoP."},
    }


_CALLER = ("client_id", "client_secret", "client_assertion", "client_assertion_type")
_AUTHORIZE = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "aud", "code_challenge", "code_challenge_method",
    "launch", "nonce", "prompt", "max_age", "login_hint", "id_token_hint", "ui_locales", "request_uri", "dpop_jkt",
    "resource",
)  # fmt: skip
_END = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
_TOKEN = ("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource", *_CALLER)
_CHOICES: Mapping[str, Any] = {"grant_type": {"enum": list(Discovery.grant_types_supported)}}
_TOLD_TOKEN = ("token", "token_type_hint", *_CALLER)


def _authorize(where: str) -> dict[str, Any]:
    told = "To the app, to the next page, or a page that says what is wrong."
    return _page("Where an app sends a person (RFC 6749, SMART App Launch)", _AUTHORIZE, where, told)


def _end_session(where: str) -> dict[str, Any]:
    told = "To the app's address, or a page that asks."
    return _page("Sign out at an app's word (OpenID Connect)", _END, where, told)


def _page(summary: str, names: tuple[str, ...], where: str, told: str) -> dict[str, Any]:
    """An endpoint that browsers are sent to."""
    described: dict[str, Any] = {
        "summary": summary,
        "tags": ["OAuth"],
        "responses": {
            "200": {"description": told, "content": {"text/html": {}}},
            "303": {"description": told, "headers": {"Location": {"schema": _uri()}}, "content": {"text/html": {}}},
            **{status: _error_page() for status in ("400", "403", "405", "413", "429", "503")},
        },
    }
    if where == "query":
        return described | {"parameters": [{"name": name, "in": "query", "schema": _TEXT} for name in names]}
    return described | {"requestBody": _form_body(names)}


def _form(summary: str, names: tuple[str, ...], status: int, answer: str | None) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done.", "headers": _ANSWER_HEADERS}
    if answer is not None:
        done["content"] = {_JSON: {"schema": _ref(answer)}}
    sent = tuple(dict.fromkeys((*names, *_CALLER)))
    return {
        "summary": summary,
        "tags": ["OAuth"],
        "security": [{"client": []}, {}],
        "requestBody": _form_body(sent),
        "responses": {str(status): done, **_refusals("400", "401", "405", "413", "415", "429", "503")},
    }


def _proving(summary: str, names: tuple[str, ...], status: int, answer: str) -> dict[str, Any]:
    """The same where a proof of possession may come along."""
    return _form(summary, names, status, answer) | {"parameters": [PROOF]}


def _introspection() -> dict[str, Any]:
    described = _form("What a token is worth now (RFC 7662)", _TOLD_TOKEN, 200, "Introspection")
    described["responses"] |= _refusals("403")
    return described | {"security": [{"client": []}, {"token": []}, {}]}


def _userinfo() -> dict[str, Any]:
    return {
        "summary": "Who signed in (OpenID Connect)",
        "tags": ["OAuth"],
        "security": BY_TOKEN,
        "parameters": [PROOF],
        "responses": {"200": _told("UserInfo"), **_refusals("400", "401", "403", "405", "413", "503")},
    }


def _open(summary: str, schema: str, media: str = _JSON) -> dict[str, Any]:
    return {
        "summary": summary,
        "tags": ["Discovery"],
        "responses": {
            "200": _told(schema, media), "304": {"description": "Not changed."}, **_refusals("400", "503"),
        },
    }  # fmt: skip


def _logo() -> dict[str, Any]:
    return {
        "summary": "The logo of an app",
        "tags": ["OAuth"],
        "parameters": [_in_path("digest")],
        "responses": {
            "200": {"description": "A PNG.", "content": {"image/png": {}}},
            **{status: _error_page() for status in ("400", "404", "503")},
        },
    }


def _registration(summary: str, status: int) -> dict[str, Any]:
    return {
        "summary": summary,
        "tags": ["Registration"],
        "security": [{}, {"token": []}],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref("ClientMetadata")}}},
        "responses": {
            str(status): _told("RegisteredClient"),
            **_refusals("400", "401", "403", "404", "405", "413", "415", "429", "503"),
        },
    }


def _managed(summary: str, status: int, *, sent: bool = False) -> dict[str, Any]:
    described = _registration(summary, status) | {"security": [{"token": []}], "parameters": [_in_path("client_id")]}
    if not sent:
        del described["requestBody"]
    if status == 204:
        described["responses"]["204"] = {"description": "Done."}
    return described


def _form_body(names: tuple[str, ...]) -> dict[str, Any]:
    shapes = dict.fromkeys(names, _TEXT) | {name: _CHOICES[name] for name in names if name in _CHOICES}
    return {"content": {_FORM: {"schema": _object(shapes, [])}}}


def _refusals(*statuses: str) -> dict[str, Any]:
    told = {status: _told("OAuthError") | {"description": "Refused."} for status in statuses}
    for status in told.keys() & {"429", "503"}:
        told[status]["headers"] = {**told[status]["headers"], **rates.RETRY_AFTER}
    if "429" in told:
        told["429"]["headers"] |= rates.DESCRIBED
    return told


def _told(schema: str, media: str = _JSON) -> dict[str, Any]:
    return {"description": "The answer.", "headers": _ANSWER_HEADERS, "content": {media: {"schema": _ref(schema)}}}


def _error_page() -> dict[str, Any]:
    return {"description": "A page for the person.", "content": {"text/html": {}}}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    return described | {"required": required} if required else described


def _uri() -> dict[str, str]:
    return {"type": "string", "format": "uri"}


def _shape(field: kinds.Field[Any]) -> dict[str, Any]:
    """The schema of a field of the metadata."""
    if isinstance(field, kinds.List):
        return {"type": "array", "items": _shape(field.inner)}
    if isinstance(field, kinds.Boolean):
        return {"type": "boolean"}
    return _TEXT if isinstance(field, kinds.String) else {"type": "object"}


def _discovery() -> dict[str, Any]:
    told = {field.name: _of_type(field.type) for field in fields(Discovery)}
    return _object(told, ["issuer", "jwks_uri", "authorization_endpoint", "token_endpoint"])


def _of_type(kind: Any) -> dict[str, Any]:
    if get_origin(kind) in {types.UnionType}:
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _TEXT}
    return {str: _TEXT, bool: {"type": "boolean"}}.get(kind, {"type": "object"})
