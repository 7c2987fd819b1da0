"""The way of an authorization request: begun, kept, shown to its person, answered once.

`begin` keeps a valid request. The consent page reads it with `get_pending`, asks `goes_straight_through` whether all
of it was agreed to before, and ends it with `answer` or `refuse`, each of which returns the address to send the browser
to.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from authlib.oauth2 import OAuth2Error
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from consent import grants
from consent.grant_terms import RETURNING
from consent.models import Grant
from consent.policy import effective_scopes
from consent.representatives import MemberChoice, right_for
from consent.scopes import ScopeSet, parse
from oauth.apps import admission, clients, redirects
from oauth.apps.clients import ClientView
from oauth.authorization import launching
from oauth.authorization.authorization_request import AuthorizationRequest, Refusal
from oauth.errors import AccessDenied, ConsentRequired, InvalidRequest, RequestOver
from oauth.exchanges.code_exchange import Approval
from oauth.exchanges.standing import Standing
from oauth.models import AuthorizationCode, LaunchHandle, PendingAuthorization
from oauth.requests import OAuthRequest
from oauth.server import refusal_url, server
from oauth.trials import tracing
from oauth.trials.checks import Check, failed
from oauth.trials.models import Seen
from service import audit, single_use, web
from service.accounts.models import Account
from service.accounts.sessions import Login
from service.clock import now
from service.db import new_id

__all__ = [
    "AccessDenied", "ConsentRequired", "PendingView", "answer", "askable", "begin", "bind", "get_pending",
    "goes_straight_through", "note_shown", "refuse", "standing_grant",
]  # fmt: skip
LIFE = timedelta(hours=1)
"""How long a request waits since its question was last shown; a page shown again begins it anew (decision 128)."""
LONGEST = timedelta(hours=12)
"""How long it waits at most: as long as a login session."""
# A page that is only loaded again at once is not written down again.
_UNWRITTEN = timedelta(minutes=1)
_CHALLENGE_MEMORY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class PendingView:
    """A kept request as pages may know it."""

    id: str
    client: ClientView
    reviewed: bool
    """Whether the plan has approved some version of the app; one of the sandbox works without."""
    scopes: ScopeSet
    redirect_uri: str
    prompts: frozenset[str]
    login_hint: str | None
    hinted_subject: str | None
    ui_locales: str | None
    authenticate_after: datetime | None
    launched_member_id: str | None
    launched_in: str | None
    begun_at: datetime
    expires_at: datetime
    shown: bool
    """Whether its person has seen the question before."""

    @property
    def form_action(self) -> str:
        """What the consent page's Content-Security-Policy must allow as target of its form."""
        return redirects.form_action(self.redirect_uri)

    @property
    def listed(self) -> bool:
        """Whether the gallery shows the app."""
        return self.reviewed and self.client.is_approved

    @property
    def must_ask(self) -> bool:
        """Whether consent is asked even if the same was agreed before (OA-16; prompt=consent)."""
        assured = self.client.identity_assured and not redirects.is_loopback(self.redirect_uri)
        return "consent" in self.prompts or not assured

    def needs_sign_in(self, login: Login | None) -> bool:
        """Whether the person has to sign in first: not signed in, or too long ago for this request."""
        return login is None or self.needs_password(login) or self.needs_factor(login)

    def needs_password(self, login: Login) -> bool:
        """Whether the password was given too long ago for this request."""
        return self.authenticate_after is not None and login.session.authenticated_at < self.authenticate_after

    def needs_factor(self, login: Login) -> bool:
        """Whether the second factor has to be shown again, since the password had to be given again."""
        return self.authenticate_after is not None and not login.factor_is_recent()

    def was_launched_elsewhere(self, login: Login | None) -> bool:
        """Whether the portal opened the app in another login session than the one at hand."""
        return self.launched_in is not None and (login is None or login.session.id != self.launched_in)

    def may_be_about(self, choice: MemberChoice) -> bool:
        """Whether the request may be answered for this member: where the portal opened the app, for that one only."""
        return self.launched_member_id in {None, choice.member.id}

    def asks_which_account(self, login: Login) -> bool:
        """Whether the app wants the account chosen (prompt=select_account), and no sign-in has done so since."""
        return "select_account" in self.prompts and login.session.created_at < self.begun_at


