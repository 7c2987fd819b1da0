"""The story of a connection in sentences: given, renewed, paused, narrowed, ended; when, by whom, and what was left."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from consent import data_types
from consent.grant_changes import Renewal
from consent.models import ChangeKind, GrantChange
from consent.scopes import ScopeSet, parse
from oauth.apps import connections
from oauth.apps.connections import Connection
from service.accounts.models import Account
from service.member.layout import last_day

CHANGES: dict[ChangeKind, LazyString] = {
    ChangeKind.PAUSED: _("Paused"),
    ChangeKind.RESUMED: _("Resumed"),
    ChangeKind.NARROWED: _("Changed to share less"),
}

Happened = GrantChange | Renewal


class Names(Protocol):
    """What types of information and very personal topics are called, and in which language (empty for the page's)."""

    @property
    def spoken(self) -> str: ...

    def types_of(self, scopes: ScopeSet) -> list[str]: ...

    def topics_of(self, classes: Collection[str]) -> list[str]: ...


class TodaysNames:
    """Today's names, in the language of the page."""

    spoken = ""

    def types_of(self, scopes: ScopeSet) -> list[str]:
        """The types of information of these scopes."""
        return data_types.names(scopes)

    def topics_of(self, classes: Collection[str]) -> list[str]:
        """The very personal topics with these keys."""
        return [str(kind.name) for kind in data_types.find_sensitive(classes)]


@dataclass(frozen=True)
class Left:
    """What was still shared after a narrowing; `language` is that of the names, empty for the page's."""

    change: GrantChange
    types: list[str]
    topics: list[str]
    language: str
    returning: str
    until: str

    @property
    def names(self) -> list[str]:
        """The types, then the topics."""
        return [*self.types, *self.topics]

    @property
    def terms(self) -> list[str]:
        """The rest, in words of the page."""
        nothing = [] if self.types else [gettext("None; only that you signed in")]
        return [*nothing, self.returning, self.until]


@dataclass(frozen=True)
class Event:
    """One thing that happened; `left` where it was a narrowing."""

    at: datetime
    what: str
    by: str
    left: Left | None = None


def story_of(
    connection: Connection, happened: Iterable[Happened], viewer: Account, names: Names | None = None
) -> list[Event]:  # fmt: skip
    """What happened, the latest first. `connection` is as the viewer sees it; what was left is told by `names`."""
    grant = connection.grant
    told = [Event(grant.created_at, gettext("Connected"), connection.connected_by)]
    told += changes_of(connection, happened, viewer, names)
    if not connection.standing and connection.ended_at:
        told.append(Event(connection.ended_at, gettext("Ended"), connection.ended_by))
    return sorted(told, key=lambda event: event.at, reverse=True)


def changes_of(
    connection: Connection, happened: Iterable[Happened], viewer: Account, names: Names | None = None
) -> list[Event]:  # fmt: skip
    """What people did to a connection while it stood, in the order of `happened`."""
    return [_event(connection, one, viewer, names or TodaysNames()) for one in happened]


def name_of(account: Account, viewer: Account) -> str:
    """The person as the viewer knows them."""
    return gettext("You") if account.id == viewer.id else account.full_name


def for_programs(event: Event, moment: Callable[[datetime], str]) -> dict[str, Any]:
    """An event as JSON; `moment` writes instants."""
    told: dict[str, Any] = {"at": moment(event.at), "what": event.what, "by": event.by}
    if event.left is None:
        return told
    change = event.left.change
    return told | {
        "left": {
            "types": event.left.types, "scopes": change.scopes, "sensitive_classes": list(change.sensitive_classes),
            "while_away": change.offline, "shared_until": moment(change.expires_at),
        },
    }  # fmt: skip


def _event(connection: Connection, change: Happened, viewer: Account, names: Names) -> Event:
    if isinstance(change, Renewal):
        return Event(change.at, gettext("Agreed to again"), connection.connected_by)
    left = _left(change, names) if change.kind is ChangeKind.NARROWED else None
    return Event(change.at, str(CHANGES[change.kind]), name_of(change.account, viewer), left)


def _left(change: GrantChange, names: Names) -> Left:
    scopes = parse(change.scopes)
    return Left(
        change=change,
        types=names.types_of(scopes),
        topics=names.topics_of(change.sensitive_classes),
        language=names.spoken,
        returning=connections.returning(scopes, offline=change.offline),
        until=gettext("until %(day)s", day=last_day(change.expires_at)),
    )
