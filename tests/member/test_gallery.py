"""The App Gallery: which apps are shown and how, Launch for the member selected, and reports about apps."""

import re
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from oauth.apps import clients
from oauth.apps.clients import Attestation
from oauth.apps.models import AppReport, ReviewState
from oauth.models import LaunchHandle
from service.clock import now
from service.member.apps import gallery_apps
from tests.accounts.visitor import Visitor
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.member.pages import Reader, forms_of, represent
from tests.oauth.desk import App, Desk, answer_of
from tests.oauth.keyed import register_backend
from tests.oauth.life import Life, production

LAUNCH = "https://app.example.org/launch?theme=calm"


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def launchable(desk: Desk) -> App:
    """An approved app that can be opened from the gallery."""
    return desk.register(launch_uris=[LAUNCH], website="https://app.example.org")


def launch(reader: Reader, app: App, **changed: str | list[str]) -> TestResponse:
    """Press Launch on the app's page."""
    return reader.press(reader.get(f"/gallery/{app.id}"), f"/gallery/{app.id}/launch", **changed)


def names_shown(page: TestResponse) -> set[str]:
    return set(re.findall(r'href="/gallery/([^"/]+)"', page.text))


@pytest.mark.parametrize("state", list(ReviewState))
def test_only_approved_apps_are_shown(app: Flask, desk: Desk, state: ReviewState) -> None:
    if state in {ReviewState.REPLACED, ReviewState.DROPPED}:
        return
    life = Life.begin(desk, production(desk.settings)).to(state)
    visitor = Visitor(app)
    shown = state is ReviewState.APPROVED

    assert (life.app.id in names_shown(visitor.get("/gallery"))) is shown
    assert visitor.get(f"/gallery/{life.app.id}").status_code == (200 if shown else 404)


def test_a_draft_that_works_in_the_sandbox_is_not_shown_nor_launched_nor_reported(desk: Desk, rosa: Reader) -> None:
    life = Life.begin(desk, desk.settings, launch_uris=[LAUNCH])
    token = {"csrf_token": csrf(rosa), "member": desk.member.patient_id}

    assert life.app.id not in names_shown(rosa.get("/gallery"))
    assert rosa.browser.post(f"/gallery/{life.app.id}/launch", data=token).status_code == 404
    report = token | {"reason": "other", "words": "x"}
    assert rosa.browser.post(f"/gallery/{life.app.id}/report", data=report).status_code == 404


def test_programs_without_a_person_are_not_shown(desk: Desk, rosa: Reader) -> None:
    program = register_backend(desk)
    assert program.app.view.name not in rosa.get("/gallery").text
    assert rosa.get(f"/gallery/{program.id}").status_code == 404


def csrf(reader: Reader) -> str:
    return next(form.fields["csrf_token"] for form in forms_of(reader.get("/settings").text) if form.fields)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"a", "b", "c"}), ("q=pills", {"a"}), ("q=HARBOR+street", {"b"}), ("q=nothing+such", set()),
        ("platform=ios", {"a"}), ("platform=web", {"b"}), ("category=claims", {"b"}), ("category=other", {"c"}),
        ("platform=ios&category=claims", set()), ("platform=toaster", {"a", "b", "c"}), ("page=9", {"a", "b", "c"}),
        ("q=" + "x" * 500, {"a", "b", "c"}),
    ],
)  # fmt: skip
def test_apps_are_found_by_words_platform_and_category(desk: Desk, query: str, found: set[str]) -> None:
    ids = {
        desk.register(description="Counts pills.", platforms=["ios"], category="medicines").id: "a",
        desk.register(developer_name="Harbor Street Software", platforms=["web"], category="claims").id: "b",
        desk.register().id: "c",
    }

    page = desk.app.test_client().get(f"/gallery?{query}")

    assert {ids[client_id] for client_id in names_shown(page)} == found


def test_a_long_gallery_has_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_apps, "PER_PAGE", 2)
    every = {desk.register().id for _ in range(3)}
    browser = desk.app.test_client()

    first, second = names_shown(browser.get("/gallery")), names_shown(browser.get("/gallery?page=2"))

    assert (len(first), len(second), first | second) == (2, 1, every)