def begin(session: Session, asked: AuthorizationRequest) -> str:
    """Keep a validated request for an hour; returns its id.

    Raises Refusal when its challenge was seen just now, or another request used its launch handle first.
    """
    if _challenge_seen(session, asked):
        failed(Check.CHALLENGE_REUSED)
        raise Refusal(asked.client.id, asked.redirect_uri, asked.state, InvalidRequest())
    at, launch = now(), asked.launch
    if launch is not None:
        _use_up(session, asked, launch)
    kept = PendingAuthorization(
        id=new_id(), client_id=asked.client.id, redirect_uri=asked.redirect_uri, scope=asked.scope, state=asked.state,
        nonce=asked.nonce, code_challenge=asked.code_challenge, prompt=" ".join(sorted(asked.prompts)),
        login_hint=asked.login_hint, hinted_subject=asked.hinted_subject, ui_locales=asked.ui_locales,
        authenticate_after=asked.authenticate_after(at),
        launched_member_id=launch.member_id if launch else None,
        launched_in=launch.login_session_id if launch else None,
        need_patient_banner=launch.need_patient_banner if launch else True, dpop_jkt=asked.dpop_jkt, created_at=at,
        expires_at=at + LIFE,
    )  # fmt: skip
    session.add(kept)
    session.flush()
    return kept.id


def bind(session: Session, request_id: str, browser_id: str) -> None:
    """Bind a kept request to the first browser that opens it.

    Not done at the POST that begins it: a foreign site's POST comes without our SameSite cookie.
    """
    session.execute(
        update(PendingAuthorization)
        .where(PendingAuthorization.id == request_id, PendingAuthorization.browser.is_(None))
        .values(browser=browser_id)
    )


def get_pending(session: Session, request_id: str, browser_id: str) -> PendingView:
    """The kept request; raises RequestOver when it is unknown, answered, over, or another browser's."""
    return _view(*_row(session, request_id, browser_id))


def note_shown(session: Session, pending: PendingView) -> None:
    """The question of a request is on its person's screen: kept for the funnel of its app, and it waits anew."""
    mine, at = PendingAuthorization.id == pending.id, now()
    first = {} if pending.shown else {"shown_at": at}
    until = min(at + LIFE, pending.begun_at + LONGEST)
    if first or until - pending.expires_at > _UNWRITTEN:
        session.execute(update(PendingAuthorization).where(mine).values(expires_at=until, **first))


def standing_grant(session: Session, pending: PendingView, account: Account, choice: MemberChoice) -> Grant | None:
    """The live grant by which this request may be answered in silence; None when consent has to be asked (OA-16).

    An app that cannot have anybody asked gets what stands, also where its ask was answered by less.
    """
    if pending.must_ask:
        return None
    grant = grants.live_grant(session, account.id, choice.member.id, pending.client.id)
    if grant is None or goes_straight_through(pending, grant, choice):
        return grant
    return grant if grants.already_answered(grant, pending.scopes, choice.link) else None


def goes_straight_through(pending: PendingView, grant: Grant, choice: MemberChoice) -> bool:
    """Whether the grant that stands gives all that this request asks for, so that nobody is asked (OA-16)."""
    return not pending.must_ask and grants.already_agreed(grant, askable(pending, choice), choice.link)


def askable(pending: PendingView, choice: MemberChoice) -> ScopeSet:
    """What of the request may be agreed to for this member: what its app may ask for, within the right of who says."""
    asked = str(pending.scopes)
    return effective_scopes(asked, asked, pending.client.scopes, choice.link.scope_now if choice.link else None)


