"""The story of a connection in sentences: given, paused, resumed, narrowed, ended; when and by whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from consent.models import ChangeKind, GrantChange
from oauth.apps.connections import Connection
from service.accounts.models import Account

CHANGES: dict[ChangeKind, LazyString] = {
    ChangeKind.PAUSED: _("Paused"),
    ChangeKind.RESUMED: _("Resumed"),
    ChangeKind.NARROWED: _("Made to share less"),
}


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    at: datetime
    what: str
    by: str


def story_of(connection: Connection, changes: Iterable[GrantChange], viewer: Account) -> list[Event]:
    """What happened, the latest first. `connection` is as the viewer sees it."""
    grant = connection.grant
    told = [Event(grant.created_at, gettext("Connected"), connection.connected_by)]
    if grant.decision.at > grant.created_at:
        told.append(Event(grant.decision.at, gettext("Agreed to anew"), connection.connected_by))
    told += [Event(one.at, str(CHANGES[one.kind]), name_of(one.account, viewer)) for one in changes]
    if not connection.standing and connection.ended_at:
        told.append(Event(connection.ended_at, gettext("Ended"), connection.ended_by))
    return sorted(told, key=lambda event: event.at, reverse=True)


def name_of(account: Account, viewer: Account) -> str:
    """The person as the viewer knows them."""
    return gettext("You") if account.id == viewer.id else account.full_name
