"""The App Management Console: what it lists for whom, and what Revoke does."""

from datetime import timedelta

import pytest

from consent import grants, kept_words, representatives
from consent.models import EndedBy, RepresentativeLink
from oauth.apps import reviews
from service import audit
from service.plan.models import Member
from tests.factories import PASSWORD, make_account
from tests.member.console import connected
from tests.member.pages import Reader, form_to, represent, revoke_forms
from tests.oauth.desk import App, Desk


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def sections(page: str) -> tuple[str, str]:
    """The page's part about live apps and the one about former apps."""
    live, _, former = page.partition("<h2>Former apps</h2>")
    return live, former


def grant_id(page: str) -> str:
    (action,) = revoke_forms(page)
    return action.split("/")[2]


def test_the_console_lists_what_an_app_may_see(desk: Desk, rosa: Reader) -> None:
    app = desk.register(name="Pill Diary", developer_name="Bright Health Inc.", developer_domain="bright.example")
    rosa.allow(rosa.ask(app), data=["claims"], sensitive=["hiv"])

    page = rosa.get("/apps")

    assert page.status_code == 200
    for told in (
        "Pill Diary", "Bright Health Inc.", "bright.example", "has not answered whether they agree", "Claims and costs",
        "also about: HIV", "Shared since", "Shared until", "Not yet", "Connected by", "You", "Revoke",
        "does not remove what the app has already received",
    ):  # fmt: skip
        assert told in page.text
    assert "Medicines" not in page.text


def test_every_app_leads_to_its_policy_terms_and_contact(desk: Desk, rosa: Reader) -> None:
    told = {
        "policy_uri": "https://diary.example/privacy", "terms_uri": "https://diary.example/terms",
        "contact": "help@diary.example",
    }  # fmt: skip
    for deed in ("", "pause", "revoke"):
        app = connected(desk, rosa, desk.register(**told))
        if deed:
            app.press(deed)

    page = rosa.get("/apps").text

    cards = [card.partition("</section>")[0] for card in page.split('<section class="ls-app')[1:]]
    assert len(cards) == 3
    for card in cards:
        assert all(value in card for value in told.values()), card


def test_a_console_without_apps_speaks_of_none(desk: Desk, rosa: Reader) -> None:
    page = rosa.get("/apps").text

    assert f"Here you see which apps may see information about {desk.member.full_name}." in page
    assert "No app may see it at the moment." in page and "These apps" not in page


def test_the_password_is_asked_again_after_five_minutes(desk: Desk, rosa: Reader, clock) -> None:  # type: ignore[no-untyped-def]
    assert rosa.get("/apps").status_code == 200
    clock.advance(240)
    assert rosa.get("/apps").status_code == 200
    clock.advance(61)

    answer = rosa.get("/apps")

    assert answer.status_code == 303 and "/confirm-password" in answer.location
    form = form_to(rosa.get(answer.location).text, "/confirm-password")
    confirmed = rosa.browser.post(form.action, data=form.changed(username=desk.account.username, password=PASSWORD))
    assert "App Management Console" in rosa.follow(confirmed).text


def test_last_use_comes_from_the_audit_stream(desk: Desk, rosa: Reader) -> None:
    rosa.allow(rosa.ask(desk.register()))
    used = grant_id(rosa.get("/apps").text)
    with desk.session() as session:
        audit.record(session, "fhir:Coverage:search", grant_id=used, count=1)

    page = rosa.get("/apps").text

    assert "Not yet" not in page and "Last used" in page


def test_revoke_ends_the_app_and_says_what_it_does_not_do(desk: Desk, rosa: Reader) -> None:
    app = desk.register(policy_uri="https://bright.example/privacy", contact="help@bright.example")
    token = desk.connect(app)["access_token"]
    page = rosa.get("/apps")

    answer = rosa.press(page, revoke_forms(page.text)[0])

    assert not desk.works(token)
    result = rosa.follow(answer)
    for told in (
        f"{app.view.name} can no longer see this information", "does not remove what the app has already received",
        "https://bright.example/privacy", "help@bright.example",
    ):  # fmt: skip
        assert told in result.text
    live, former = sections(rosa.get("/apps").text)
    assert app.view.name not in live and app.view.name in former
    assert "by you" in former


