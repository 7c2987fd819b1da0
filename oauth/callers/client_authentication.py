"""Which app is calling: exactly one method, the registered one, and one answer for every failure (OA-25…29)."""

import base64
import binascii
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from flask import request as flask_request
from sqlalchemy.orm import Session

from oauth.apps import clients
from oauth.callers import assertions
from oauth.callers.assertions import Proof
from oauth.errors import InvalidClient, InvalidRequest, TooManyAttempts
from oauth.models import AuthMethod, ClientStatus
from oauth.requests import OAuthRequest
from oauth.statements import CallerFacts, find_caller
from oauth.tokens import token_rows
from oauth.trials.checks import Check, because, claimed
from service import audit, web
from service.accounts import throttling
from service.clock import now
from service.db import microseconds

WINDOW = 300
PER_CLIENT_AND_NETWORK = 10
PER_CLIENT = 100
_MAX_HEADER = 4096


@dataclass(frozen=True, slots=True)
class Presented:
    """What the request shows of the app: the method, the id it claims, and the secret or the assertion if any."""

    method: AuthMethod
    client_id: str
    secret: str = ""
    assertion: str = ""


def authenticate(session: Session, request: OAuthRequest, methods: Collection[str]) -> CallerFacts:
    """The app that sent this request by one of `methods`. Raises InvalidRequest for two at once, else InvalidClient.

    Wrong secrets are counted for each app and network, so that guessing ends and no stranger locks the app out:
    its own right secret, from elsewhere, keeps working.
    """
    presented = _name_by_token(session, request, read(request))
    claimed(presented.client_id)
    here, at = _counter_here(presented.client_id), microseconds(now())
    possible = clients.is_possible(presented.client_id)
    proof = _prove(presented, here, at) if presented.assertion and possible else None
    client = find_caller(session, presented.client_id, here, at) if possible else None
    fits = _fits(session, client, presented, proof, at)
    if presented.method is not AuthMethod.NONE:
        _throttle(session, presented.client_id, here, client.failures if client and fits else None)
    if client is None or not fits:
        audit.record(
            session, "oauth:client:authenticate", outcome=audit.Outcome.REFUSED, client_id=client.id if client else None
        )
        raise because(_why(client, presented), InvalidClient())
    if presented.method not in methods:
        raise InvalidClient()
    # What was proven counts for what was looked at then: the app may have changed its keys since.
    return client._replace(credentials_version=proof.credentials_version) if proof else client


def read(request: OAuthRequest) -> Presented:
    """The one method that the request uses."""
    header, form = request.headers.get("Authorization"), request.form
    methods = [header is not None, "client_secret" in form, "client_assertion" in form]
    if sum(methods) > 1:
        raise InvalidRequest()
    if "client_assertion" in form or "client_assertion_type" in form:
        return _read_assertion(form)
    if header is not None:
        return _read_basic(header, form.get("client_id"))
    method = AuthMethod.POST if "client_secret" in form else AuthMethod.NONE
    return Presented(method, form.get("client_id", ""), secret=form.get("client_secret", ""))


def _name_by_token(session: Session, request: OAuthRequest, presented: Presented) -> Presented:
    # RFC 6749 §6 asks public apps for no client_id at refresh, and npm's fhirclient sends none: the token, bound to its
    # app, names it. An app with a secret still has to show it.
    given = request.form.get("refresh_token")
    if presented.client_id or presented.method is not AuthMethod.NONE or not given:
        return presented
    found = token_rows.find_refresh_token(session, given)
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


def _read_assertion(form: Mapping[str, str]) -> Presented:
    if form.get("client_assertion_type") != assertions.TYPE or "client_assertion" not in form:
        raise InvalidRequest()
    named = assertions.claimed_client(form["client_assertion"])
    # RFC 7521 §4.2: a client_id beside it must name the same app.
    if named is None or form.get("client_id", named) != named:
        raise InvalidClient()
    return Presented(AuthMethod.PRIVATE_KEY, named, assertion=form["client_assertion"])


def _form_decode(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")


def _prove(presented: Presented, here: str, at: int) -> Proof | None:
    """The proof of an assertion, worked out before the request's transaction begins: the app's server may be slow.

    Nothing is fetched for whoever would be refused anyway, or has failed too often from here.
    """
    with closing(web.latchstring().reading.open()) as session:
        client = find_caller(session, presented.client_id, here, at)
        if client is None or not _is_registered_so(client, presented) or client.failures >= PER_CLIENT_AND_NETWORK:
            return None
        return assertions.prove(session, client.id, presented.assertion, web.settings())


def _fits(
    session: Session, client: CallerFacts | None, presented: Presented, proof: Proof | None, at: int
) -> bool:  # fmt: skip
    right_secret = clients.secret_fits(client, presented.secret, at)
    if client is None or not _is_registered_so(client, presented):
        return False
    if presented.method is AuthMethod.PRIVATE_KEY:
        return proof is not None and assertions.spend(session, proof)
    return presented.method is AuthMethod.NONE or right_secret


def _is_registered_so(client: CallerFacts, presented: Presented) -> bool:
    approved = client.status == ClientStatus.APPROVED
    return approved and client.token_endpoint_auth_method == presented.method


def _why(client: CallerFacts | None, presented: Presented) -> Check:
    if client is None or client.status != ClientStatus.APPROVED:
        return Check.CLIENT
    return Check.CREDENTIAL if client.token_endpoint_auth_method == presented.method else Check.METHOD


def _counter_here(client_id: str) -> str:
    return f"client-here:{throttling.hidden(client_id, throttling.network_of(flask_request.remote_addr))}"


def _throttle(session: Session, client_id: str, here: str, failures: int | None) -> None:
    """`failures` so far where the secret is right, None where it is wrong."""
    # A right secret only looks: it must not queue behind the counter's row. Secrets are 256 random bits, so the few
    # wrong tries that a parallel burst slips through gain nothing.
    if failures is not None:
        if failures >= PER_CLIENT_AND_NETWORK:
            raise TooManyAttempts()
        return
    within = throttling.hit(session, here, PER_CLIENT_AND_NETWORK, WINDOW)
    everywhere = throttling.hit(session, f"client:{throttling.hidden(client_id)}", PER_CLIENT, WINDOW)
    if not within or not everywhere:
        raise TooManyAttempts()
