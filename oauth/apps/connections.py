"""Which apps may or might see a member's information, in the words of the App Management Console."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import data_types, grants
from consent.link_words import BASES
from consent.models import EndedBy, Grant, RepresentativeLink
from consent.policy import effective_scopes
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet
from oauth.apps import clients
from oauth.apps.attestation_words import attestation
from oauth.apps.clients import ClientView
from service.accounts.models import Account
from service.clock import now
from service.plan.models import Member
from service.plan_file import Plan

ENDED_BY: dict[EndedBy, LazyString] = {
    EndedBy.MEMBER: _("by the member"),
    EndedBy.REPRESENTATIVE: _("by a personal representative"),
    EndedBy.PLAN: _("by the plan"),
    EndedBy.APP: _("by the app"),
    EndedBy.TIME: _("because the time you chose was over"),
}


@dataclass(frozen=True)
class Connection:
    """One app that may see, or could see, the member's information."""

    grant: Grant
    app: ClientView
    live: bool
    attestation: str
    types: tuple[str, ...]
    sensitive: tuple[str, ...]
    returning: str
    connected_by: str
    last_used: datetime | None
    ended_at: datetime | None
    ended_by: str


def list_connections(session: Session, viewer: Account, choice: MemberChoice, plan: Plan) -> list[Connection]:
    """Every app with whom the member's data is or was shared, as far as this person may know, newest first."""
    return _connections(session, viewer, grants.for_member(session, viewer, choice), plan)


def list_of_member(session: Session, member: Member, plan: Plan) -> list[Connection]:
    """The same for the plan's own people: every app, whoever connected it."""
    return _connections(session, None, grants.of_member(session, member), plan)


def _connections(session: Session, viewer: Account | None, found: list[Grant], plan: Plan) -> list[Connection]:
    used = grants.last_used(session, [grant.id for grant in found])
    apps = {client_id: clients.get(session, client_id) for client_id in {grant.client_id for grant in found}}
    return [
        _connection(session, viewer, grant, apps[grant.client_id], plan, last_used=used.get(grant.id))
        for grant in found
    ]


def get_connection(
    session: Session, viewer: Account, choice: MemberChoice, plan: Plan, grant_id: str
) -> Connection:  # fmt: skip
    """One of them; raises consent.grants.UnknownGrant for any other."""
    grant = grants.get(session, viewer, choice, grant_id)
    used = grants.last_used(session, [grant.id])
    app = clients.get(session, grant.client_id)
    return _connection(session, viewer, grant, app, plan, last_used=used.get(grant.id))


def live(connections: Iterable[Connection]) -> list[Connection]:
    """Those that may come in now."""
    return [connection for connection in connections if connection.live]


def former(connections: Iterable[Connection]) -> list[Connection]:
    """Those whose access has ended, by whomever."""
    return [connection for connection in connections if not connection.live]


def _connection(
    session: Session, viewer: Account | None, grant: Grant, app: ClientView, plan: Plan, *, last_used: datetime | None
) -> Connection:
    link = session.get(RepresentativeLink, grant.link_id) if grant.link_id else None
    scopes = effective_scopes(grant.scopes, grant.scopes, app.scopes, link.scope_now if link else None)
    stands = grants.is_live(grant) and _right_stands(grant, link)
    return Connection(
        grant=grant,
        app=app,
        live=stands,
        attestation=attestation(app, plan),
        types=tuple(str(kind.name) for kind in data_types.asked(scopes)),
        sensitive=tuple(str(kind.name) for kind in data_types.find_sensitive(grant.sensitive_classes)),
        returning=_returning(scopes, offline=grant.offline),
        connected_by=_connected_by(viewer, grant, link),
        last_used=last_used,
        ended_at=None if stands else _ended_at(grant, link),
        ended_by="" if stands else _ended_by(session, viewer, grant, link),
    )


def _right_stands(grant: Grant, link: RepresentativeLink | None) -> bool:
    if link is None:
        return True
    return link.version == grant.link_version and MemberChoice(link.member, link).is_current(now())


def _connected_by(viewer: Account | None, grant: Grant, link: RepresentativeLink | None) -> str:
    if viewer is not None and grant.account_id == viewer.id:
        return str(gettext("You"))
    if link is None:
        return grant.account.full_name
    return str(gettext(
        "%(name)s, personal representative (%(basis)s)",
        name=grant.account.full_name, basis=str(BASES[link.basis]),
    ))  # fmt: skip


def _ended_at(grant: Grant, link: RepresentativeLink | None) -> datetime | None:
    moments = (grant.ended_at, grant.expires_at if grant.ended_at is None else None, _link_end(link))
    return min((moment for moment in moments if moment), default=None)


def _link_end(link: RepresentativeLink | None) -> datetime | None:
    if link is None:
        return None
    return min((moment for moment in (link.ended_at, link.valid_until) if moment), default=None)


def _ended_by(session: Session, viewer: Account | None, grant: Grant, link: RepresentativeLink | None) -> str:
    if grant.ended_at is None and not _right_stands(grant, link):
        return str(gettext("because the right to act for the member ended or changed"))
    if viewer is not None and grant.ended_by_account_id == viewer.id:
        return str(gettext("by you"))
    if grant.ended_by_account_id and (person := session.get(Account, grant.ended_by_account_id)):
        return str(gettext("by %(name)s", name=person.full_name))
    return str(ENDED_BY[grant.ended_by or EndedBy.TIME])


def _returning(scopes: ScopeSet, *, offline: bool) -> str:
    """When an app with these scopes looks for new information by itself."""
    if offline and "offline_access" in scopes:
        return str(gettext("Also while you are away"))
    if "online_access" in scopes:
        return str(gettext("Only while you are signed in here"))
    return str(gettext("Only when you open the app"))
