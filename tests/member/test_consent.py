"""The consent screen: what it shows, what an answer makes of it, and that nothing else makes a grant."""

from datetime import UTC, datetime

import pytest

from consent import kept_words
from consent.models import Answer, Duration, GrantStatus, LinkScope, RepresentativeLink
from consent.scopes import parse
from oauth.apps.clients import Attestation
from service.clock import now
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.member.pages import Reader, decisions, form_to, forms_of, grants, represent
from tests.oauth.desk import SCOPE, Desk, answer_of


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def test_the_screen_tells_who_asks_for_what_about_whom(desk: Desk, rosa: Reader) -> None:
    app = desk.register(
        name="Pill Diary", developer_name="Bright Health Inc.", developer_domain="bright.example",
        policy_uri="https://bright.example/privacy", terms_uri="https://bright.example/terms",
    )  # fmt: skip

    page = rosa.ask(app)

    assert page.status_code == 200
    for told in (
        "Share information with Pill Diary?", "Bright Health Inc.", "bright.example", desk.member.full_name,
        'href="https://bright.example/privacy"', 'href="https://bright.example/terms"', "13 months",
        "Claims, office visits, and other interactions with providers",
        "all of this information that Meridian Health Plan has now",
        "Clinical data from case management, care coordination", "press Revoke", "while you are away",
    ):  # fmt: skip
        assert told in page.text
    buttons = [text for _, _, text in form_to(page.text, "/consent").buttons]
    assert buttons == ["Allow", "Don't allow", "I need more time"]


@pytest.mark.parametrize(
    ("attestation", "sentence"),
    [
        (
            Attestation.ATTESTED,
            "agreed to the privacy policy of Meridian Health Plan on Mar 1, 2026 (version 2026-1)",
        ),
        (Attestation.DECLINED, "answered no on Mar 1, 2026. The choice to use the app is yours."),
        (Attestation.UNANSWERED, "has not answered whether they agree"),
    ],
)
def test_attestation_is_a_fact_and_no_gate(desk: Desk, rosa: Reader, attestation: Attestation, sentence: str) -> None:
    on = None if attestation is Attestation.UNANSWERED else datetime(2026, 3, 1, 17, tzinfo=UTC)
    app = desk.register(attestation=attestation, attested_on=on, attestation_version="2026-1")

    page = rosa.ask(app)

    assert sentence in page.text
    assert "code" in answer_of(rosa.allow(page).location)


def test_an_app_that_declares_nothing_is_told_of_and_gets_nothing(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register(), scope="openid fhirUser")

    assert "has not said which types of health information it wants" in page.text
    assert form_to(page.text, "/consent").ticked("data") == []
    assert "code" in answer_of(rosa.allow(page).location)
    assert grants(desk)[0].scopes == "openid fhirUser"


def test_allow_gives_what_was_ticked_and_keeps_the_words(desk: Desk, rosa: Reader) -> None:
    app = desk.register()
    page = rosa.ask(app)

    answer = rosa.allow(page, data=["claims", "coverage"], sensitive=["hiv"], duration="three_months")

    assert answer_of(answer.location)["state"] == "state-1"
    made, kept = grants(desk)[0], decisions(desk)[0]
    assert parse(made.scopes).types == {"Coverage", "ExplanationOfBenefit", "Claim", "ClaimResponse"}
    assert (made.sensitive_classes, made.duration, made.offline) == (["hiv"], Duration.THREE_MONTHS, True)
    assert made.account_id == desk.account.id and made.member_id == desk.member.id
    assert (kept.answer, kept.language, kept.asked_scopes) == (Answer.ALLOW, "en", SCOPE)
    with desk.session() as session:
        page = kept_words.get(session, kept.words["page"])
    assert page["title"] == f"Share information with {app.view.name}?"
    assert page["text_version"] == kept.text_version
    assert kept.words["whose"] == desk.member.full_name


def test_no_is_kept_and_told_to_the_app(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register())

    answer = rosa.press(page, "/consent", answer="deny")

    assert answer_of(answer.location)["error"] == "access_denied"
    assert [kept.answer for kept in decisions(desk)] == [Answer.DENY]
    assert grants(desk) == []


def test_an_answer_counts_once(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register())
    rosa.allow(page)

    again = rosa.allow(page)

    assert again.status_code == 400
    assert "This request is over" in again.text
    assert len(decisions(desk)) == 1


def test_nothing_ticked_is_asked_about_again(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register())

    answer = rosa.allow(page, data=[], sensitive=["hiv"], duration="once")

    assert answer.status_code == 400
    assert "Check at least one type of information" in answer.text
    form = form_to(answer.text, "/consent")
    assert (form.ticked("data"), form.ticked("sensitive"), form.ticked("duration")) == ([], ["hiv"], ["once"])
    assert decisions(desk) == []


