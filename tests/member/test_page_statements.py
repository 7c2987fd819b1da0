"""No page of members and of their accounts takes more than six SQL statements, the first time it is looked at too.

Every statement is counted. Besides the six there may be one of each that stands for a while: once in five seconds that
a session is used, the first time and once a minute that a question is shown (docs/accessibility.md).
"""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from consent import link_ends, representatives
from consent.birthdays import majority
from consent.models import Basis
from service.accounts.models import Account, LoginSession
from service.clock import now
from tests.accounts.visitor import Visitor
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative
from tests.member.console import connected
from tests.member.counting import Statements
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk
from tests.staff.representing import Asking

_MOST = 6
_OTHERS = ("/provider", "/staff", "/developers", "/sandbox", "/oauth", "/fhir", "/directory", "/plan", "/.well-known")
_NO_PAGES = ("/static", "/sign-out")
_LINK = re.compile(r'href="(/[^"#?]*)"')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_LATER = 6
"""Seconds after which a session notes anew when it was last used."""


@pytest.fixture
def counted(desk: Desk) -> Statements:
    # The sandbox alone asks, once a second and for whichever request, whose steps are written down.
    desk.app.extensions["latchstring.trials"]._until = float("inf")
    return Statements(desk.app.extensions["latchstring"].engine)


def _begin(desk: Desk) -> list[str]:
    rules = (rule for rule in desk.app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments)
    return sorted({rule.rule for rule in rules if not rule.rule.startswith(_OTHERS)})


def ask_to_act(desk: Desk, account: Account) -> None:
    """Send the request to act for somebody else."""
    with desk.session() as session:
        amos = make_member(session, given_name="Amos", family_name="Canary")
    visitor = Visitor(desk.app)
    visitor.sign_in(account)
    assert Asking(desk.app, session, account, amos, visitor).send().status_code == 303


@pytest.mark.parametrize("who", ["member", "representative"])
def test_no_page_takes_more_than_six_statements(desk: Desk, clock: MovableClock, counted: Statements, who: str) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    reader = Reader(desk, desk.account if who == "member" else dana)
    connected(desk, reader)
    connected(desk, Reader(desk, dana)).press("pause")
    ask_to_act(desk, reader.account)
    taken: dict[str, int] = {}
    coming = _begin(desk)
    for path in coming:
        clock.advance(_LATER)
        with desk.session() as session:
            session.execute(update(LoginSession).values(authenticated_at=now()))
        counted.clear()
        page = reader.get(path)
        if page.status_code != 200 or page.mimetype != "text/html":
            continue
        taken[_ID.sub("…", path)] = counted.taken
        for link in _LINK.findall(page.text):
            known = _ID.sub("…", link) in {_ID.sub("…", each) for each in coming}
            if not known and not link.startswith((*_OTHERS, *_NO_PAGES)):
                coming.append(link)
    assert len(taken) > 35, sorted(taken)
    wanted = {
        "/apps", "/settings/second-factor/set-up", "/people/i-act-for", "/messages", "/gallery", "/gallery/…",
        "/apps/…/narrow", "/apps/…/activity", "/apps/answers/…", "/my-information/claims", "/people/requests/…",
    }  # fmt: skip
    assert wanted <= set(taken), sorted(taken)
    assert {path: count for path, count in taken.items() if count > _MOST} == {}


@pytest.mark.parametrize("who", ["member", "representative"])
def test_the_question_takes_no_more_than_six_statements(desk: Desk, counted: Statements, who: str) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    reader, app = Reader(desk, desk.account if who == "member" else dana), desk.register()
    way = desk.authorize(reader.browser, app)
    while "/consent" not in way.location:
        way = reader.get(way.location)
    if who == "representative":
        chooser = reader.get(way.location)
        way = reader.press(chooser, "/consent/member", selected=desk.member.patient_id)
    counted.clear()
    page = reader.get(way.location)
    assert page.status_code == 200 and 'value="allow"' in page.text
    told = [each[:90] + each[each.find(" FROM ") :][:60] for each in counted.said]
    assert counted.taken <= _MOST, told


def test_what_a_new_adult_is_told_takes_no_more_than_six_statements(
    desk: Desk, clock: MovableClock, counted: Statements
) -> None:
    zone = desk.settings.plan.timezone
    today = now().astimezone(zone).date()
    with desk.session() as session:
        parent = make_account(session, given_name="Paula")
        child = make_member(session, birth_date=today.replace(year=today.year - 17, month=1, day=15))
        representative = make_representative(session, parent, given_name="Paula")
        representatives.link(session, representative, child, basis=Basis.PARENT, timezone=zone)
        own = make_account(session, member=child)
    for _ in range(3):
        desk.connect(desk.register(), account=parent, member=child)
    clock.advance((majority(child.birth_date, zone) - now() + timedelta(seconds=1)).total_seconds())
    link_ends.run(desk.app.extensions["latchstring"].sessions, desk.settings)
    reader = Reader(desk, own)
    taken = {}
    for path in ("/people/of-age", "/member", "/people"):
        clock.advance(_LATER)
        counted.clear()
        page = reader.get(path)
        assert page.status_code == 200, page.location
        taken[path] = counted.taken
    reader.press(reader.get("/people/of-age"), "/people/of-age")
    counted.clear()
    assert "You have decided" in reader.get("/people/of-age/decided").text
    taken["/people/of-age/decided"] = counted.taken
    assert {path: count for path, count in taken.items() if count > _MOST} == {}