def answer(session: Session, pending: PendingView, *, grant: Grant, login: Login, once: bool = False) -> str:
    """Spend the request and make a code under `grant`; returns where to send the browser.

    `once`: agreed to for this time only. The code gets one access token and no refresh token, whatever else the app
    may do by the grant.

    Raises RequestOver when it was answered already, or the sign-in does not meet what the app asked for.
    """
    kept = _spend(session, pending)
    choice = _right(session, login.account, grant)
    if grant.client_id != kept.client_id or grant.account_id != login.account.id or pending.needs_sign_in(login):
        raise RequestOver
    if pending.was_launched_elsewhere(login) or not pending.may_be_about(choice):
        raise RequestOver
    standing = Standing(grant, login.account, choice, kept.client.scopes)
    settings = web.settings()
    request = OAuthRequest(
        "GET", f"{settings.base_url}/oauth/authorize", {"response_type": "code", "client_id": kept.client_id}
    )
    request.pending = kept
    asked = parse(kept.scope).without(*RETURNING) if once else kept.scope
    approval = Approval(standing, login.session, str(asked))
    response = server.create_authorization_response(
        request, grant_user=approval, grant=server.get_authorization_grant(request)
    )
    audit.record(
        session, "oauth:authorization:answer", account_id=grant.account_id, member_id=grant.member_id,
        link_id=grant.link_id, client_id=grant.client_id, grant_id=grant.id,
    )  # fmt: skip
    tracing.note(Seen.CODE, grant.client_id)
    return str(response.headers["Location"])


def refuse(session: Session, pending: PendingView, error: OAuth2Error | None = None) -> str:
    """Spend the request without a code (the person said no, unless another error is given); returns where to go."""
    kept = _spend(session, pending)
    reason = error or AccessDenied()
    audit.record(
        session, "oauth:authorization:refuse", outcome=audit.Outcome.REFUSED, client_id=kept.client_id,
        detail={"error": str(reason.error)},
    )  # fmt: skip
    tracing.note(Seen.REFUSED, kept.client_id, str(reason.error))
    return refusal_url(kept.redirect_uri, kept.state, reason)


def _use_up(session: Session, asked: AuthorizationRequest, launch: LaunchHandle) -> None:
    try:
        launching.spend(session, asked.client, launch)
    except InvalidRequest as error:
        raise Refusal(asked.client.id, asked.redirect_uri, asked.state, error) from None


def _challenge_seen(session: Session, asked: AuthorizationRequest) -> bool:
    # An app that always sends one challenge has no PKCE (OA-8).
    seen = exists().where(
        AuthorizationCode.client_id == asked.client.id,
        AuthorizationCode.code_challenge == asked.code_challenge,
        AuthorizationCode.created_at > now() - _CHALLENGE_MEMORY,
    )
    return bool(session.scalar(select(seen)))


def _row(session: Session, request_id: str, browser_id: str) -> tuple[PendingAuthorization, bool]:
    """The kept request, and whether the plan has approved some version of its app."""
    if len(request_id) > 36 or not request_id.isprintable():
        raise RequestOver
    wanted = select(PendingAuthorization, admission.reviewed(PendingAuthorization.client_id))
    mine = wanted.where(PendingAuthorization.id == request_id)
    found = session.execute(mine, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise RequestOver
    row, reviewed = found
    at = now()
    if row.browser != browser_id or row.spent_at is not None:
        raise RequestOver
    if not row.created_at <= at < row.expires_at:
        raise RequestOver
    return row, reviewed


def _view(row: PendingAuthorization, reviewed: bool) -> PendingView:
    return PendingView(
        id=row.id,
        client=clients.view(row.client),
        reviewed=reviewed,
        scopes=parse(row.scope),
        redirect_uri=row.redirect_uri,
        prompts=frozenset(row.prompt.split()),
        login_hint=row.login_hint,
        hinted_subject=row.hinted_subject,
        ui_locales=row.ui_locales,
        authenticate_after=row.authenticate_after,
        launched_member_id=row.launched_member_id,
        launched_in=row.launched_in,
        begun_at=row.created_at,
        expires_at=row.expires_at,
        shown=row.shown_at is not None,
    )


def _spend(session: Session, pending: PendingView) -> PendingAuthorization:
    mine = PendingAuthorization.id == pending.id
    if not single_use.spend(session, PendingAuthorization, mine, PendingAuthorization.expires_at > now()):
        raise RequestOver
    return session.get_one(PendingAuthorization, pending.id, populate_existing=True)


def _right(session: Session, account: Account, grant: Grant) -> MemberChoice:
    choice = right_for(session, account, grant.member_id)
    if choice is None:
        raise RequestOver
    return choice
