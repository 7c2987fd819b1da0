"""Which apps may or might see a member's information, in the words of the App Management Console."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import data_types, grant_ends, grant_lists, grants
from consent.link_standing import right_stands
from consent.link_words import BASES
from consent.models import Duration, EndedBy, Grant, GrantStatus
from consent.policy import effective_scopes
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet
from oauth.apps import clients
from oauth.apps.attestation_words import attestation
from oauth.apps.clients import ClientView
from service.accounts.models import Account
from service.plan.models import Member
from service.plan_file import Plan

ENDED_BY: dict[EndedBy, LazyString] = {
    EndedBy.MEMBER: _("by the member"),
    EndedBy.REPRESENTATIVE: _("by a personal representative"),
    EndedBy.PLAN: _("by the plan"),
    EndedBy.APP: _("by the app"),
    EndedBy.TIME: _("because the time that was chosen was over"),
}


@dataclass(frozen=True)
class Connection:
    """One app that may see, or could see, the member's information. A paused one stands, and sees nothing.

    `scopes` are what of the grant counts now: within the app's own scopes and the representative's right.
    """

    grant: Grant
    app: ClientView
    live: bool
    paused: bool
    scopes: ScopeSet
    attestation: str
    types: tuple[str, ...]
    sensitive: tuple[str, ...]
    returning: str
    connected_by: str
    by_representative: bool
    last_used: datetime | None
    ended_at: datetime | None
    ended_by: str
    paused_by: str

    @property
    def standing(self) -> bool:
        """Whether it has not ended."""
        return self.live or self.paused

    @property
    def held(self) -> bool:
        """Whether it has ended, and the member's pause still keeps its representative from connecting it anew."""
        return not self.standing and self.by_representative and self.grant.paused_by is EndedBy.MEMBER


def list_connections(session: Session, viewer: Account, choice: MemberChoice, plan: Plan) -> list[Connection]:
    """Every app with whom the member's data is or was shared, as far as this person may know; standing ones first."""
    return _connections(session, viewer, grant_lists.for_member(session, viewer, choice), plan)


def list_page(
    session: Session, viewer: Account, choice: MemberChoice, plan: Plan, number: int
) -> tuple[list[Connection], int]:  # fmt: skip
    """A page of the same list, counted from 1, and how many there are; see `grant_lists.page_for_member`."""
    found = grant_lists.page_for_member(session, viewer, choice, number)
    return _connections(session, viewer, found.grants, plan), found.pages


def list_of_member(session: Session, member: Member, plan: Plan) -> list[Connection]:
    """The same for the plan's own people: every app, whoever connected it."""
    return _connections(session, None, grant_lists.of_member(session, member), plan)


def _connections(session: Session, viewer: Account | None, found: list[Grant], plan: Plan) -> list[Connection]:
    used = grants.last_used(session, [grant.id for grant in found])
    apps = clients.get_several(session, {grant.client_id for grant in found})
    return [_connection(viewer, grant, apps[grant.client_id], plan, last_used=used.get(grant.id)) for grant in found]


def get_connection(
    session: Session, viewer: Account, choice: MemberChoice, plan: Plan, grant_id: str
) -> Connection:  # fmt: skip
    """One of them; raises consent.grants.UnknownGrant for any other."""
    grant = grants.get(session, viewer, choice, grant_id)
    return of_grant(session, viewer, grant, plan)


def of_grant(session: Session, viewer: Account, grant: Grant, plan: Plan) -> Connection:
    """A grant that was looked up, in words; when it was last used is not looked for."""
    return _connection(viewer, grant, clients.get(session, grant.client_id), plan, last_used=None)


def live(connections: Iterable[Connection]) -> list[Connection]:
    """Those that may come in now."""
    return [connection for connection in connections if connection.live]


def paused(connections: Iterable[Connection]) -> list[Connection]:
    """Those that may come in again when they are resumed."""
    return [connection for connection in connections if connection.paused]


def former(connections: Iterable[Connection]) -> list[Connection]:
    """Those whose access has ended, by whomever."""
    return [connection for connection in connections if not connection.standing]


def _connection(
    viewer: Account | None, grant: Grant, app: ClientView, plan: Plan, *, last_used: datetime | None
) -> Connection:  # fmt: skip
    link = grant.link
    scopes = effective_scopes(grant.scopes, grant.scopes, app.scopes, link.scope_now if link else None)
    stands = grants.is_standing(grant) and right_stands(grant)
    is_paused = stands and grant.status is GrantStatus.PAUSED
    return Connection(
        grant=grant,
        app=app,
        live=stands and not is_paused,
        paused=is_paused,
        scopes=scopes,
        attestation=attestation(app, plan),
        types=tuple(data_types.names(scopes)),
        sensitive=tuple(str(kind.name) for kind in data_types.find_sensitive(grant.sensitive_classes)),
        returning=returning(_while_agreed(grant, scopes), offline=grant.offline),
        connected_by=_connected_by(viewer, grant),
        by_representative=link is not None,
        last_used=last_used,
        ended_at=None if stands else grant_ends.over_since(grant),
        ended_by="" if stands else _ended_by(viewer, grant),
        paused_by=_paused_by(viewer, grant) if is_paused else "",
    )


def _while_agreed(grant: Grant, scopes: ScopeSet) -> ScopeSet:
    # Older grants for once name it all the same; it counts for nothing.
    return scopes.without("online_access") if grant.duration is Duration.ONCE else scopes


def _connected_by(viewer: Account | None, grant: Grant) -> str:
    link = grant.link
    if viewer is not None and grant.account_id == viewer.id:
        return str(gettext("You"))
    if link is None:
        return grant.account.full_name
    return str(gettext(
        "%(name)s, personal representative (%(basis)s)",
        name=grant.account.full_name, basis=str(BASES[link.basis]),
    ))  # fmt: skip


def _ended_by(viewer: Account | None, grant: Grant) -> str:
    if grant_ends.is_by_right(grant):
        return str(gettext("because the right to act for the member ended or changed"))
    if viewer is not None and grant.ended_by_account_id == viewer.id:
        return str(gettext("by you"))
    if grant.ender is not None:
        return str(gettext("by %(name)s", name=grant.ender.full_name))
    return str(ENDED_BY[grant.ended_by or EndedBy.TIME])


def _paused_by(viewer: Account | None, grant: Grant) -> str:
    """Who paused it. A representative's pause is read, by name, by the member, by the plan's people and by themselves.

    Where the plan lifted the member's, whoever gave the grant did not pause it.
    """
    is_members = grant.paused_by is EndedBy.MEMBER or grant.pauser_id not in {None, grant.account_id}
    if viewer is not None and (viewer.member_id == grant.member_id if is_members else viewer.id == grant.account_id):
        return str(gettext("by you"))
    if grant.pauser_id is not None and not is_members:
        return str(gettext("by %(name)s", name=grant.account.full_name))
    return str(ENDED_BY[EndedBy.MEMBER if is_members else EndedBy.REPRESENTATIVE])


def returning(scopes: ScopeSet, *, offline: bool) -> str:
    """When an app with these scopes looks for new information by itself."""
    if offline and "offline_access" in scopes:
        return str(gettext("Also while you are away"))
    if "online_access" in scopes:
        return str(gettext("Only while you are signed in here"))
    return str(gettext("Only when you open the app"))
