"""Whether everything that a code or a refresh token hangs from still stands, and what it then allows."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from consent import grants, representatives
from consent.models import Duration, Grant, GrantStatus
from consent.policy import effective_scopes
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet
from oauth.errors import AccessPaused
from oauth.models import ClientStatus, TokenFamily
from oauth.statements import CallerFacts
from oauth.tokens.token_rows import ACCESS_LIFE
from oauth.trials.checks import Check, because
from service.accounts import sessions
from service.accounts.models import Account, AccountStatus
from service.clock import now

_GRANT = select(Grant, Account).join(Account, Account.id == Grant.account_id).where(Grant.id == bindparam("id"))
_AFRESH = {"populate_existing": True}


@dataclass(frozen=True, slots=True)
class Standing:
    """A live grant with the people it joins, and what its app may ask for."""

    grant: Grant
    account: Account
    choice: MemberChoice
    client_scopes: str

    def scopes(self, asked: str) -> ScopeSet:
        """What of `asked` may be given now: met with the ticks, the app's scopes and the representative's right."""
        link = self.choice.link
        met = effective_scopes(asked, self.grant.scopes, self.client_scopes, link.scope_now if link else None)
        return as_agreed(met, offline=self.grant.offline, duration=self.grant.duration)

    def may_return(self, session: Session, family: TokenFamily) -> bool:
        """Whether the app gets refresh tokens: for good, or while the sign-in lasts in which it was agreed."""
        return may_refresh(session, self.scopes(family.scope), self.account.id, family.login_session_id)

    def access_life(self) -> timedelta:
        """How long an access token given now lives: an hour, or to the end of the grant."""
        return min(ACCESS_LIFE, self.grant.expires_at - now())


@dataclass(frozen=True, slots=True)
class Recipient:
    """For whom tokens are being made: Authlib's "user" on our paths."""

    standing: Standing
    family: TokenFamily
    scopes: ScopeSet
    first: bool
    """Whether this is the exchange of a code (the ID token then carries the nonce) and not a refresh."""


def as_agreed(met: ScopeSet, *, offline: bool, duration: str) -> ScopeSet:
    """The scopes without those of refreshing that the member did not agree to."""
    met = met if offline else met.without("offline_access")
    # "This time only" is one access token.
    return met.without("online_access") if duration == Duration.ONCE else met


def may_refresh(session: Session, scopes: ScopeSet, account_id: str, login_session_id: str | None) -> bool:
    """Whether an app with these scopes refreshes: for good, or while the sign-in lasts in which it was agreed."""
    if "offline_access" in scopes or "online_access" not in scopes:
        return "offline_access" in scopes
    return login_session_id is not None and sessions.is_open(session, account_id, login_session_id)


def find(session: Session, grant_id: str, client: CallerFacts) -> Standing | None:
    """The grant with all its legs, read afresh; None when one of them does not stand at this moment.

    Raises AccessPaused where all would stand, had the member not paused the app.
    """
    found = session.execute(_GRANT, {"id": grant_id}, execution_options=_AFRESH).one_or_none()
    if found is None:
        return None
    grant, account = found[0], found[1]
    if grant.client_id != client.id or not grants.is_standing(grant):
        return None
    if account.status is not AccountStatus.ACTIVE or client.status != ClientStatus.APPROVED:
        return None
    choice = representatives.right_for(session, account, grant.member_id)
    if choice is None or _right(choice) != (grant.link_id, grant.link_version):
        return None
    if grant.status is GrantStatus.PAUSED:
        raise because(Check.PAUSED, AccessPaused())
    return Standing(grant, account, choice, client.scopes)


def _right(choice: MemberChoice) -> tuple[str | None, int | None]:
    return (choice.link.id, choice.link.version) if choice.link else (None, None)
