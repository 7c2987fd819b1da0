"""An authorization request: a table of checks from raw parameters to a validated value (SMART-16…21; OA-1…OA-9).

Order matters: who asks and where the answer goes are settled first and end on a page of ours; only then may an error
be sent to the app.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from authlib.oauth2 import OAuth2Error
from sqlalchemy.orm import Session

from consent.policy import effective_scopes
from consent.scopes import ScopeSet
from oauth import audience
from oauth.apps import clients, redirects
from oauth.authorization import launching
from oauth.errors import (
    InvalidRequest,
    InvalidScope,
    RequestNotSupported,
    RequestUriNotSupported,
    UnsupportedResponseType,
    UntrustedClient,
    UntrustedRedirect,
    UnusableRequest,
)
from oauth.models import Client, ClientStatus, LaunchHandle
from oauth.tokens import id_token_hints
from oauth.trials.checks import Check, because
from service.settings import Settings

MAX_STATE = 2048
MAX_SCOPES = 500
"""Twice what discovery offers in all; each is met with each of the app's and of the member's."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_THUMBPRINT = _CHALLENGE
_AGE = re.compile(r"[0-9]{1,9}", re.ASCII)
_UNSUPPORTED_WORDS = ("profile",)
_ENOUGH_ALONE = frozenset({"openid", "launch/patient", "launch"})
"""Words that make a request of their own: who signed in, or which member is meant."""
PROMPTS = frozenset({"none", "login", "consent", "select_account"})


@dataclass(frozen=True)
class AuthorizationRequest:
    """What an app validly asked for."""

    client: Client
    redirect_uri: str
    state: str
    scope: str
    code_challenge: str
    prompts: frozenset[str]
    nonce: str | None
    max_age: timedelta | None
    login_hint: str | None
    hinted_subject: str | None
    """The `sub` that the answer to prompt=none may be about; empty for nobody's, None for anybody's."""
    ui_locales: str | None
    launch: LaunchHandle | None
    dpop_jkt: str | None

    def authenticate_after(self, at: datetime) -> datetime | None:
        """The moment after which the person must have given the password, for a request made `at`; None for any."""
        if "login" in self.prompts:
            return at
        return None if self.max_age is None else at - self.max_age


class Refusal(Exception):
    """The request is refused, and the app may be told: where to, with which state and which error."""

    def __init__(self, client_id: str, redirect_uri: str, state: str, error: OAuth2Error) -> None:
        super().__init__(error.error)
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.state = state
        self.error = error


def validate(
    session: Session, given: dict[str, str], *, repeated: bool, settings: Settings, pushed: bool = False
) -> AuthorizationRequest:
    """The validated request. Raises a PageError while client, address or state are not trusted, else a Refusal.

    `given` holds the parameters that came once; `repeated` says that others came more often; `pushed` that the app sent
    them ahead under its own authentication (RFC 9126).
    """
    client = _trusted_client(session, given.get("client_id", ""))
    redirect_uri = _trusted_redirect(client, given.get("redirect_uri", ""), settings)
    state = given.get("state", "")
    if not state or len(state) > MAX_STATE:
        raise because(Check.STATE, UnusableRequest())
    try:
        if repeated:
            raise because(Check.REPEATED, InvalidRequest())
        if client.require_pushed_authorization_requests and not pushed:
            raise because(Check.PUSHED_ONLY, InvalidRequest())
        return _checked(session, client, redirect_uri, state, given, settings)
    except OAuth2Error as error:
        raise Refusal(client.id, redirect_uri, state, error) from None


def _trusted_client(session: Session, client_id: str) -> Client:
    client = clients.find(session, client_id)
    if client is None or client.status is not ClientStatus.APPROVED:
        raise because(Check.CLIENT, UntrustedClient())
    return client


