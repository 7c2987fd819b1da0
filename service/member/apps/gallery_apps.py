"""What the App Gallery shows of each app, and which apps a search finds."""

from dataclasses import dataclass
from math import ceil

from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import data_types, grant_lists
from consent.scopes import parse
from oauth.apps import admission, app_words
from oauth.apps.attestation_words import attestation
from oauth.apps.clients import Attestation, ClientView
from oauth.apps.models import Category
from service.member.acting import Person
from service.web import settings

PER_PAGE = 20
BADGES: dict[Attestation, LazyString] = {
    Attestation.ATTESTED: _("Agreed to the plan's privacy policy"),
    Attestation.DECLINED: _("Did not agree to the plan's privacy policy"),
    Attestation.UNANSWERED: _("Has not said whether it agrees to the plan's privacy policy"),
}


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for: words of name, developer or description; a platform; a category; which page."""

    words: str = ""
    platform: str | None = None
    category: str | None = None
    page: int = 1

    @property
    def narrows(self) -> bool:
        """Whether anything was looked for."""
        return bool(self.words.strip() or self.platform or self.category)


@dataclass(frozen=True)
class Found:
    """A page of the apps that were found, and how many there are in all."""

    apps: list[ClientView]
    count: int
    pages: int


@dataclass(frozen=True)
class Entry:
    """An app in words."""

    app: ClientView
    badge: str
    attestation: str
    platforms: list[str]
    category: str
    everything: bool
    types: list[str]
    stays: bool

    @property
    def can_launch(self) -> bool:
        """Whether it can be opened from here."""
        return bool(self.app.launch_uris) and "launch" in self.app.scopes.split()


def search(session: Session, wanted: Wanted) -> Found:
    """The approved apps that match, by name."""
    every = [app for app in admission.list_listed(session) if _matches(app, wanted)]
    pages = max(1, ceil(len(every) / PER_PAGE))
    first = (min(wanted.page, pages) - 1) * PER_PAGE
    return Found(every[first : first + PER_PAGE], len(every), pages)


def entry_of(app: ClientView) -> Entry:
    """An app as the pages tell of it, in their language."""
    scopes = parse(app.scopes)
    return Entry(
        app=app,
        badge=str(BADGES[app.attestation]),
        attestation=attestation(app, settings().plan),
        platforms=app_words.platforms_in_words(app.platforms),
        category=app_words.category_in_words(app.category),
        everything=data_types.asks_for_everything(scopes),
        types=[str(kind.name) for kind in data_types.asked(scopes)],
        stays="offline_access" in scopes,
    )


def connected(session: Session, person: Person | None) -> frozenset[str]:
    """The ids of the apps, paused ones too, that are connected for the member selected now, as far as they may know."""
    if person is None or person.choice is None:
        return frozenset()
    return grant_lists.standing_apps(session, person.account, person.choice)


def _matches(app: ClientView, wanted: Wanted) -> bool:
    told = f"{app.name}\n{app.developer_name}\n{app.developer_domain or ''}\n{app.description}".casefold()
    return (
        all(word in told for word in wanted.words.casefold().split())
        and wanted.platform in {None, *app.platforms}
        and wanted.category in {None, app.category or Category.OTHER.value}
    )