@pytest.mark.parametrize(
    ("said", "badge", "words"),
    [
        (Attestation.ATTESTED, "Agreed to the plan&#39;s privacy policy", "agreed to the privacy policy of"),
        (Attestation.DECLINED, "Did not agree to the plan&#39;s privacy policy", "answered no on"),
        (Attestation.UNANSWERED, "Has not said whether it agrees", "has not answered whether"),
    ],
)
def test_the_badge_says_what_it_means(desk: Desk, said: Attestation, badge: str, words: str) -> None:
    app = desk.register(attestation=said, attested_on=now(), attestation_version="2026-1")
    browser = desk.app.test_client()

    assert badge in browser.get("/gallery").text
    page = browser.get(f"/gallery/{app.id}").text
    assert badge in page and words in page


def test_the_page_says_who_makes_it_what_it_may_ask_and_where_its_pages_are(desk: Desk) -> None:
    app = desk.register(
        scopes="launch/patient patient/Patient.rs patient/MedicationRequest.rs", developer_domain="lantern.example",
        policy_uri="https://lantern.example/privacy", terms_uri="https://lantern.example/terms",
        contact="help@lantern.example", website="https://lantern.example",
    )  # fmt: skip

    page = desk.app.test_client().get(f"/gallery/{app.id}").text

    for words in ("lantern.example", "Medicines", "https://lantern.example/privacy", "/terms", "help@lantern.example"):
        assert words in page
    asks = page.split("What it may ask to see")[1].split("Its own pages")[0]
    assert "Claims and costs" not in asks and "while you are away" not in asks
    # Nothing to launch: the way leads through the app's own website.
    assert 'href="https://lantern.example"' in page and "Launch" not in page


def test_spanish_readers_read_spanish(desk: Desk) -> None:
    app = desk.register(platforms=["web"], category="medicines")
    browser = desk.app.test_client()
    browser.get("/gallery?lang=es")

    assert "Galería de aplicaciones" in browser.get("/gallery").text
    assert "Medicamentos" in browser.get(f"/gallery/{app.id}").text


def test_connected_is_marked_for_the_member_selected_only(desk: Desk) -> None:
    app, other = desk.register(), desk.register()
    desk.connect(app)
    with desk.session() as session:
        child = make_member(session, given_name="Leo")
    represent(desk, desk.account, child)
    both = Reader(desk, desk.account)

    def marked(reader: Reader) -> set[str]:
        cards = reader.get("/gallery").text.split('<li class="ls-card">')[1:]
        return {found for card in cards if "Connected" in card for found in re.findall(r'/gallery/([^"/]+)"', card)}

    assert marked(both) == set()
    choose(both, desk.member.patient_id)
    assert marked(both) == {app.id} and other.id not in marked(both)
    choose(both, child.patient_id)
    assert marked(both) == set()
    assert "Connected" not in desk.app.test_client().get("/gallery").text


def choose(reader: Reader, patient_id: str) -> None:
    assert reader.press(reader.get("/select-member"), "/select-member", selected=patient_id).status_code == 303


def test_launch_opens_the_registered_address_with_iss_and_launch(desk: Desk, rosa: Reader) -> None:
    app = launchable(desk)
    page = rosa.get(f"/gallery/{app.id}")
    assert "https://app.example.org" in page.headers["Content-Security-Policy"].split("form-action")[1]

    answer = launch(rosa, app)

    assert answer.status_code == 303
    assert answer.location.startswith(LAUNCH + "&")
    told = answer_of(answer.location)
    assert told["iss"] == desk.settings.fhir_base
    asked = rosa.ask(app, scope="launch openid fhirUser patient/*.rs", launch=told["launch"])
    assert urlsplit(asked.request.path).path == "/consent"
    assert desk.member.full_name in asked.text


def test_a_representative_launches_for_the_member_selected(desk: Desk) -> None:
    app = launchable(desk)
    with desk.session() as session:
        father = make_member(session, given_name="Walter")
    represent(desk, desk.account, father)
    both = Reader(desk, desk.account)
    assert "Launch</button>" not in both.get(f"/gallery/{app.id}").text
    assert both.get(f"/gallery/{app.id}/sign-in").location.startswith("/select-member?next=")
    choose(both, father.patient_id)

    assert launch(both, app, member=desk.member.patient_id).status_code == 409
    assert launch(both, app).status_code == 303

    with desk.session() as session:
        handle = session.scalars(select(LaunchHandle)).one()
        assert (handle.member_id, handle.account_id) == (father.id, desk.account.id)


