"""Which app is calling: exactly one method, the registered one, and one answer for every failure (OA-25…29)."""

import base64
import binascii
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from flask import request as flask_request
from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth import clients, tokens
from oauth.errors import InvalidClient, InvalidRequest, TooManyAttempts
from oauth.models import AuthMethod, Client, ClientStatus
from oauth.requests import OAuthRequest
from service import audit
from service.accounts import throttling
from service.accounts.models import AttemptCounter
from service.clock import now

WINDOW = 300
PER_CLIENT_AND_NETWORK = 10
PER_CLIENT = 100
_MAX_HEADER = 4096


@dataclass(frozen=True, slots=True)
class Presented:
    """What the request shows of the app: the method, the id it claims, and the secret if any."""

    method: AuthMethod
    client_id: str
    secret: str


def authenticate(session: Session, request: OAuthRequest) -> Client:
    """The app that sent this request. Raises InvalidRequest for two methods at once, else InvalidClient.

    Wrong secrets are counted for each app and network, so that guessing ends and no stranger locks the app out:
    its own right secret, from elsewhere, keeps working.
    """
    presented = _name_by_token(session, request, read(request))
    client = clients.find(session, presented.client_id)
    fits = _fits(client, presented)
    if presented.method is not AuthMethod.NONE:
        _throttle(session, presented.client_id, fits)
    if client is None or not fits:
        audit.record(
            session, "oauth:client:authenticate", outcome=audit.Outcome.REFUSED, client_id=client.id if client else None
        )
        raise InvalidClient()
    return client


def read(request: OAuthRequest) -> Presented:
    """The one method that the request uses."""
    header, form = request.headers.get("Authorization"), request.form
    methods = [header is not None, "client_secret" in form, "client_assertion" in form]
    if sum(methods) > 1:
        raise InvalidRequest()
    if "client_assertion" in form or "client_assertion_type" in form:
        raise InvalidClient()
    if header is not None:
        return _read_basic(header, form.get("client_id"))
    method = AuthMethod.POST if "client_secret" in form else AuthMethod.NONE
    return Presented(method, form.get("client_id", ""), form.get("client_secret", ""))


def _name_by_token(session: Session, request: OAuthRequest, presented: Presented) -> Presented:
    # RFC 6749 §6 asks public apps for no client_id at refresh, and npm's fhirclient sends none: the token, bound to its
    # app, names it. An app with a secret still has to show it.
    given = request.form.get("refresh_token")
    if presented.client_id or presented.method is not AuthMethod.NONE or not given:
        return presented
    found = tokens.find_refresh_token(session, given)
    return replace(presented, client_id=found[1].client_id) if found else presented


def _read_basic(header: str, in_body: str | None) -> Presented:
    # RFC 6749 §2.3.1: split at the first colon, then form-decode both halves.
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _MAX_HEADER:
        raise InvalidClient()
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        presented = Presented(AuthMethod.BASIC, _form_decode(client_id), _form_decode(secret))
    except (binascii.Error, ValueError):
        raise InvalidClient() from None
    if not colon or (in_body is not None and in_body != presented.client_id):
        raise InvalidClient()
    return presented


def _form_decode(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")


def _fits(client: Client | None, presented: Presented) -> bool:
    right_secret = clients.secret_fits(client, presented.secret)
    if client is None or client.status is not ClientStatus.APPROVED:
        return False
    if client.token_endpoint_auth_method is not presented.method:
        return False
    return presented.method is AuthMethod.NONE or right_secret


def _throttle(session: Session, client_id: str, fits: bool) -> None:
    # A right secret only looks: it must not queue behind the counter's row. Secrets are 256 random bits, so the few
    # wrong tries that a parallel burst slips through gain nothing.
    here = f"client-here:{throttling.hidden(client_id, throttling.network_of(flask_request.remote_addr))}"
    if fits:
        if _failures(session, here) >= PER_CLIENT_AND_NETWORK:
            raise TooManyAttempts()
        return
    within = throttling.hit(session, here, PER_CLIENT_AND_NETWORK, WINDOW)
    everywhere = throttling.hit(session, f"client:{throttling.hidden(client_id)}", PER_CLIENT, WINDOW)
    if not within or not everywhere:
        raise TooManyAttempts()


def _failures(session: Session, key: str) -> int:
    statement = select(AttemptCounter.count).where(AttemptCounter.key == key, AttemptCounter.expires_at > now())
    return session.scalar(statement) or 0
