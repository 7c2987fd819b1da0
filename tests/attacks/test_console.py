"""Attacks on the App Management Console (cases 74, 76 to 78)."""

import os
import random
import re
from contextlib import suppress
from http.client import HTTPConnection
from itertools import product
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from consent import grant_changes, grants, representatives
from consent.models import EndedBy, Grant, RepresentativeLink
from oauth.apps import connections
from service.accounts.models import Account
from tests.conftest import LiveServer, running_server
from tests.factories import make_account, make_member
from tests.member.pages import Form, Reader, form_to, forms_of, represent
from tests.oauth.desk import SCOPE, App, Code, Desk, answer_of, challenge_of, new_verifier

OPERATIONS = 1_000 if os.environ.get("FUZZ_LONG") == "1" else 340
_OF_EACH_PAGE = re.compile(
    r'name="csrf_token" value="[^"]+"|<span data-session-time>[^<]*</span>|data-seconds="[^"]*"'
)  # fmt: skip


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


@pytest.mark.parametrize("page", ["decision", "ended", "revoke"])
def test_case_074_the_grant_of_another_member_does_not_exist(desk: Desk, rosa: Reader, page: str) -> None:
    with desk.session() as session:
        member = make_member(session)
        account = make_account(session, member=member)
    app = desk.register()
    token = desk.connect(app, account=account, member=member)["access_token"]
    with desk.session() as session:
        theirs = session.scalars(select(Grant)).one().id

    nobodys = _shape(rosa, str(UUID(int=7)), page)
    assert nobodys[0] == 404
    assert [_shape(rosa, grant_id, page) for grant_id in (theirs, theirs.upper())] == [nobodys, nobodys]
    odd = [_ask_for(rosa, grant_id, page) for grant_id in ("1", "../apps", f"{theirs}%00", "%2e%2e")]
    assert {answer.status_code for answer in odd} <= {400, 404, 405, 308}
    assert all(app.view.name not in answer.text for answer in odd)
    assert rosa.browser.delete(f"/apps/{theirs}").status_code in {403, 404, 405}
    assert desk.works(token)


def test_case_074_a_grant_of_a_member_one_no_longer_acts_for_does_not_exist(desk: Desk) -> None:
    with desk.session() as session:
        account, member = make_account(session, member=make_member(session)), make_member(session)
    link = represent(desk, account, member)
    desk.connect(desk.register(), account=account, member=member)
    dana = Reader(desk, account)
    dana.press(dana.get("/select-member"), "/select-member", selected=member.patient_id)
    (form,) = _revoke_forms(dana.get("/apps").text)
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, link.id), by=EndedBy.PLAN)

    answer = dana.browser.post(form.action, data=form.fields)

    assert answer.status_code == 409
    assert member.full_name not in answer.text


