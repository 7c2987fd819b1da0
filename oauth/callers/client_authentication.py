"""Which app is calling: exactly one method, the registered one, and one answer for every failure (OA-25…29)."""

import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from flask import request as flask_request
from sqlalchemy.orm import Session

from oauth.apps import clients
from oauth.callers import assertions
from oauth.callers.assertions import Assertion, Proof
from oauth.errors import (
    DpopProofMissing,
    InvalidClient,
    InvalidDpopProof,
    InvalidRequest,
    TooManyAttempts,
    TooManyRequests,
)
from oauth.models import AuthMethod, ClientStatus
from oauth.requests import OAuthRequest
from oauth.statements import CallerFacts, find_caller, find_keyed_caller
from oauth.tokens import dpop, token_rows
from oauth.trials.checks import Check, because, claimed
from service import audit, web
from service.accounts import throttling
from service.clock import now
from service.db import Row, is_in_autocommit, microseconds

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
    assertion: Assertion | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """An app that proved itself, unless its assertion was used before."""

    facts: CallerFacts
    presented: Presented
    proof: Proof | None
    """What is still to be used up; None where the app shows no assertion."""


Look = Callable[[Session, str, str, int], CallerFacts | None]
"""How an app is looked up by its id: with what `find_caller` is given, and perhaps something else beside it."""


def authenticate(
    session: Session, request: OAuthRequest, methods: Collection[str], look: Look = find_caller
) -> CallerFacts:
    """The app that sent this request by one of `methods`. Raises InvalidRequest for two at once, else InvalidClient.

    Wrong secrets are counted for each app and network, so that guessing ends and no stranger locks the app out:
    its own right secret, from elsewhere, keeps working.
    """
    caller = examine(session, request, methods, look)
    spend(session, caller)
    return caller.facts


def examine(session: Session, request: OAuthRequest, methods: Collection[str], look: Look = find_caller) -> Caller:
    """The same, but for its assertion, which is left to `spend`: with what is written for it, or alone."""
    presented = _name_by_token(session, request, read(request))
    claimed(presented.client_id)
    at = microseconds(now())
    client, proof = _look(session, presented, at, look)
    fits = _fits(client, presented, proof, at)
    if client is None or not fits:
        raise _refusal(session, client, presented)
    # A right secret only looks: it must not queue behind the counter's row. Secrets are 256 random bits, so the few
    # wrong tries that a parallel burst slips through gain nothing.
    if presented.method is not AuthMethod.NONE and client.failures >= PER_CLIENT_AND_NETWORK:
        raise TooManyAttempts()
    if presented.method not in methods:
        raise InvalidClient()
    # What was proven counts for what was looked at then: the app may have changed its keys since.
    facts = client._replace(credentials_version=proof.credentials_version) if proof else client
    return Caller(facts, presented, proof)


def spend(session: Session, caller: Caller, rows: Sequence[Row] = ()) -> None:
    """Use up the caller's assertion, where it shows one; `rows`, which only its bearer gets, are written with it.

    Raises InvalidClient, and writes none of them, where it was used before.
    """
    assert caller.proof or not rows, "rows of a deed that hangs from no assertion have a transaction of their own"
    if caller.proof and not assertions.spend(session, caller.proof, rows):
        raise _refusal(session, caller.facts, caller.presented)


def require_within_limit(client: CallerFacts) -> None:
    """Count a request for a token; raises TooManyRequests. Anybody may name a public app: it is counted by network."""
    public = client.token_endpoint_auth_method == AuthMethod.NONE
    key = f"{client.id} {throttling.network_of(flask_request.remote_addr)}" if public else client.id
    if seconds := web.seconds_to_wait(web.latchstring().limits.tokens, key):
        raise TooManyRequests(seconds)


def prove_possession(session: Session, request: OAuthRequest, client: CallerFacts) -> None:
    """Keep in `request` the key that the app proves to hold, if any. Raises InvalidDpopProof, or DpopProofMissing."""
    request.dpop_jkt = proven_key(session, request)
    if client.dpop_bound_access_tokens and request.dpop_jkt is None:
        raise DpopProofMissing()