def test_revoke_needs_no_password_again(desk: Desk, rosa: Reader, clock) -> None:  # type: ignore[no-untyped-def]
    app = desk.register()
    token = desk.connect(app)["access_token"]
    page = rosa.get("/apps")
    clock.advance(400)

    answer = rosa.press(page, revoke_forms(page.text)[0])

    assert rosa.follow(answer).status_code == 200
    assert not desk.works(token)


def test_revoking_twice_changes_nothing(desk: Desk, rosa: Reader) -> None:
    desk.connect(desk.register())
    page = rosa.get("/apps")
    rosa.press(page, revoke_forms(page.text)[0])

    assert rosa.press(page, revoke_forms(page.text)[0]).status_code == 303


def test_a_grant_that_ran_out_is_a_former_app(desk: Desk, rosa: Reader, clock) -> None:  # type: ignore[no-untyped-def]
    app = desk.register()
    rosa.allow(rosa.ask(app), duration="once")
    clock.advance(timedelta(hours=1, minutes=2).total_seconds())

    live, former = sections(Reader(desk, desk.account).get("/apps").text)

    assert app.view.name not in live
    assert app.view.name in former and "because the time that was chosen was over" in former


def test_a_grant_whose_representation_ended_is_a_former_app(desk: Desk, rosa: Reader) -> None:
    app, link = _connected_by_representative(desk)
    with desk.session() as session:
        standing = session.get_one(RepresentativeLink, link.id)
        representatives.end_link(session, standing, by=EndedBy.PLAN)

    live, former = sections(rosa.get("/apps").text)

    assert app.view.name not in live
    assert app.view.name in former and "the right to act for the member ended" in former


def test_the_member_sees_who_connected_an_app_for_them(desk: Desk, rosa: Reader) -> None:
    app, _link = _connected_by_representative(desk)

    live, _ = sections(rosa.get("/apps").text)

    assert app.view.name in live
    assert "Dana Reyes, personal representative (guardian)" in live


def test_a_suspended_app_is_told_of(desk: Desk, rosa: Reader) -> None:
    app = desk.register()
    desk.connect(app)
    with desk.session() as session:
        reviews.suspend(session, app.id, reason="unsafe", settings=desk.settings)

    assert "The plan has stopped this app for now" in rosa.get("/apps").text


def test_the_receipt_shows_the_very_words(desk: Desk, rosa: Reader) -> None:
    app = desk.register()
    rosa.allow(rosa.ask(app), data=["claims"], duration="three_months")
    own = grant_id(rosa.get("/apps").text)
    with desk.session() as session:
        decision = session.get_one(grants.Grant, own).decision
        kept = kept_words.get(session, decision.words["page"])

    page = rosa.get(f"/apps/answers/{decision.id}")

    for told in (kept["title"], kept["intro"], kept["everything"], "3 months", "Claims and costs"):
        assert told in page.text.replace("&#39;", "'")


def test_a_live_app_has_no_result_page(desk: Desk, rosa: Reader) -> None:
    desk.connect(desk.register())
    own = grant_id(rosa.get("/apps").text)

    assert rosa.get(f"/apps/{own}/ended").status_code == 404


def test_the_console_is_for_people_who_are_signed_in(desk: Desk) -> None:
    answer = desk.app.test_client().get("/apps")

    assert answer.status_code == 303 and "/sign-in" in answer.location


def _connected_by_representative(desk: Desk) -> tuple[App, RepresentativeLink]:
    with desk.session() as session:
        account = make_account(session, given_name="Dana", family_name="Reyes")
        member = session.get_one(Member, desk.member.id)
    link = represent(desk, account, member)
    app = desk.register()
    desk.connect(app, account=account, member=member)
    return app, link