def test_case_076_revoking_ends_every_token_on_every_worker(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        other_member = make_member(session)
        other = make_account(session, member=other_member)
    app, kept_app = desk.register(), desk.register()
    tokens = [desk.connect(app) for _ in range(3)]
    untouched = [desk.connect(app, account=other, member=other_member), desk.connect(kept_app)]
    with running_server(desk.settings) as server:
        assert all(_reads(server, token["access_token"]) for token in [*tokens, *untouched] * 4)

        page = rosa.get("/apps")
        mine = next(form for form in _revoke_forms(page.text) if _client_of(desk, form) == app.id)
        assert rosa.browser.post(mine.action, data=mine.fields).status_code == 303

        assert not any(_reads(server, token["access_token"]) for token in tokens * 8)
        assert all(_reads(server, token["access_token"]) for token in untouched * 4)
    assert all(desk.refresh(app, token["refresh_token"]).status_code == 400 for token in tokens)
    _live, _, former = rosa.get("/apps").text.partition("Former apps")
    assert app.view.name in former


def test_case_077_the_console_shows_the_grants_with_live_tokens(desk: Desk) -> None:
    """340 operations, and more until each deed has met each place; FUZZ_LONG=1 does the 1,000 of the case."""
    world, people, apps = _World(desk, random.Random(4)), range(3), range(3)
    wanted: set[tuple[str | int, ...]] = {*product(("connected", "connected again", "revoked"), people, apps)}
    wanted |= {*product(("right ended under a grant", "right given again"), people[1:])}

    number = 0
    while number < OPERATIONS or not (world.met >= wanted or number >= 3 * OPERATIONS):
        number += 1
        world.step()
        if number % 17 == 0:
            assert world.shown() == world.working()

    assert world.met >= wanted


def test_case_078_representatives_see_and_end_only_their_own_grants(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        dana, eric = make_account(session, given_name="Dana"), make_account(session, given_name="Eric")
    names = {}
    for account in (dana, eric, desk.account):
        if account is not desk.account:
            represent(desk, account, desk.member)
        app = desk.register()
        desk.connect(app, account=account, member=desk.member)
        names[account.id] = app.view.name

    page = Reader(desk, dana).get("/apps").text
    assert [name in page for name in names.values()] == [True, False, False]
    mine = rosa.get("/apps").text
    assert all(name in mine for name in names.values())

    (erics,) = _revoke_forms(Reader(desk, eric).get("/apps").text)
    refused = Reader(desk, dana)
    (own,) = _revoke_forms(refused.get("/apps").text)
    assert refused.browser.post(erics.action, data=own.fields).status_code == 404

    for form in _revoke_forms(mine):
        assert rosa.browser.post(form.action, data=form.fields).status_code == 303
    with desk.session() as session:
        ended = list(session.scalars(select(Grant)))
        assert len(ended) == 3
        assert all(grant.ended_by is EndedBy.MEMBER and grant.ended_by_account_id == desk.account.id for grant in ended)


class _World:
    """A member, two representatives and three apps, to whom things happen by chance; `met` keeps what did."""

    def __init__(self, desk: Desk, chance: random.Random) -> None:
        self.desk, self.chance = desk, chance
        self.apps = [desk.register() for _ in range(3)]
        with desk.session() as session:
            self.accounts = [desk.account, make_account(session), make_account(session)]
        for account in self.accounts[1:]:
            represent(desk, account, desk.member)
        self.tokens: list[tuple[str, str]] = []
        self.met: set[tuple[str | int, ...]] = set()

    def step(self) -> None:
        chance, deed = self.chance, self.chance.random()
        if deed < 0.5:
            self._connect(chance.choice(self.accounts), chance.choice(self.apps))
        elif deed < 0.7:
            self._revoke()
        elif deed < 0.85:
            self._pause_or_resume()
        else:
            self._change_right(chance.choice(self.accounts[1:]))

    def shown(self) -> set[str]:
        """The grants that the member's console lists as live."""
        with self.desk.app.test_request_context(), self.desk.session() as session:
            account = session.get_one(Account, self.desk.account.id)
            choice = representatives.right_for(session, account, self.desk.member.id)
            assert choice is not None
            every = connections.list_connections(session, account, choice, self.desk.settings.plan)
            return {connection.grant.id for connection in connections.live(every)}

    def working(self) -> set[str]:
        """The grants of which some token works."""
        return {grant_id for grant_id, token in self.tokens if self.desk.works(token)}

    def _connect(self, account: Account, app: App) -> None:
        with self.desk.session() as session:
            if representatives.right_for(session, session.get_one(Account, account.id), self.desk.member.id) is None:
                return
            standing = grants.live_grant(session, account.id, self.desk.member.id, app.id)
        try:
            token = self.desk.connect(app, account=account, member=self.desk.member)["access_token"]
        except grants.HeldByMember:
            # Whether it stands or has ended: the member's pause holds.
            with self.desk.session() as session:
                theirs = (Grant.account_id == account.id, Grant.client_id == app.id)
                held = select(Grant).where(*theirs, Grant.paused_by == EndedBy.MEMBER)
                assert session.scalars(held).first() is not None and account is not self.desk.account
            return
        self._note("connected again" if standing else "connected", account.id, app.id)
        with self.desk.session() as session:
            found = grants.live_grant(session, account.id, self.desk.member.id, app.id)
            assert found is not None
            self.tokens.append((found.id, token))

    def _revoke(self) -> None:
        with self.desk.session() as session:
            standing = list(session.scalars(select(Grant).where(Grant.ended_at.is_(None)).order_by(Grant.created_at)))
            if standing:
                chosen = self.chance.choice(standing)
                self._note("revoked", chosen.account_id, chosen.client_id)
                grants.revoke(session, chosen, by=EndedBy.MEMBER)

    def _pause_or_resume(self) -> None:
        with self.desk.session() as session:
            # Those that ended while they were paused too: the pause is to be taken back from them as well.
            theirs = select(Grant).where(Grant.ended_at.is_(None) | Grant.paused_by.is_not(None))
            found = list(session.scalars(theirs.order_by(Grant.created_at)))
            if not found:
                return
            grant, account = self.chance.choice(found), session.get_one(Account, self.desk.account.id)
            choice = representatives.right_for(session, account, self.desk.member.id)
            assert choice is not None
            act = grant_changes.release if grant.paused_by is not None else grant_changes.pause
            with suppress(grant_changes.GrantOver):
                act(session, grant, account, choice)

    def _change_right(self, account: Account) -> None:
        with self.desk.session() as session:
            own = session.get_one(Account, account.id)
            choice = representatives.right_for(session, own, self.desk.member.id)
            if choice is not None and choice.link is not None:
                if session.scalar(select(Grant.id).where(Grant.link_id == choice.link.id, Grant.ended_at.is_(None))):
                    self._note("right ended under a grant", account.id)
                representatives.end_link(session, choice.link, by=EndedBy.PLAN)
                return
        self._note("right given again", account.id)
        represent(self.desk, account, self.desk.member)

    def _note(self, deed: str, account_id: str, client_id: str | None = None) -> None:
        person = [account.id for account in self.accounts].index(account_id)
        where = () if client_id is None else ([app.id for app in self.apps].index(client_id),)
        self.met.add((deed, person, *where))


def _token(desk: Desk, reader: Reader, app: App, scope: str = SCOPE, **chosen: str | list[str]) -> dict[str, str]:
    verifier = new_verifier()
    page = reader.ask(app, code_challenge=challenge_of(verifier), scope=scope)
    code = Code(answer_of(reader.allow(page, **chosen).location)["code"], verifier, app)
    body: dict[str, str] = desk.exchange(code).get_json()
    return body


def _ask_for(reader: Reader, grant_id: str, page: str) -> TestResponse:
    path = f"/apps/{grant_id}/{page}"
    if page != "revoke":
        return reader.get(path)
    form = form_to(reader.get("/settings").text, "/settings/language")
    return reader.browser.post(path, data=form.changed(member=reader.desk.member.patient_id))


def _revoke_forms(page: str) -> list[Form]:
    return [form for form in forms_of(page) if form.action.endswith("/revoke")]


def _shape(reader: Reader, grant_id: str, page: str) -> tuple[int, str]:
    """Status and page, without what every page has of its own: the id asked for, the request's, the form's token, until
    when its reader stays signed in."""
    answer = _ask_for(reader, grant_id, page)
    text = answer.text.replace(answer.headers["X-Request-Id"], "").replace(grant_id, "")
    return answer.status_code, _OF_EACH_PAGE.sub("", text)


def _client_of(desk: Desk, form: Form) -> str:
    with desk.session() as session:
        return session.get_one(Grant, form.action.split("/")[2]).client_id


def _reads(server: LiveServer, token: str) -> bool:
    """Whether the token opens the FHIR API of the running server (any worker)."""
    parts = urlsplit(server.url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", "/fhir/r4/Coverage?_count=1", headers={"Authorization": f"Bearer {token}"})
    status = connection.getresponse().status
    connection.close()
    assert status in {200, 401}, status
    return status == 200
