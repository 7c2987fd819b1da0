"""Our authorization server: Authlib's, reading requests and writing answers our way, and never committing by itself."""

import logging
from datetime import timedelta
from typing import Any

import orjson
from authlib.oauth2 import AuthorizationServer, OAuth2Error
from flask import Request, Response
from flask import request as flask_request

from oauth import audience
from oauth.apps import redirects
from oauth.callers import client_authentication
from oauth.errors import JSON, NO_STORE, InvalidRequest, as_json, description_of
from oauth.exchanges.client_credentials import ClientCredentials
from oauth.exchanges.code_exchange import S256, CodeExchange
from oauth.exchanges.refresh_exchange import RefreshExchange
from oauth.exchanges.standing import Recipient
from oauth.models import ClientKind
from oauth.requests import OAuthRequest, current_request
from oauth.statements import CallerFacts
from oauth.tokens import token_rows
from oauth.tokens.id_tokens import SignedIdToken
from oauth.tokens.revocation import Revocation
from service import audit, web
from service.whole_answer import WholeAnswer

# At DEBUG Authlib logs whole tokens.
logging.getLogger("authlib").setLevel(logging.INFO)


class Server(AuthorizationServer):  # type: ignore[misc]  # Authlib ships no types
    """RFC 6749 by Authlib, over our requests, clients, tokens and errors."""

    def create_oauth2_request(self, request: Request | None) -> OAuthRequest:
        """The body of the current POST; whatever is in the URL is refused."""
        return request if isinstance(request, OAuthRequest) else current_request()

    def authenticate_client(self, request: OAuthRequest, methods: list[str], endpoint: str = "token") -> CallerFacts:
        """The calling app, by exactly one method and only the registered one, the same at every endpoint."""
        session = web.db_session()
        client = client_authentication.authenticate(session, request, methods)
        if endpoint == "token":
            client_authentication.require_within_limit(client)
            client_authentication.prove_possession(session, request, client)
        return client

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Keep digests only, in the transaction that spent the code or refresh token."""
        recipient: Recipient = request.user
        session = web.db_session()
        token_rows.keep_access_token(
            session, token["access_token"], family=recipient.family, grant_version=recipient.standing.grant.version,
            scope=token["scope"], life=timedelta(seconds=token["expires_in"]), dpop_jkt=request.dpop_jkt,
        )  # fmt: skip
        if request.dpop_jkt is not None:
            token["token_type"] = "DPoP"
            if request.client.kind == ClientKind.PUBLIC:
                # It has no secret to show at a refresh: the key stands for it (RFC 9449 §5).
                token_rows.bind(recipient.family, request.dpop_jkt)
        if "refresh_token" in token:
            token_rows.keep_refresh_token(session, token["refresh_token"], family=recipient.family)
        session.flush()
        grant = recipient.standing.grant
        audit.record(
            session, "oauth:token:issue", account_id=grant.account_id, member_id=grant.member_id,
            link_id=grant.link_id, client_id=grant.client_id, grant_id=grant.id,
            detail={"family": recipient.family.id, "grant_type": request.payload.grant_type},
        )  # fmt: skip

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """No signals: what must happen is called by name."""

    def handle_response(self, status: int, body: Any, headers: Any) -> Response:
        """An answer of Authlib's as ours."""
        if isinstance(body, dict):
            return WholeAnswer(orjson.dumps(body), status, JSON, NO_STORE.items())
        return Response(body, status, headers=list(headers))

    def handle_error_response(self, request: OAuthRequest, error: OAuth2Error) -> Response:
        """An error with a constant text (RFC 6749 §5.2)."""
        return as_json(error, challenge="Authorization" in flask_request.headers)

    def answer_token(self) -> Response:
        """The token endpoint."""
        try:
            request = self.create_oauth2_request(None)
            if not request.payload.grant_type:
                raise InvalidRequest()
            audience.require_no_other(request.form, web.settings())
        except OAuth2Error as error:
            return as_json(error)
        response: Response = self.create_token_response(request)
        return response

    def answer_revocation(self) -> Response:
        """The revocation endpoint."""
        try:
            request = self.create_oauth2_request(None)
        except OAuth2Error as error:
            return as_json(error)
        response: Response = self.create_endpoint_response(Revocation.ENDPOINT_NAME, request)
        return response


def refusal_url(redirect_uri: str, state: str, error: OAuth2Error) -> str:
    """Where the app learns of an error: with `state` and with `iss` (RFC 9207), which stock Authlib leaves out."""
    return redirects.with_parameters(
        redirect_uri,
        error=str(error.error),
        error_description=description_of(error),
        state=state,
        iss=web.settings().base_url,
    )


def _mint(
    grant_type: str,
    client: CallerFacts,
    user: Recipient,
    scope: str | None = None,
    expires_in: int | None = None,
    include_refresh_token: bool = True,
) -> dict[str, Any]:
    """The token response (SMART 2.2, §4): context again on each refresh, `scope` always, v1 echoed in kind."""
    life = user.standing.access_life()
    token: dict[str, Any] = {
        "access_token": token_rows.new_secret(),
        "token_type": "Bearer",
        "expires_in": int(life.total_seconds()),
        "scope": str(user.scopes),
        "patient": user.standing.choice.member.patient_id,
        "need_patient_banner": user.family.need_patient_banner,
    }
    # Asked of the whole grant, not of a narrowed refresh: narrowing an access token keeps the refresh token.
    if user.standing.may_return(web.db_session(), user.family):
        token["refresh_token"] = token_rows.new_secret()
    return token


def _build() -> Server:
    built = Server()
    built.register_token_generator("default", _mint)
    built.register_grant(CodeExchange, [S256(), SignedIdToken()])
    built.register_grant(RefreshExchange, [SignedIdToken()])
    built.register_grant(ClientCredentials)
    built.register_endpoint(Revocation)
    return built


server = _build()
