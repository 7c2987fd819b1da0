"""No page of members and of their accounts takes more than six SQL statements, the first time it is looked at too.

It is noted besides, once in five seconds, that a session is used, and once in a minute that a question is shown.
"""

import re

import pytest
from sqlalchemy import update

from service.accounts.models import LoginSession
from service.clock import now
from tests.conftest import MovableClock
from tests.factories import make_account
from tests.member.console import connected
from tests.member.counting import Statements
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk

_MOST = 6
_OTHERS = ("/provider", "/staff", "/developers", "/sandbox", "/oauth", "/fhir", "/directory", "/plan", "/.well-known")
_NO_PAGES = ("/static", "/sign-out")
_LINK = re.compile(r'href="(/[^"#?]*)"')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_LATER = 6
"""Seconds after which a session notes anew when it was last used."""
_NOTED = ("UPDATE login_session SET last_seen_at", "UPDATE pending_authorization SET expires_at")


def _begin(desk: Desk) -> list[str]:
    rules = (rule for rule in desk.app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments)
    return sorted({rule.rule for rule in rules if not rule.rule.startswith(_OTHERS)})


@pytest.mark.parametrize("who", ["member", "representative"])
def test_no_page_takes_more_than_six_statements(desk: Desk, clock: MovableClock, who: str) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    reader = Reader(desk, desk.account if who == "member" else dana)
    connected(desk, reader)
    counted = Statements(desk.app.extensions["latchstring"].engine)
    # What is asked of the database once a second, for whichever request, is no statement of a page.
    desk.app.extensions["latchstring.trials"]._until = float("inf")
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
        taken[_ID.sub("…", path)] = sum(not said.startswith(_NOTED) for said in counted.said)
        for link in _LINK.findall(page.text):
            known = _ID.sub("…", link) in {_ID.sub("…", each) for each in coming}
            if not known and not link.startswith((*_OTHERS, *_NO_PAGES)):
                coming.append(link)
    assert len(taken) > 35, sorted(taken)
    wanted = {
        "/apps", "/settings/second-factor/set-up", "/people/i-act-for", "/messages", "/gallery", "/gallery/…",
        "/apps/…/narrow", "/apps/…/activity", "/apps/answers/…", "/my-information/claims",
    }  # fmt: skip
    assert wanted <= set(taken), sorted(taken)
    assert {path: count for path, count in taken.items() if count > _MOST} == {}


@pytest.mark.parametrize("who", ["member", "representative"])
def test_the_question_takes_no_more_than_six_statements(desk: Desk, who: str) -> None:
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
    counted = Statements(desk.app.extensions["latchstring"].engine)
    desk.app.extensions["latchstring.trials"]._until = float("inf")
    page = reader.get(way.location)
    assert page.status_code == 200 and 'value="allow"' in page.text
    asked = [said for said in counted.said if not said.startswith(_NOTED)]
    assert len(asked) <= _MOST, [each[:90] + each[each.find(" FROM ") :][:60] for each in asked]