def test_unticking_away_means_no_refresh_token(desk: Desk, rosa: Reader) -> None:
    app = desk.register()
    page = rosa.ask(app)

    rosa.allow(page, offline=[])

    assert not grants(desk)[0].offline
    assert "offline_access" not in grants(desk)[0].scopes


def test_a_representative_chooses_the_member_first(desk: Desk) -> None:
    with desk.session() as session:
        account = make_account(session, given_name="Dana", family_name="Reyes")
        mother = make_member(session, given_name="Ines")
    represent(desk, account, mother)
    dana = Reader(desk, account)

    page = dana.ask(desk.register())
    assert ("Select member" in page.text, form_to(page.text, "/consent/member").options) == (
        True, [(mother.patient_id, mother.full_name)],
    )  # fmt: skip
    asked = dana.choose(page, mother)
    assert "You, Dana Reyes, as personal representative (guardian)" in asked.text
    dana.allow(asked)

    made = grants(desk)[0]
    assert (made.account_id, made.member_id, made.link_id is not None) == (account.id, mother.id, True)


def test_a_member_with_others_to_act_for_chooses_themselves_by_that_name(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        child = make_member(session)
    represent(desk, desk.account, child)

    page = rosa.ask(desk.register())

    texts = [text for _, text in form_to(page.text, "/consent/member").options]
    assert texts == [f"My own information ({desk.member.full_name})", child.full_name]


def test_choosing_another_member_keeps_the_request(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        child = make_member(session)
    represent(desk, desk.account, child)
    first = rosa.choose(rosa.ask(desk.register()), desk.member)
    request_id = form_to(first.text, "/consent").fields["request"]

    page = rosa.get(f"/consent?request={request_id}")
    second = rosa.choose(page, child)

    assert form_to(second.text, "/consent").fields["request"] == request_id
    rosa.allow(second)
    assert grants(desk)[0].member_id == child.id


def test_a_member_picked_in_another_window_voids_the_page(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        child = make_member(session)
    represent(desk, desk.account, child)
    page = rosa.choose(rosa.ask(desk.register()), desk.member)

    rosa.press(rosa.get("/select-member"), "/select-member", selected=child.patient_id)
    answer = rosa.allow(page)

    assert answer.status_code in {403, 409}
    assert grants(desk) == [] and decisions(desk) == []


def test_the_member_of_the_form_is_compared_even_with_a_good_token(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        child = make_member(session)
    represent(desk, desk.account, child)
    page = rosa.choose(rosa.ask(desk.register()), desk.member)

    answer = rosa.allow(page, member=child.patient_id)

    assert answer.status_code == 409
    assert "You have switched to another member" in answer.text
    assert grants(desk) == []


def test_claims_only_shows_and_gives_no_clinical_data(desk: Desk) -> None:
    with desk.session() as session:
        account, mother = make_account(session), make_member(session)
    represent(desk, account, mother, scope=LinkScope.CLAIMS_ONLY)
    dana = Reader(desk, account)

    page = dana.choose(dana.ask(desk.register()), mother)

    assert form_to(page.text, "/consent").ticked("data") == ["about", "claims", "coverage", "providers"]
    dana.allow(page, data=["claims", "conditions"])
    assert parse(grants(desk)[0].scopes).types == {"ExplanationOfBenefit"}


def test_who_may_share_nothing_of_what_is_asked_is_told_so_and_asked_nothing(desk: Desk) -> None:
    with desk.session() as session:
        account, mother = make_account(session), make_member(session)
    represent(desk, account, mother, scope=LinkScope.CLAIMS_ONLY)
    dana, app = Reader(desk, account), desk.register()
    scope = "openid fhirUser offline_access patient/Observation.rs patient/Condition.rs"

    page = dana.choose(dana.ask(app, scope=scope), mother)

    assert page.status_code == 403 and "has not said which" not in page.text
    assert f"about {mother.full_name} that your right as personal representative does not cover" in page.text
    assert [form.action for form in forms_of(page.text) if form.action == "/consent"] == []
    left = dana.press(page, "/consent/leave")
    assert answer_of(left.location)["error"] == "invalid_scope"
    assert decisions(desk) == [] and grants(desk) == []


def test_a_right_made_smaller_under_the_page_refuses_allow_with_the_reason(desk: Desk) -> None:
    with desk.session() as session:
        account, mother = make_account(session), make_member(session)
    link = represent(desk, account, mother)
    dana, app = Reader(desk, account), desk.register()
    page = dana.choose(dana.ask(app, scope="openid patient/Observation.rs"), mother)
    with desk.session() as session:
        session.get_one(RepresentativeLink, link.id).scope = LinkScope.CLAIMS_ONLY

    answer = dana.allow(page)

    assert answer.status_code == 403 and "There is nothing here that you can share" in answer.text
    assert f"<code>{answer.headers['X-Request-Id']}</code>" in answer.text
    assert decisions(desk) == [] and grants(desk) == []


def test_without_sensitive_offers_no_sensitive_topic(desk: Desk) -> None:
    with desk.session() as session:
        account, mother = make_account(session), make_member(session)
    represent(desk, account, mother, scope=LinkScope.WITHOUT_SENSITIVE)
    dana = Reader(desk, account)

    page = dana.choose(dana.ask(desk.register()), mother)
    dana.allow(page, sensitive=["hiv", "genetic"])

    assert 'name="sensitive"' not in page.text
    assert grants(desk)[0].sensitive_classes == []


def test_switching_the_account_keeps_the_request(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        other_member = make_member(session)
        other = make_account(session, member=other_member)
    page = rosa.ask(desk.register())
    switch = next(form for form in forms_of(page.text) if "next" in form.fields)

    sign_in = rosa.follow(rosa.browser.post(switch.action, data=switch.fields))
    form = form_to(sign_in.text, "/sign-in")
    back = rosa.follow(
        rosa.browser.post(form.action, data=form.changed(username=other.username, password="Harbor-lights-42!"))
    )

    assert other_member.full_name in back.text
    rosa.allow(back)
    assert grants(desk)[0].account_id == other.id


def test_a_person_without_members_can_only_go_back(desk: Desk) -> None:
    with desk.session() as session:
        account = make_account(session)
    nobody = Reader(desk, account)

    page = nobody.ask(desk.register())

    assert page.status_code == 403
    assert "No member is linked to your account" in page.text and "Reference number" in page.text
    left = nobody.press(page, "/consent/leave")
    assert answer_of(left.location)["error"] == "access_denied"


def test_words_that_changed_since_are_not_agreed_to(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register())
    rosa.get("/help?lang=es")

    answer = rosa.allow(page)

    assert answer.status_code == 409
    assert decisions(desk) == []


def test_a_request_that_waited_too_long_is_over(desk: Desk, rosa: Reader, clock) -> None:  # type: ignore[no-untyped-def]
    page = rosa.ask(desk.register())
    for _ in range(6):
        clock.advance(600)
        assert rosa.get("/settings").status_code == 200

    answer = rosa.allow(page)

    assert answer.status_code == 400 and "This request is over" in answer.text
    assert "go back to the app and connect to your health plan there" in answer.text
    assert grants(desk) == []


def test_another_browser_cannot_answer(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register())
    request_id = form_to(page.text, "/consent").fields["request"]
    thief = Reader(desk, desk.account)

    assert thief.get(f"/consent?request={request_id}").status_code == 400


def test_the_app_asks_in_its_persons_language(desk: Desk, rosa: Reader) -> None:
    page = rosa.ask(desk.register(), ui_locales="fr es-MX en")

    assert "¿Compartir información con" in page.text
    assert '<html lang="es"' in page.text
    rosa.allow(page)
    assert decisions(desk)[0].language == "es"


def test_what_is_let_in_once_does_not_come_back_whatever_is_ticked(
    desk: Desk, rosa: Reader, clock: MovableClock
) -> None:  # fmt: skip
    app = desk.register()
    page = rosa.ask(app, scope=f"{SCOPE} online_access")
    form = form_to(page.text, "/consent")
    assert [name for (name, _value), on in form.boxes.items() if on and name in {"offline", "online"}] == [
        "online", "offline",
    ]  # fmt: skip
    clock.advance(11 * 60)

    answer = rosa.allow(page, duration="once")

    assert "code" in answer_of(answer.location), "nothing needs a fresh password that comes back no more"
    made, kept = grants(desk)[0], decisions(desk)[0]
    assert not {"offline_access", "online_access"} & {*made.scopes.split(), *kept.granted_scopes.split()}
    assert not made.offline and not kept.offline


def test_once_ends_with_its_hour(desk: Desk, rosa: Reader, clock) -> None:  # type: ignore[no-untyped-def]
    rosa.allow(rosa.ask(desk.register()), duration="once")

    made = grants(desk)[0]
    assert made.status is GrantStatus.ACTIVE
    assert (made.expires_at - now()).total_seconds() < 3700
