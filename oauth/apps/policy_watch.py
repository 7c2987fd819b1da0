"""The privacy-policy watch: each app's policy is read once a day; a change goes to the reviewers' queue and is told.

What counts is the text that people read: markup, scripts and white space may change freely. The plan looked at the text
when it approved the app, so a changed one is a report to its reviewers, not a step of the app. An app that a developer
has handed in for the first time is watched from then on: what reviewers read is what later texts are held against.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased, sessionmaker

from oauth.apps import admission, app_reports, developers
from oauth.apps.app_content import AppContent
from oauth.apps.models import AppReview, PolicyWatch, ReportReason, ReviewState
from oauth.models import Client
from service import audit, mail, outbound
from service.clock import now
from service.db import digest
from service.settings import Settings

EVERY = timedelta(days=1)
PATIENCE = timedelta(days=7)
"""How long a policy may be out of reach before its developer and the reviewers are told."""
MOST_APPS = 10_000
_WAITING = (ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION)
_READ = "text/html, text/plain;q=0.9, application/pdf;q=0.8"
# Names that nobody owns (RFC 2606): the sandbox's invented apps have them.
_NOBODYS = (".example", ".invalid", ".test")
# Not "head": its end may be left out, and then nothing of the page would be read. What it shows nobody is these alone.
_UNREAD = frozenset({"script", "style", "template", "noscript", "title"})


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Read the policy that waits longest, if one is due: one a turn, for a slow server holds the worker for seconds."""
    with sessions.begin() as session:
        due = _find_due(session, [*_listed(session), *_handed_in(session)])
        if due is None:
            return
        client_id, address = due.client_id, due.address
        due.looked_at = now()
    try:
        text = outbound.get(address, accept=_READ, loopback=settings.reaches_loopback, limits=outbound.FOR_PAGES).body
    except outbound.NotFetched:
        text = None
    with sessions.begin() as session:
        _note(session, client_id, address, None if text is None else digest(readable(text)))


def readable(body: bytes) -> str:
    """What people read of a page: its words, with single spaces. What is no markup is taken as it is."""
    reader = _Words()
    reader.feed(body.decode("utf-8", "replace"))
    reader.close()
    return " ".join(" ".join(reader.words).split())


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += tag in _UNREAD

    def handle_endtag(self, tag: str) -> None:
        self._unread = max(0, self._unread - (tag in _UNREAD))

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.words.append(data)


@dataclass(frozen=True, slots=True)
class _Policy:
    """A policy to watch. What was read before `since` says nothing of it: its reviewers begin anew."""

    client_id: str
    address: str | None
    since: datetime | None = None


def _listed(session: Session) -> list[_Policy]:
    return [_Policy(app.id, app.policy_uri) for app in admission.list_listed(session, limit=MOST_APPS)]


def _handed_in(session: Session) -> list[_Policy]:
    # Not those of programs: anybody may register one, and so choose whom we ask.
    handed = aliased(AppReview)
    first = (
        select(handed)
        .join(Client, Client.id == handed.client_id)
        .where(handed.state.in_(_WAITING), Client.organization_id.is_not(None), ~admission.reviewed(Client.id))
    )
    found = session.scalars(first.order_by(handed.submitted_at).limit(MOST_APPS))
    return [_Policy(one.client_id, AppContent.read(one.content).policy_uri, one.submitted_at) for one in found]


def _find_due(session: Session, policies: Iterable[_Policy]) -> PolicyWatch | None:
    """The watch that is due longest; one is made for an app that is new, handed in anew, or has moved its policy."""
    waiting: list[PolicyWatch] = []
    for one in policies:
        if one.address is None or _is_nobodys(one.address):
            continue
        watch = session.get(PolicyWatch, one.client_id)
        if watch is None or watch.address != one.address or (one.since and watch.looked_at < one.since):
            return _begin(session, watch, one.client_id, one.address)
        if watch.looked_at <= now() - EVERY:
            waiting.append(watch)
    return min(waiting, key=lambda watch: (watch.looked_at, watch.client_id)) if waiting else None


def _begin(session: Session, watch: PolicyWatch | None, client_id: str, address: str) -> PolicyWatch:
    # Another address was looked at by the plan as a version of its own: its text is no news.
    if watch is not None:
        session.delete(watch)
        session.flush()
    made = PolicyWatch(client_id=client_id, address=address, looked_at=now())
    session.add(made)
    return made


def _is_nobodys(address: str) -> bool:
    return f".{urlsplit(address).hostname or ''}".endswith(_NOBODYS)


def _note(session: Session, client_id: str, address: str, found: str | None) -> None:
    """Keep what the look brought, unless the app has moved its policy meanwhile."""
    watch = session.get(PolicyWatch, client_id, with_for_update=True)
    if watch is None or watch.address != address:
        return
    if found is None:
        _note_failure(session, watch)
        return
    before, watch.digest = watch.digest, found
    watch.failing_since = watch.told_at = None
    if before is not None and before != found:
        watch.changed_at = now()
        app_reports.report_policy(session, client_id, ReportReason.POLICY_CHANGED)
        audit.record(session, "oauth:client:policy-changed", client_id=client_id)
        _tell(session, client_id, "changed")


def _note_failure(session: Session, watch: PolicyWatch) -> None:
    watch.failing_since = watch.failing_since or now()
    if watch.told_at is None and now() >= watch.failing_since + PATIENCE:
        watch.told_at = now()
        app_reports.report_policy(session, watch.client_id, ReportReason.POLICY_UNREADABLE)
        _tell(session, watch.client_id, "unreachable")


def _tell(session: Session, client_id: str, news: str) -> None:
    client = session.get_one(Client, client_id)
    people = developers.people_of(session, client.organization_id) if client.organization_id is not None else []
    for developer in people:
        mail.enqueue(
            session, to=developer.account.email, template="policy_watch", given_name=developer.account.given_name,
            app=client.name, client_id=client.id, news=news, at=now(),
        )  # fmt: skip