def test_launch_needs_a_sign_in_a_member_and_the_form_of_the_browser(app: Flask, desk: Desk, rosa: Reader) -> None:
    asked = launchable(desk)
    address = f"/gallery/{asked.id}/launch"

    assert Visitor(app).post_without_token(address, member=desk.member.patient_id).status_code in {303, 403}
    assert rosa.browser.post(address, data={"member": desk.member.patient_id}).status_code == 403
    assert rosa.get(address).status_code == 405
    with desk.session() as session:
        lonely = make_account(session)
    nobody = Reader(desk, lonely)
    assert nobody.browser.post(address, data={"csrf_token": csrf(nobody)}).status_code == 403
    assert nobody.browser.post(address, data={"csrf_token": csrf(nobody), "member": "x"}).status_code == 409
    with desk.session() as session:
        assert session.scalar(select(LaunchHandle.hash)) is None
    assert "Sign in to launch" in Visitor(app).get(f"/gallery/{asked.id}").text


def test_an_app_without_launch_address_or_scope_is_not_launched(desk: Desk, rosa: Reader) -> None:
    plain = desk.register()
    narrow = desk.register(launch_uris=[LAUNCH], scopes="launch/patient patient/*.rs")
    for asked in (plain, narrow):
        form = {"csrf_token": csrf(rosa), "member": desk.member.patient_id}
        assert "Launch</button>" not in rosa.get(f"/gallery/{asked.id}").text
        assert rosa.browser.post(f"/gallery/{asked.id}/launch", data=form).status_code == 409


def test_case_017_a_suspended_app_is_launched_from_no_old_page(desk: Desk, rosa: Reader) -> None:
    life = Life.begin(desk, desk.settings, launch_uris=[LAUNCH]).to(ReviewState.APPROVED)
    page = rosa.get(f"/gallery/{life.app.id}")
    with desk.session() as session:
        life.suspend(session)

    assert rosa.press(page, f"/gallery/{life.app.id}/launch").status_code == 404
    assert rosa.get(f"/gallery/{life.app.id}").status_code == 404


def test_case_073_names_are_text_and_logos_come_from_here(desk: Desk) -> None:
    app = desk.register(
        name="Tom & <b>Jerry</b>", developer_name="<i>Ink</i>", description="<script>alert(1)</script>",
        contact="<img src=x>",
    )  # fmt: skip
    browser = desk.app.test_client()

    for page in (browser.get("/gallery"), browser.get(f"/gallery/{app.id}")):
        assert "<b>Jerry" not in page.text and "<script>alert" not in page.text and "<i>Ink" not in page.text
        assert all(source.startswith(("/", "data:")) for source in re.findall(r'<img[^>]* src="([^"]+)"', page.text))
        assert "img-src 'self' data:" in page.headers["Content-Security-Policy"]


def test_a_report_reaches_the_plan_and_not_the_developer(desk: Desk, rosa: Reader) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    address = f"/gallery/{life.app.id}/report"

    empty = rosa.press(rosa.get(address), address, reason="", words=" ")
    sent = rosa.press(rosa.get(address), address, reason="misleads", words="It shows\nadvertisements.")

    assert (empty.status_code, sent.status_code) == (400, 303)
    assert "Please choose one." in empty.text and "Please tell us what happened." in empty.text
    assert "does not learn who you are" in rosa.get(sent.location).text
    with desk.session() as session:
        made = session.scalars(select(AppReport)).one()
        assert (made.client_id, made.account_id, made.closed_at) == (life.app.id, desk.account.id, None)
        assert "advertisements" in made.words


def test_an_app_is_reported_once_a_day_and_five_apps_in_a_day(desk: Desk, rosa: Reader, clock: MovableClock) -> None:
    every = [desk.register() for _ in range(6)]

    def report(app: App) -> int:
        address = f"/gallery/{app.id}/report"
        return rosa.press(rosa.get(address), address, reason="other", words="Hm.").status_code

    assert report(every[0]) == 303
    assert report(every[0]) == 429
    assert [report(app) for app in every[1:]] == [303] * 4 + [429]
    with desk.session() as session:
        assert len(session.scalars(select(AppReport)).all()) == 5


def test_a_stranger_signs_in_before_reporting(app: Flask, desk: Desk) -> None:
    asked = desk.register()
    assert "/sign-in" in Visitor(app).get(f"/gallery/{asked.id}/report").location


def test_the_gallery_is_linked_where_people_look_for_it(desk: Desk, rosa: Reader) -> None:
    app = desk.register()
    for page in (desk.app.test_client().get("/"), desk.app.test_client().get("/help"), rosa.get("/member")):
        assert 'href="/gallery"' in page.text
    assert f'href="/gallery/{app.id}"' in rosa.ask(app).text
    with desk.session() as session:
        assert clients.get(session, app.id).category is None
