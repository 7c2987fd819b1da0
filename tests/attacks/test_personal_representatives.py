"""Attack cases 115 to 119: representatives reach whom they are linked to, while they are, and nobody else."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from consent.models import Basis, EndedBy, LinkScope, RepresentativeLink
from consent.representatives import (
    CircularLink,
    ConfidentialMember,
    LinkRefused,
    SelfLink,
    block,
    end_link,
    limit,
    link,
    majority,
)
from service.accounts.models import Account
from service.clock import now
from service.plan.models import Member
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative
from tests.oauth.desk import App, Desk

NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class Family:
    """A representative with an account, two linked members, and a stranger."""

    account: Account
    father: Member
    mother: Member
    stranger: Member
    link_id: str

    def standing(self, session: Session) -> RepresentativeLink:
        return session.get_one(RepresentativeLink, self.link_id)


@pytest.fixture
def family(desk: Desk) -> Family:
    with desk.session() as session:
        account = make_account(session)
        someone = make_representative(session, account)
        father, mother = make_member(session, given_name="Amos"), make_member(session, given_name="Ruth")
        to_father = link(session, someone, father, basis=Basis.POWER_OF_ATTORNEY, timezone=NEW_YORK)
        link(session, someone, mother, basis=Basis.POWER_OF_ATTORNEY, timezone=NEW_YORK)
        return Family(account, father, mother, make_member(session, given_name="Canary"), to_father.id)


def signed_in(desk: Desk, family: Family) -> FlaskClient:
    browser = desk.app.test_client()
    desk.sign_in(browser, family.account)
    return browser


def choose(browser: FlaskClient, patient_id: str) -> int:
    page = browser.get("/select-member")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token
    return browser.post("/select-member", data={"selected": patient_id, "csrf_token": token[1]}).status_code


def test_case_115_a_member_outside_the_links_is_like_one_that_does_not_exist(desk: Desk, family: Family) -> None:
    browser = signed_in(desk, family)
    assert choose(browser, family.father.patient_id) == 303
    answers = [choose(browser, named) for named in (family.stranger.patient_id, "no-such-patient", family.stranger.id)]
    assert answers == [403, 403, 403]
    assert "Canary" not in browser.get("/member").text


def test_case_115_a_form_made_for_another_member_changes_nothing(desk: Desk, family: Family) -> None:
    app = desk.register()
    tokens = desk.connect(app, account=family.account, member=family.father)
    browser = signed_in(desk, family)
    choose(browser, family.father.patient_id)
    page = browser.get("/apps").text
    action = re.search(r'action="(/apps/[^"]+/revoke)"', page)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert action
    assert token
    choose(browser, family.mother.patient_id)
    fresh = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get("/select-member").text)
    assert fresh
    for member in (family.father.patient_id, family.mother.patient_id, family.stranger.patient_id):
        answer = browser.post(action[1], data={"csrf_token": fresh[1], "member": member})
        assert answer.status_code in {404, 409}
    assert desk.works(tokens["access_token"])


Change = Callable[[Session, RepresentativeLink], None]


@pytest.mark.parametrize(
    "change",
    [
        lambda session, made: end_link(session, made, by=EndedBy.PLAN),
        lambda session, made: limit(session, made, LinkScope.CLAIMS_ONLY, by_account_id=None),
        lambda session, made: block(session, made, by_account_id=None),
    ],
    ids=["ended", "limited", "blocked"],
)
def test_case_117_a_link_that_changes_ends_its_tokens_and_no_others(desk: Desk, family: Family, change: Change) -> None:
    app = desk.register()
    for_father = desk.connect(app, account=family.account, member=family.father)
    for_mother = desk.connect(app, account=family.account, member=family.mother)
    assert desk.works(for_father["access_token"])
    with desk.session() as session:
        change(session, family.standing(session))
    assert not desk.works(for_father["access_token"])
    assert desk.refresh(app, for_father["refresh_token"]).status_code == 400
    assert desk.works(for_mother["access_token"])
    assert desk.refresh(app, for_mother["refresh_token"]).status_code == 200


def test_case_117_an_ended_link_takes_the_member_out_of_the_open_session(desk: Desk, family: Family) -> None:
    browser = signed_in(desk, family)
    choose(browser, family.father.patient_id)
    assert "Amos" in browser.get("/member").text
    with desk.session() as session:
        end_link(session, family.standing(session), by=EndedBy.MEMBER)
    assert "Amos" not in browser.get("/member", follow_redirects=True).text
    assert choose(browser, family.father.patient_id) == 403
    assert choose(browser, family.mother.patient_id) == 303


def test_case_117_an_ended_link_stops_a_code_that_waits_for_its_exchange(desk: Desk, family: Family) -> None:
    app: App = desk.register()
    code = desk.agree(app, account=family.account, member=family.father)
    with desk.session() as session:
        end_link(session, family.standing(session), by=EndedBy.PLAN)
    answer = desk.exchange(code)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")


def test_case_117_a_new_link_and_a_new_consent_revive_no_older_token(desk: Desk, family: Family) -> None:
    app = desk.register()
    older = desk.connect(app, account=family.account, member=family.father)
    with desk.session() as session:
        made = family.standing(session)
        end_link(session, made, by=EndedBy.PLAN)
        link(session, made.representative, made.member, basis=Basis.GUARDIAN, timezone=NEW_YORK)
    newer = desk.connect(app, account=family.account, member=family.father)
    assert desk.works(newer["access_token"])
    assert not desk.works(older["access_token"])
    assert desk.refresh(app, older["refresh_token"]).status_code == 400
    assert desk.works(newer["access_token"])


def test_case_118_majority_ends_the_parents_tokens_at_midnight(desk: Desk, clock: MovableClock) -> None:
    today = now().astimezone(NEW_YORK).date()
    with desk.session() as session:
        parent = make_account(session)
        child = make_member(session, birth_date=today.replace(year=today.year - 17, month=1, day=15))
        made = link(session, make_representative(session, parent), child, basis=Basis.PARENT, timezone=NEW_YORK)
        assert made.valid_until == majority(child.birth_date, NEW_YORK)
    clock.advance((made.valid_until - now()).total_seconds() - 30)
    app = desk.register()
    tokens = desk.connect(app, account=parent, member=child)
    assert desk.works(tokens["access_token"])
    clock.advance(31)
    assert not desk.works(tokens["access_token"])
    assert desk.refresh(app, tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("refused", [SelfLink, CircularLink, ConfidentialMember])
def test_case_119_links_that_must_not_be_are_refused(desk: Desk, refused: type[LinkRefused]) -> None:
    with desk.session() as session:
        first, second = make_member(session), make_member(session)
        one, other = make_account(session, member=first), make_account(session, member=second)
        link(session, make_representative(session, one), second, basis=Basis.GUARDIAN, timezone=NEW_YORK)
        hidden = make_member(session, confidential=True)
        whom = {SelfLink: second, CircularLink: first, ConfidentialMember: hidden}[refused]
        with pytest.raises(refused):
            link(session, make_representative(session, other), whom, basis=Basis.GUARDIAN, timezone=NEW_YORK)


def test_case_119_a_representative_passes_no_right_on(desk: Desk, family: Family) -> None:
    """Who represents a representative reaches that person's own record, and none of those they represent."""
    with desk.session() as session:
        own = make_member(session, given_name="Dana")
        family_account = session.get_one(Account, family.account.id)
        family_account.member_id = own.id
        helper = make_account(session)
        link(session, make_representative(session, helper), own, basis=Basis.POWER_OF_ATTORNEY, timezone=NEW_YORK)
    browser = desk.app.test_client()
    desk.sign_in(browser, helper)
    assert choose(browser, own.patient_id) == 303
    assert choose(browser, family.father.patient_id) == 403