def proven_key(session: Session, request: OAuthRequest) -> str | None:
    """The key whose possession the caller proves by its DPoP header; None without one. Raises InvalidDpopProof."""
    proof = request.headers.get("DPoP")
    if proof is None:
        return None
    try:
        return dpop.prove(session, proof, method=request.method, uri=request.uri)
    except dpop.ProofRefused:
        raise InvalidDpopProof() from None


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
    assertion = assertions.read(form["client_assertion"])
    # RFC 7521 §4.2: a client_id beside it must name the same app.
    if assertion is None or form.get("client_id", assertion.issuer) != assertion.issuer:
        raise InvalidClient()
    return Presented(AuthMethod.PRIVATE_KEY, assertion.issuer, assertion=assertion)


def _form_decode(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")


def _look(session: Session, presented: Presented, at: int, look: Look) -> tuple[CallerFacts | None, Proof | None]:
    """Who is meant, and the proof of an assertion."""
    proof, here = None, _counter_here(presented.client_id)
    if not clients.is_possible(presented.client_id):
        return None, None
    if presented.assertion is not None:
        client, proof = _prove(session, presented, presented.assertion, here, at)
        if is_in_autocommit(session):
            return client, proof
    return look(session, presented.client_id, here, at), proof


def _prove(
    session: Session, presented: Presented, assertion: Assertion, here: str, at: int
) -> tuple[CallerFacts | None, Proof | None]:  # fmt: skip
    """The proof of an assertion, worked out before the request's transaction begins: the app's server may be slow.

    Nothing is fetched for whoever would be refused anyway, or has failed too often from here.
    """
    outside = nullcontext(session) if is_in_autocommit(session) else closing(web.latchstring().reading.open())
    with outside as reading:
        client, keys = find_keyed_caller(reading, presented.client_id, here, at)
        if client is None or keys is None or not _is_registered_so(client, presented):
            return client, None
        if client.failures >= PER_CLIENT_AND_NETWORK:
            return client, None
        return client, assertions.prove(reading, client.id, keys, assertion, web.settings())


def _fits(client: CallerFacts | None, presented: Presented, proof: Proof | None, at: int) -> bool:
    right_secret = clients.secret_fits(client, presented.secret, at)
    if client is None or not _is_registered_so(client, presented):
        return False
    if presented.method is AuthMethod.PRIVATE_KEY:
        return proof is not None
    return presented.method is AuthMethod.NONE or right_secret


def _refusal(session: Session, client: CallerFacts | None, presented: Presented) -> InvalidClient | TooManyAttempts:
    """The one answer to all failures, counted and with its audit row; TooManyAttempts where there were too many."""
    if presented.method is not AuthMethod.NONE and not _count(session, presented.client_id):
        return TooManyAttempts()
    audit.record(
        session, "oauth:client:authenticate", outcome=audit.Outcome.REFUSED, client_id=client.id if client else None
    )
    return because(_why(client, presented), InvalidClient())


def _is_registered_so(client: CallerFacts, presented: Presented) -> bool:
    approved = client.status == ClientStatus.APPROVED
    return approved and client.token_endpoint_auth_method == presented.method


def _why(client: CallerFacts | None, presented: Presented) -> Check:
    if client is None or client.status != ClientStatus.APPROVED:
        return Check.CLIENT
    return Check.CREDENTIAL if client.token_endpoint_auth_method == presented.method else Check.METHOD


def _counter_here(client_id: str) -> str:
    return f"client-here:{throttling.hidden(client_id, throttling.network_of(flask_request.remote_addr))}"


def _count(session: Session, client_id: str) -> bool:
    """Count a failure; whether it is one of those that are answered as such."""
    within = throttling.hit(session, _counter_here(client_id), PER_CLIENT_AND_NETWORK, WINDOW)
    everywhere = throttling.hit(session, f"client:{throttling.hidden(client_id)}", PER_CLIENT, WINDOW)
    return within and everywhere
