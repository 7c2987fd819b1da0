"""Attack cases 118 and 119: birthdays and death end or narrow a link by themselves; some links must not be."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from consent import childhood, link_ends
from consent.birthdays import majority
from consent.link_refusals import CircularLink, ConfidentialMember, LinkRefused, SelfLink
from consent.link_standing import is_current
from consent.models import Basis, EndedBy, Grant, RepresentativeLink
from consent.policy import EVERY_LABEL, access_for_grant, own_record
from consent.representatives import acting_for, link, right_for
from oauth.tokens.token_rows import check
from service.accounts.models import Account
from service.clock import now
from service.days import in_words
from service.plan.members import roster
from service.plan.members.roster import RosterRow
from service.plan.models import Member
from tests.attacks.families import NEW_YORK, Family, choose, signed_in
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative
from tests.member.pages import Reader
from tests.oauth.desk import Desk


@pytest.mark.parametrize("basis", [Basis.PARENT, Basis.GUARDIAN])
def test_case_118_majority_ends_the_parents_tokens_at_midnight(desk: Desk, clock: MovableClock, basis: Basis) -> None:
    today = now().astimezone(NEW_YORK).date()
    with desk.session() as session:
        parent = make_account(session)
        child = make_member(session, birth_date=today.replace(year=today.year - 17, month=1, day=15))
        made = link(session, make_representative(session, parent), child, basis=basis, timezone=NEW_YORK)
        assert made.valid_until == majority(child.birth_date, NEW_YORK)
    clock.advance((made.valid_until - now()).total_seconds() - 30)
    app = desk.register()
    tokens = desk.connect(app, account=parent, member=child)
    assert desk.works(tokens["access_token"])
    clock.advance(31)
    assert not desk.works(tokens["access_token"])
    assert desk.refresh(app, tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("basis", [Basis.PARENT, Basis.GUARDIAN])
def test_case_118_a_parent_loses_a_teenagers_personal_topics_at_the_twelfth_birthday(
    desk: Desk, clock: MovableClock, basis: Basis
) -> None:
    today = now().astimezone(NEW_YORK).date()
    with desk.session() as session:
        parent = make_account(session)
        child = make_member(session, birth_date=today.replace(year=today.year - 11, month=1, day=15))
        made = link(session, make_representative(session, parent), child, basis=basis, timezone=NEW_YORK)
        link_id = made.id
    assert made.narrows_at
    clock.advance((made.narrows_at - now()).total_seconds() - 30)
    tokens = desk.connect(desk.register(), account=parent, member=child)
    with desk.session() as session:
        session.scalars(select(Grant)).one().sensitive_classes = ["mental_health"]

    def left_out() -> bool:
        with desk.session() as session:
            return "mental_health" in access_for_grant(check(session, tokens["access_token"]).facts).excluded_labels

    assert not left_out()
    clock.advance(31)
    assert left_out(), "the same token, narrower from that moment on"
    with desk.session() as session:
        choice = right_for(session, parent, child.id)
        assert choice and own_record(parent, choice).excluded_labels == EVERY_LABEL
        assert session.get_one(RepresentativeLink, link_id).version == 1


@pytest.mark.parametrize("basis", [Basis.PARENT, Basis.GUARDIAN])
def test_case_118_a_new_adult_is_told_what_ended_and_decides(desk: Desk, clock: MovableClock, basis: Basis) -> None:
    today = now().astimezone(NEW_YORK).date()
    with desk.session() as session:
        parent = make_account(session, given_name="Paula")
        child = make_member(session, birth_date=today.replace(year=today.year - 17, month=1, day=15))
        link(session, make_representative(session, parent, given_name="Paula"), child, basis=basis,
             timezone=NEW_YORK)  # fmt: skip
        own = make_account(session, member=child)
    app = desk.register(name="Kite Health")
    tokens = desk.connect(app, account=parent, member=child)
    reader = Reader(desk, own)
    assert "You are 18" not in reader.get("/member").text
    clock.advance((majority(child.birth_date, NEW_YORK) - now()).total_seconds() + 1)
    assert not desk.works(tokens["access_token"])
    link_ends.run(desk.app.extensions["latchstring"].sessions, desk.settings)

    reader = Reader(desk, own)
    assert "You are 18" in reader.get("/member").text
    page = reader.get("/people/of-age")
    last_day = in_words(majority(child.birth_date, NEW_YORK).date() - timedelta(days=1))
    assert "Kite Health" in page.text and "Paula" in page.text and f"until {last_day}" in page.text
    people = reader.get("/people").text
    assert "Paula" in people and f" {last_day}</li>" in people, "among who acted before"
    for _ in range(2):
        pressed = reader.press(page, "/people/of-age")
        assert (pressed.status_code, pressed.location) == (303, "/people/of-age/decided")
    assert "You are 18" not in reader.get("/member").text
    assert reader.get("/people/of-age").location == "/people/of-age/decided"
    assert "You have decided" in reader.get("/people/of-age/decided").text
    with desk.session() as session:
        [over] = session.scalars(select(RepresentativeLink)).all()
        assert (over.ended_by, over.ended_at) == (EndedBy.TIME, over.valid_until)


def test_case_118_who_is_no_adult_is_told_nothing_of_a_link_that_ended_on_its_day(
    desk: Desk, clock: MovableClock
) -> None:
    today = now().astimezone(NEW_YORK).date()
    with desk.session() as session:
        parent = make_account(session)
        child = make_member(session, birth_date=today.replace(year=today.year - 14, month=1, day=15))
        link(session, make_representative(session, parent), child, basis=Basis.PARENT, timezone=NEW_YORK,
             valid_until=now() + timedelta(days=1))  # fmt: skip
        own = make_account(session, member=child)
    desk.connect(desk.register(name="Kite Health"), account=parent, member=child)
    clock.advance(86_401)

    def told() -> tuple[bool, int]:
        reader = Reader(desk, own)
        assert reader.get("/people/of-age").location == "/people/of-age/decided"
        token = reader.get("/member").text.split('name="csrf_token" value="')[1].split('"')[0]
        pressed = reader.browser.post("/people/of-age", data={"csrf_token": token, "member": child.patient_id})
        assert pressed.location == "/member", "nothing was to decide"
        return "You are 18" in reader.get("/member").text, reader.get("/people/of-age/decided").status_code

    assert told() == (False, 404)
    clock.advance((majority(child.birth_date, NEW_YORK) - now()).total_seconds() + 1)
    assert told() == (False, 404), "coming of age ended nothing"


def test_case_118_a_corrected_birth_date_ends_tokens_at_once(desk: Desk) -> None:
    today = now().astimezone(NEW_YORK).date()
    with desk.session() as session:
        guardian = make_account(session)
        child = make_member(session, birth_date=today.replace(year=today.year - 9, month=1, day=15))
        link(session, make_representative(session, guardian), child, basis=Basis.GUARDIAN, timezone=NEW_YORK)
    app = desk.register()
    tokens = desk.connect(app, account=guardian, member=child)
    assert desk.works(tokens["access_token"])
    with desk.session() as session:
        row = RosterRow(
            patient_id=child.patient_id, member_number=child.member_number, subscriber_number=child.member_number,
            given_name=child.given_name, family_name=child.family_name,
            birth_date=today.replace(year=today.year - 13, month=1, day=15),
        )  # fmt: skip
        childhood.follow_birth_dates(session, roster.load_rows(session, [row]).born_otherwise, NEW_YORK)
    assert not desk.works(tokens["access_token"]), "agreed under a wider right"
    assert desk.refresh(app, tokens["refresh_token"]).status_code == 400


def test_case_119_a_death_on_the_roster_ends_tokens_without_any_job(desk: Desk, family: Family) -> None:
    app = desk.register()
    for_father = desk.connect(app, account=family.account, member=family.father)
    for_mother = desk.connect(app, account=family.account, member=family.mother)
    with desk.session() as session:
        father = session.get_one(Member, family.father.id)
        father.deceased_on = now().date()
        executor = make_account(session)
        link(session, make_representative(session, executor), father, basis=Basis.EXECUTOR, timezone=NEW_YORK)
    assert not desk.works(for_father["access_token"])
    assert desk.works(for_mother["access_token"])
    assert desk.refresh(app, for_father["refresh_token"]).status_code == 400
    assert choose(signed_in(desk, family), family.father.patient_id) == 403
    assert desk.works(desk.connect(app, account=executor, member=family.father)["access_token"])
    with desk.session() as session:
        assert family.standing(session).ended_at is None, "no job has run"
        assert [one.basis for one in acting_for(session, father)] == [Basis.EXECUTOR]
        assert session.scalars(select(Grant).where(Grant.link_id == family.link_id)).one().ended_at is None


def test_case_119_a_death_that_the_roster_takes_back_takes_the_executors_right_with_it(
    desk: Desk, family: Family
) -> None:
    app = desk.register()
    with desk.session() as session:
        father = session.get_one(Member, family.father.id)
        father.deceased_on = now().date()
        executor = make_account(session)
        made = link(session, make_representative(session, executor), father, basis=Basis.EXECUTOR, timezone=NEW_YORK)
    tokens = desk.connect(app, account=executor, member=family.father)
    for died in (None, now().date()):
        with desk.session() as session:
            session.get_one(Member, family.father.id).deceased_on = died
        assert desk.works(tokens["access_token"]) is (died is not None)
        with desk.session() as session:
            assert (right_for(session, executor, family.father.id) is not None) is (died is not None)
            found = session.get_one(RepresentativeLink, made.id)
            assert is_current(found, now()) is (died is not None)
            assert found in acting_for(session, father) or died is None


def test_case_119_death_ends_every_link_but_the_executors(desk: Desk, family: Family) -> None:
    with desk.session() as session:
        father = session.get_one(Member, family.father.id)
        executor = make_representative(session)
        father.deceased_on = now().date()
        link(session, executor, father, basis=Basis.EXECUTOR, timezone=NEW_YORK)
    link_ends.run(desk.app.extensions["latchstring"].sessions, desk.settings)
    with desk.session() as session:
        assert family.standing(session).ended_by is EndedBy.PLAN
        assert [one.representative_id for one in acting_for(session, father)] == [executor.id]


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
