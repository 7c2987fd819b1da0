"""Pause and Share less while the right by which the app was let in ends or is shut out: neither waits for ever.

Whichever was first, the app is out afterwards, and what is kept of it is what would stand had they come one after the
other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from threading import Event
from time import sleep
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from consent import data_types, grant_changes, grants, representatives
from consent.grant_changes import GrantOver, Narrower
from consent.link_standing import right_stands
from consent.models import ChangeKind, EndedBy, Grant, GrantStatus, RepresentativeLink
from consent.representatives import MemberChoice
from consent.scopes import parse
from service.accounts.models import Account
from service.audit import AuditEvent
from tests.consent.conftest import AtOnce, Deed
from tests.factories import make_account, make_member
from tests.member.pages import represent
from tests.oauth.desk import App, Desk

_A_WHILE = 0.3
Change = Callable[[Session, Grant, Account, MemberChoice], Any]


@dataclass(frozen=True)
class LetIn:
    """An app that a representative let in for a member who has an account too."""

    desk: Desk
    app: App
    tokens: dict[str, Any]
    member_id: str
    own_id: str
    giver_id: str
    link_id: str
    grant_id: str

    def change(self, change: Change, *, by_member: bool, amid: Callable[[], None] = lambda: None) -> Deed:
        """The deed of a button of the console; the refusal where there is one. `amid`: with the app in hand."""

        def run(session: Session) -> str | None:
            account = session.get_one(Account, self.own_id if by_member else self.giver_id)
            choice = representatives.right_for(session, account, self.member_id)
            if choice is None:
                return "not acting"
            grant = grants.get(session, account, choice, self.grant_id)
            amid()
            try:
                change(session, grant, account, choice)
            except GrantOver:
                return "over"
            return None

        return run

    def end(self, ending: Callable[[Session, RepresentativeLink], None]) -> Deed:
        """The right ends."""
        return lambda session: ending(session, session.get_one(RepresentativeLink, self.link_id))

    def require_shut(self) -> None:
        """The tokens of then open nothing."""
        assert not self.desk.works(self.tokens["access_token"])
        refreshed = self.desk.refresh(self.app, self.tokens["refresh_token"])
        assert refreshed.get_json()["error"] == "invalid_grant"

    def require_over(self, session: Session, kind: ChangeKind, refusal: str | None) -> None:
        """It is over, and the row, its changes and its audit tell one story."""
        grant = session.get_one(Grant, self.grant_id)
        assert not grants.is_live(grant) and not right_stands(grant)
        assert (grant.status, grant.ended_by) == (GrantStatus.REVOKED, EndedBy.PLAN) and grant.ended_at is not None
        changes = grant_changes.of_grant(session, grant)
        assert [one.kind for one in changes] == ([kind] if refusal is None else [])
        is_narrower, is_paused = ([one.kind for one in changes] == [each] for each in _KINDS)
        assert (parse(grant.scopes).types == {"Coverage"}, grant.paused_by is not None) == (is_narrower, is_paused)
        assert grant.version == (3 if is_narrower else 2) and all(one.at <= grant.changed_at for one in changes)
        tags = select(AuditEvent.tag, func.count()).where(AuditEvent.grant_id == grant.id).group_by(AuditEvent.tag)
        told = {tag.rpartition(":")[2]: count for tag, count in session.execute(tags) if tag.startswith("consent:")}
        assert told == {"give": 1, "end_with_right": 1} | {one.kind.value: 1 for one in changes}


_KINDS = (ChangeKind.NARROWED, ChangeKind.PAUSED)


def narrow(session: Session, grant: Grant, account: Account, choice: MemberChoice) -> None:
    left = Narrower(data_types.ticked(parse(grant.scopes), ["coverage"]), frozenset(), grant.offline, grant.expires_at)
    assert grant_changes.narrow(session, grant, left, account, choice)


def block(session: Session, link: RepresentativeLink) -> None:
    representatives.block(session, link, by_account_id=None)


def end(session: Session, link: RepresentativeLink) -> None:
    representatives.end_link(session, link, by=EndedBy.MEMBER)


each_button = pytest.mark.parametrize(
    ("change", "kind"),
    [(grant_changes.pause, ChangeKind.PAUSED), (narrow, ChangeKind.NARROWED)],
    ids=["pause", "narrow"],
)
EVERY = tuple(product((block, end), (True, False)))
"""How the right ends, and whether it is the member who presses the button, or whoever let the app in."""


@pytest.fixture
def let_in(app: Flask) -> Iterator[Callable[[], LetIn]]:
    """Let an app in, for people of their own."""
    desk = Desk(app)
    used = desk.register()

    def make() -> LetIn:
        with desk.session() as session:
            member, giver = make_member(session), make_account(session)
            own = make_account(session, member=member)
        link = represent(desk, giver, member)
        tokens = desk.connect(used, account=giver, member=member)
        with desk.session() as session:
            (grant_id,) = session.scalars(select(Grant.id).where(Grant.account_id == giver.id))
        return LetIn(desk, used, tokens, member.id, own.id, giver.id, link.id, grant_id)

    yield make


@each_button
def test_a_change_and_the_end_of_the_right_of_one_moment(
    at_once: AtOnce, let_in: Callable[[], LetIn], change: Change, kind: ChangeKind
) -> None:
    for ending, by_member in EVERY * at_once.rounds:
        one = let_in()
        refusal, _ = at_once(one.change(change, by_member=by_member), one.end(ending))
        assert at_once.way != "first" or refusal is None
        assert at_once.way != "second" or refusal is not None
        with at_once.sessions() as session:
            one.require_over(session, kind, refusal)
        one.require_shut()


@each_button
def test_a_right_that_ends_while_the_app_is_in_hand_waits_for_the_change(
    sessions: sessionmaker[Session], pool: ThreadPoolExecutor, let_in: Callable[[], LetIn], change: Change,
    kind: ChangeKind,
) -> None:  # fmt: skip
    """The change writes of the link when its end holds the link and waits for the app."""

    def whole(deed: Deed) -> Any:
        with sessions.begin() as session:
            return deed(session)

    for ending, by_member in EVERY:
        one, in_hand = let_in(), Event()

        def amid(in_hand: Event = in_hand) -> None:
            in_hand.set()
            sleep(_A_WHILE)

        changing = pool.submit(whole, one.change(change, by_member=by_member, amid=amid))
        assert in_hand.wait(20)
        pool.submit(whole, one.end(ending)).result(30)
        refusal = changing.result(30)
        assert refusal is None
        with sessions() as session:
            one.require_over(session, kind, refusal)
        one.require_shut()