def _trusted_redirect(client: Client, uri: str, settings: Settings) -> str:
    if not redirects.matches(client.redirect_uris, uri):
        raise because(Check.REDIRECT, UntrustedRedirect())
    try:
        # Again at use, so that an address that got past an older rule is refused now (case 5).
        redirects.require_registrable(uri, sandbox=settings.sandbox)
    except redirects.RedirectRefused:
        raise because(Check.REDIRECT, UntrustedRedirect()) from None
    return uri


def _checked(
    session: Session, client: Client, redirect_uri: str, state: str, given: dict[str, str], settings: Settings
) -> AuthorizationRequest:
    _refuse_request_objects(given)
    if given.get("response_type") != "code":
        raise because(Check.RESPONSE_TYPE, UnsupportedResponseType())
    if given.get("response_mode", "query") != "query":
        raise because(Check.RESPONSE_MODE, InvalidRequest())
    audience.require_ours(given, settings)
    scopes, launch = _scopes(client, given.get("scope", ""), given.get("launch"))
    prompts = _prompts(given.get("prompt", ""))
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        state=state,
        code_challenge=_challenge(given),
        scope=str(scopes),
        prompts=prompts,
        max_age=_max_age(given.get("max_age")),
        nonce=_short(given.get("nonce")),
        login_hint=_short(given.get("login_hint")),
        hinted_subject=_hinted(session, client, given.get("id_token_hint"), settings) if "none" in prompts else None,
        ui_locales=_short(given.get("ui_locales")),
        launch=None if launch is None else launching.get(session, client, launch),
        dpop_jkt=_thumbprint(given.get("dpop_jkt")),
    )


def _refuse_request_objects(given: dict[str, str]) -> None:
    if "request" in given:
        raise because(Check.REQUEST_OBJECT, RequestNotSupported())
    if "request_uri" in given:
        raise because(Check.REQUEST_OBJECT, RequestUriNotSupported())


def _challenge(given: dict[str, str]) -> str:
    # S256 for every client, confidential ones too; fullmatch, because `$` lets a trailing newline pass.
    challenge = given.get("code_challenge", "")
    if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise because(Check.CHALLENGE, InvalidRequest())
    return challenge


def _scopes(client: Client, asked: str, launch: str | None) -> tuple[ScopeSet, str | None]:
    """What may be asked for of what is asked, and the launch handle that goes with the scope `launch`."""
    if asked.count(" ") >= MAX_SCOPES:
        raise because(Check.SCOPE, InvalidScope())
    left = effective_scopes(asked, asked, client.scopes, None).without(*_UNSUPPORTED_WORDS)
    if launch is None and "launch/patient" in left:
        # An app that asks for either way of launching and was opened by itself.
        left = left.without("launch")
    if not left.resources and not _ENOUGH_ALONE.intersection(left.words):
        raise because(Check.SCOPE, InvalidScope())
    if (launch is None) == ("launch" in left):
        raise because(Check.LAUNCH, InvalidRequest())
    return left, launch


def _prompts(text: str) -> frozenset[str]:
    prompts = PROMPTS.intersection(text.split(" "))
    if "none" in prompts and len(text.split(" ")) > 1:
        raise because(Check.PARAMETER, InvalidRequest())
    return prompts


def _hinted(session: Session, client: Client, text: str | None, settings: Settings) -> str | None:
    # It names somebody only to the app that got it; its time may be over, as where an app asks anew it mostly is.
    if text is None:
        return None
    hint = id_token_hints.read(session, text, settings)
    return hint.subject if hint is not None and hint.client_id == client.id else ""


def _max_age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if not _AGE.fullmatch(text):
        raise because(Check.PARAMETER, InvalidRequest())
    return timedelta(seconds=int(text))


def _thumbprint(text: str | None) -> str | None:
    if text is not None and not _THUMBPRINT.fullmatch(text):
        raise because(Check.PARAMETER, InvalidRequest())
    return text


def _short(text: str | None) -> str | None:
    if text is not None and len(text) > MAX_STATE:
        raise because(Check.PARAMETER, InvalidRequest())
    return text
