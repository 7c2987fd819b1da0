"""Attack cases 115 and 117: representatives reach whom they are linked to, while they are, and nobody else."""

import re
from collections.abc import Callable
from threading import Barrier, Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent import safety_blocks
from consent.grants import already_agreed
from consent.link_refusals import ShutOut
from consent.models import Basis, EndedBy, Grant, LinkScope, RepresentativeLink
from consent.representatives import block, end_link, limit, link, right_for
from consent.scopes import parse
from service.accounts.models import Account
from service.mail import OutboxMail
from service.plan.models import Member
from tests.attacks.families import NEW_YORK, Family, choose, signed_in
from tests.factories import make_account
from tests.member.pages import Reader, form_to
from tests.oauth.desk import App, Code, Desk, challenge_of, new_verifier


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


def test_case_117_what_the_member_ends_is_out_for_every_request_begun_after_the_answer(
    desk: Desk, family: Family
) -> None:
    """By the member's own page: context, token and refresh of that member at once, the other member untouched."""
    app = desk.register()
    for_father = desk.connect(app, account=family.account, member=family.father)
    for_mother = desk.connect(app, account=family.account, member=family.mother)
    with desk.session() as session:
        own = make_account(session, member=session.get_one(Member, family.father.id))
        related_person_id = family.standing(session).related_person_id
    representative, member = signed_in(desk, family), desk.app.test_client()
    choose(representative, family.father.patient_id)
    desk.sign_in(member, own)
    form = form_to(member.get("/people").text, f"/people/{related_person_id}/end")

    assert member.post(form.action, data=form.changed(member=family.mother.patient_id)).status_code == 409
    assert desk.works(for_father["access_token"])
    assert member.post(form.action, data=form.changed()).status_code == 303

    assert not desk.works(for_father["access_token"])
    assert desk.refresh(app, for_father["refresh_token"]).status_code == 400
    assert "Amos" not in representative.get("/member", follow_redirects=True).text
    assert choose(representative, family.father.patient_id) == 403
    assert desk.works(for_mother["access_token"])
    assert member.post(form.action, data=form.changed()).status_code == 404, "there is nothing to end twice"
    with desk.session() as session:
        told = session.scalars(select(OutboxMail.template).order_by(OutboxMail.id)).all()
    assert told.count("representative_changed") == 2


def test_case_117_a_link_that_ends_in_mid_consent_grants_nothing_and_says_so(desk: Desk, family: Family) -> None:
    app = desk.register()
    reader = Reader(desk, family.account)
    page = reader.choose(reader.ask(app), family.father)
    assert "Amos" in page.text
    with desk.session() as session:
        end_link(session, family.standing(session), by=EndedBy.MEMBER)

    answer = reader.allow(page)

    assert answer.status_code == 409
    assert "You cannot act for this member" in answer.text and "nothing was shared" in answer.text
    assert "Amos" not in answer.text and "Go back to what the app asks" in answer.text
    with desk.session() as session:
        assert session.scalars(select(Grant)).all() == []
    way_back = re.search(r'href="(/consent\?request=[^"&]+)"', answer.text)
    assert way_back
    chooser = reader.get(way_back[1]).text
    assert "Whose information do you want to share?" in chooser and "Ruth" in chooser and "Amos" not in chooser


def test_case_117_a_member_never_linked_answers_like_one_whose_link_ended(desk: Desk, family: Family) -> None:
    app = desk.register()
    reader = Reader(desk, family.account)
    page = reader.choose(reader.ask(app), family.father)
    answers = [reader.allow(page, member=named) for named in (family.stranger.patient_id, "no-such-patient")]
    # The reference number and the form's token are new each time.
    texts = {re.sub(r'<code>.*?</code>|name="csrf_token" value="[^"]*"', "", answer.text) for answer in answers}
    assert [answer.status_code for answer in answers] == [409, 409] and len(texts) == 1
    assert "You cannot act for this member" in answers[0].text


def test_case_117_a_yes_and_an_end_at_once_leave_nothing_that_works(desk: Desk, family: Family) -> None:
    """Whichever comes first: the app's code is refused, or no code was made."""
    app = desk.register()
    readers, verifier = [Reader(desk, family.account) for _ in range(3)], new_verifier()
    challenge = challenge_of(verifier)
    pages = [reader.choose(reader.ask(app, code_challenge=challenge), family.father) for reader in readers]
    barrier, answers = Barrier(len(readers) + 1), []

    def allow(reader: Reader, page: TestResponse) -> None:
        barrier.wait()
        answers.append(reader.allow(page))

    def end() -> None:
        barrier.wait()
        with desk.session() as session:
            end_link(session, family.standing(session), by=EndedBy.MEMBER)

    every = [Thread(target=allow, args=pair) for pair in zip(readers, pages, strict=True)] + [Thread(target=end)]
    for each in every:
        each.start()
    for each in every:
        each.join()

    assert {answer.status_code for answer in answers} <= {303, 409}
    with desk.session() as session:
        account = session.get_one(Account, family.account.id)
        assert right_for(session, account, family.father.id) is None
        given = session.scalars(select(Grant)).all()
        assert all(not already_agreed(grant, parse(grant.scopes), None) for grant in given)
    for answer in answers:
        if answer.status_code == 303:
            code = parse_qs(urlsplit(answer.location).query)["code"][0]
            refused = desk.exchange(Code(code, verifier, app))
            assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")


def test_case_117_a_safety_block_is_silent_and_no_new_request_gets_around_it(desk: Desk, family: Family) -> None:
    app = desk.register()
    for_father = desk.connect(app, account=family.account, member=family.father)
    with desk.session() as session:
        own = make_account(session, member=session.get_one(Member, family.father.id))
        related_person_id = family.standing(session).related_person_id
    member = desk.app.test_client()
    desk.sign_in(member, own)
    form = form_to(member.get("/people").text, f"/people/{related_person_id}/shut-out")

    assert member.post(form.action, data=form.changed()).status_code == 303

    assert not desk.works(for_father["access_token"])
    browser = signed_in(desk, family)
    for path in ("/member", "/people/i-act-for", "/select-member"):
        text = browser.get(path, follow_redirects=True).text
        assert "Amos" not in text and "block" not in text.lower() and "safety." not in text.lower()
    with desk.session() as session:
        assert session.scalars(select(OutboxMail.template)).all().count("representative_changed") == 0
        made = family.standing(session)
        assert made.blocked_by_account_id == own.id and safety_blocks.count_to_review(session) == 1
        with pytest.raises(ShutOut):
            link(session, made.representative, made.member, basis=Basis.GUARDIAN, timezone=NEW_YORK)
        end_link(session, made, by=EndedBy.TIME)
        name = made.representative.full_name
    assert f"<li>{name}, " in member.get("/people").text, (
        "a block outlives its link, and the member sees that it stands"
    )
