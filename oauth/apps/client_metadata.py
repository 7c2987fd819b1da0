"""What a program says of an app in the words of RFC 7591 §2, read into ours; what is not known is left out.

Logos are not taken (decision 55), and no signed statement of anybody about an app is believed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from consent import scopes as smart
from consent.data_types import EVERY_TYPE
from oauth.apps.app_content import AppContent
from oauth.apps.registration import DEFAULT_SCOPES, SIGNING_ALG, Registration
from oauth.models import AuthMethod, Client, ClientKind

CODE, REFRESHING = "authorization_code", "refresh_token"
_WITH_REFRESH = frozenset({"offline_access", "online_access"})
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_PEOPLE = ("patient", "user")


class MetadataRefused(Exception):
    """What was said of the app is not accepted. `code` is of RFC 7591 §3.2.2; `reason` a sentence that never echoes."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class InvalidMetadata(MetadataRefused):
    """A field is not what it should be."""

    def __init__(self, reason: str) -> None:
        super().__init__("invalid_client_metadata", reason)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What counts of what was said; `told` is what no column of the app holds."""

    content: AppContent
    method: AuthMethod
    jwks: Mapping[str, Any] | None
    jwks_uri: str | None
    contact: str | None
    require_pushed_authorization_requests: bool
    dpop_bound_access_tokens: bool
    id_token_signed_response_alg: str
    told: Mapping[str, Any]

    @property
    def kind(self) -> ClientKind:
        """Whether the app keeps a secret or key; programs without a person are registered by the plan."""
        return ClientKind.PUBLIC if self.method is AuthMethod.NONE else ClientKind.CONFIDENTIAL

    def to_registration(self, **further: Any) -> Registration:
        """As an app is registered."""
        said = self.content
        return Registration(
            name=said.name, redirect_uris=said.redirect_uris, scopes=said.scopes, website=said.website,
            policy_uri=said.policy_uri, terms_uri=said.terms_uri, kind=self.kind,
            launch_uris=said.launch_uris, post_logout_redirect_uris=said.post_logout_redirect_uris,
            token_endpoint_auth_method=self.method,
            jwks=self.jwks, jwks_uri=self.jwks_uri, contact=self.contact,
            id_token_signed_response_alg=self.id_token_signed_response_alg,
            require_pushed_authorization_requests=self.require_pushed_authorization_requests,
            dpop_bound_access_tokens=self.dpop_bound_access_tokens, **further,
        )  # fmt: skip


def read(said: Mapping[str, Any]) -> Metadata:
    """What counts of the members of a JSON object; raises MetadataRefused."""
    _refuse_statement(said.get("software_statement"))
    given = _load(said)
    _require_consistent(given)
    return Metadata(
        content=AppContent(
            name=given["client_name"], redirect_uris=tuple(given["redirect_uris"]), scopes=_scopes(given["scope"]),
            launch_uris=(given["initiate_login_uri"],) if given["initiate_login_uri"] else (),
            post_logout_redirect_uris=tuple(given["post_logout_redirect_uris"]), website=given["client_uri"],
            policy_uri=given["policy_uri"], terms_uri=given["tos_uri"],
        ),
        method=AuthMethod(given["token_endpoint_auth_method"]),
        jwks=given["jwks"], jwks_uri=given["jwks_uri"], contact=next(iter(given["contacts"]), None),
        require_pushed_authorization_requests=given["require_pushed_authorization_requests"],
        dpop_bound_access_tokens=given["dpop_bound_access_tokens"],
        id_token_signed_response_alg=given["id_token_signed_response_alg"],
        told={name: given[name] for name in _TOLD if given[name]},
    )  # fmt: skip


def write(client: Client, told: Mapping[str, Any]) -> dict[str, Any]:
    """What is registered of the app, in the words of RFC 7591; what it never said is left out."""
    registered: dict[str, Any] = {
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "initiate_login_uri": next(iter(client.launch_uris), None),
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "token_endpoint_auth_method": client.token_endpoint_auth_method.value,
        "response_types": ["code"],
        "scope": client.scopes,
        "client_uri": client.website,
        "policy_uri": client.policy_uri,
        "tos_uri": client.terms_uri,
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "require_pushed_authorization_requests": client.require_pushed_authorization_requests,
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
        "id_token_signed_response_alg": SIGNING_ALG,
    }
    shown = {name: value for name, value in registered.items() if value not in (None, [])} | dict(told)
    return shown | {"grant_types": _grant_types(client, told)}


def _grant_types(client: Client, told: Mapping[str, Any]) -> list[str]:
    """What the app said, and refresh tokens where its scopes bring them: the server may add it (RFC 7591 §3.2.1)."""
    said: list[str] = told.get("grant_types", [CODE])
    refreshes = not _WITH_REFRESH.isdisjoint(client.scopes.split())
    return [*said, REFRESHING] if refreshes and REFRESHING not in said else said


def _plain(text: str) -> None:
    # No control characters, no halves of characters: databases do not keep them, and nobody sees them.
    if not text.isprintable():
        raise ValidationError("not plain")


def _texts(most: int, longest: int) -> fields.List[str]:
    one = fields.String(validate=[validate.Length(max=longest), _plain])
    return fields.List(one, load_default=list, validate=validate.Length(max=most))


def _text(longest: int) -> fields.String:
    return fields.String(load_default=None, validate=[validate.Length(max=longest), _plain])


def _flag() -> fields.Boolean:
    return fields.Boolean(load_default=False, truthy={True}, falsy={False})


class _MetadataSchema(Schema):
    client_name = fields.String(required=True, validate=[validate.Length(max=100), _plain])
    redirect_uris = _texts(20, 2000)
    initiate_login_uri = _text(2000)
    post_logout_redirect_uris = _texts(20, 2000)
    token_endpoint_auth_method = fields.String(
        load_default=AuthMethod.BASIC.value, validate=validate.OneOf([method.value for method in AuthMethod])
    )
    grant_types = fields.List(fields.String(validate=validate.OneOf([CODE, REFRESHING])), load_default=lambda: [CODE])
    response_types = fields.List(fields.String(), load_default=lambda: ["code"])
    scope = fields.String(load_default=DEFAULT_SCOPES, validate=[validate.Length(max=10_000), _plain])
    client_uri = _text(2000)
    policy_uri = _text(2000)
    tos_uri = _text(2000)
    jwks = fields.Raw(load_default=None)
    jwks_uri = _text(2000)
    contacts = _texts(10, 320)
    software_id = _text(200)
    software_version = _text(200)
    require_pushed_authorization_requests = _flag()
    dpop_bound_access_tokens = _flag()
    id_token_signed_response_alg = fields.String(load_default=SIGNING_ALG)


_TOLD = ("grant_types", "contacts", "software_id", "software_version")
_SCHEMA = _MetadataSchema()
SHAPES: Mapping[str, fields.Field[Any]] = _SCHEMA.fields
"""The members that count, each with its shape."""


def _load(said: Mapping[str, Any]) -> dict[str, Any]:
    # RFC 7591 §2: null means that it was not said.
    given = {name: value for name, value in said.items() if value is not None}
    try:
        loaded: dict[str, Any] = _SCHEMA.load(given, unknown=EXCLUDE)
    except ValidationError as problem:
        named = sorted(name for name in problem.normalized_messages() if name in SHAPES)  # type: ignore[no-untyped-call]
        if named == ["redirect_uris"]:
            raise MetadataRefused("invalid_redirect_uri", "redirect_uris is not a list of addresses.") from None
        raise InvalidMetadata(f"Not as it should be: {', '.join(named)}.") from None
    return loaded


def _refuse_statement(statement: object) -> None:
    if statement is None:
        return
    if not isinstance(statement, str) or not _JWT.fullmatch(statement):
        raise MetadataRefused("invalid_software_statement", "The software statement is no JWT.")
    raise MetadataRefused("unapproved_software_statement", "No software statement is accepted here.")


def _require_consistent(given: Mapping[str, Any]) -> None:
    if given["response_types"] != ["code"] or CODE not in given["grant_types"]:
        raise InvalidMetadata("Apps use the code flow: grant type authorization_code with response type code.")
    if given["jwks"] is not None and given["jwks_uri"] is not None:
        raise InvalidMetadata("Give jwks or jwks_uri, not both.")


def _scopes(asked: str) -> str:
    return str(smart.parse(asked).limited_to_contexts(_PEOPLE).limited_to_types(EVERY_TYPE, EVERY_TYPE))
