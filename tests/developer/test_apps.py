"""My apps: registering, secrets, steps, changes, facts; and that another developer's app is not there."""

from io import BytesIO
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.apps import admission, clients, developers, disabling, own_apps, registration, reviews
from oauth.apps.clients import Attestation, ClientStatus
from oauth.apps.models import DeclineReason, ReviewState
from oauth.apps.registration import Registration
from oauth.models import Client
from service.accounts.models import Account
from service.plan.models import StaffRole
from tests.conftest import MovableClock
from tests.developer.newcomer import APP, Newcomer, secret_on
from tests.factories import make_app, make_developer, make_plan_staff
from tests.member.pages import form_to
from tests.oauth.desk import App, Committing, Desk
from tests.oauth.life import approve_latest
from tests.oauth.pictures import picture


@pytest.fixture
def ada(app: Flask) -> Newcomer:
    """A developer at My apps."""
    with Committing(app) as session:
        developer = make_developer(session, name="Lantern Apps Inc.")
    return Newcomer(app).enter(developer)


def state_of(ada: Newcomer, client_id: str) -> ReviewState:
    with Committing(ada.app) as session:
        return admission.versions_of(session, client_id).state


def decide(ada: Newcomer, client_id: str, decision: str) -> None:
    """What people of the plan do."""
    with Committing(ada.app) as session:
        if decision == "approve":
            approve_latest(session, client_id, ada.settings)
            return
        clerk = make_plan_staff(session, StaffRole.APP_REVIEWER)
        latest = admission.versions_of(session, client_id).latest
        if decision == "ask":
            reviews.ask_more(session, latest, by_account_id=clerk.account_id, question="Who runs <the> server?")
        else:
            reviews.decline(
                session, latest, by_account_id=clerk.account_id, reason=DeclineReason.PAGES_MISSING,
                explanation="404 here.",
            )  # fmt: skip


def test_an_app_whose_id_is_a_name_has_its_pages(app: Flask) -> None:
    # The sample apps of the sandbox, and whatever the plan registered by hand under an id of its choice.
    with Committing(app) as session:
        developer = make_developer(session, domain="lantern.example")
        named = Registration(
            name="Porch Lens", developer_name="", redirect_uris=["https://app.example.org/callback"],
            client_id="porch-lens",
        )  # fmt: skip
        registration.register(session, named, settings=app.extensions["latchstring"].settings)
        own_apps.take_over(session, "porch-lens", developer.organization)
        taken = clients.get(session, "porch-lens")
        assert (taken.developer_name, taken.developer_domain) == (developer.organization.name, "lantern.example")
    ada = Newcomer(app).enter(developer)

    for page in ("", "/edit", "/trial", "/usage", "/webhooks"):
        assert ada.get(f"/developers/apps/porch-lens{page}").status_code == 200, page
    for other in ("porch-lenses", "porch%7Flens", "x" * 65):
        assert ada.get(f"/developers/apps/{other}").status_code == 404, other


def test_a_public_app_is_registered_and_works_in_the_sandbox_at_once(ada: Newcomer) -> None:
    client_id = ada.registered()

    page = ada.get(f"/developers/apps/{client_id}?done=registered").text
    assert "The app is registered." in page and client_id in page and "works here in the sandbox" in page
    assert "Make a new secret" not in page
    with Committing(ada.app) as session:
        app = clients.get(session, client_id)
        assert app.status is ClientStatus.APPROVED and app.developer_name == "Lantern Apps Inc."
        assert app.scope_reasons == {"openid": "To know who it is.", "patient/*.rs": "To show what was paid."}
        assert app.redirect_uris == ("https://app.example.org/callback",) and app.platforms == ("web",)
    assert "Claim Lantern" in ada.get("/developers/apps").text


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_case_041_a_secret_is_shown_once_and_rotated_with_an_overlap(ada: Newcomer, method: str) -> None:
    answer = ada.register(method=method)
    first = secret_on(answer)
    with Committing(ada.app) as session:
        client_id = session.scalars(select(Client.id)).one()
        row = session.get_one(Client, client_id)
        assert first not in (row.secret_hash, row.previous_secret_hash) and len(first) >= 43
    assert first not in ada.get(f"/developers/apps/{client_id}").text

    second = secret_on(ada.post(f"/developers/apps/{client_id}/secret"))

    assert second != first and second not in ada.get(f"/developers/apps/{client_id}").text
    with Committing(ada.app) as session:
        row = session.get_one(Client, client_id)
        assert row.previous_secret_hash and row.previous_secret_expires_at and row.secret_hash != second


def test_the_earlier_secret_is_told_of_and_ended_at_once(ada: Newcomer) -> None:
    client_id = ada.registered(method="client_secret_basic")
    page = f"/developers/apps/{client_id}"
    assert "works until" not in ada.get(page).text
    ada.post(f"{page}/secret")
    shown = ada.get(page).text
    assert "The secret before this one works until" in shown and "the earlier one ends at once" in shown

    ended = ada.post(f"{page}/secret/earlier")

    assert "The earlier secret works no more." in ada.get(ended.headers["Location"]).text
    assert "works until" not in ada.get(page).text
    with Committing(ada.app) as session:
        client = session.get_one(Client, client_id)
        assert client.previous_secret_hash is None and client.secret_hash and client.credentials_version > 1


def test_the_earlier_secret_of_another_developers_app_is_not_ended(ada: Newcomer) -> None:
    assert ada.post("/developers/apps/somebody-elses/secret/earlier").status_code == 404


def test_a_new_secret_asks_for_the_password_after_half_an_hour(ada: Newcomer, clock: MovableClock) -> None:
    client_id = ada.registered(method="client_secret_basic")
    for _ in range(3):
        clock.advance(601)
        ada.get("/developers/apps")
    answer = ada.post(f"/developers/apps/{client_id}/secret")
    assert answer.status_code == 303 and answer.headers["Location"].startswith("/confirm-password")


def test_a_public_app_gets_no_secret(ada: Newcomer) -> None:
    assert ada.post(f"/developers/apps/{ada.registered()}/secret").status_code == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "Cl\u202eaim"), ("name", "Meridian Health Plan"), ("method", "private_key"),
        ("method", ""),
        ("redirect_uris", ""), ("redirect_uris", "javascript:alert(1)"), ("redirect_uris", "data:text/html,x"),
        ("redirect_uris", "http://app.example.org/cb"), ("redirect_uris", "https://*.example.org/cb"),
        ("redirect_uris", "https://app.example.org/cb#x"), ("redirect_uris", "https://a.example/1\njavascript:alert(1)"),
        ("redirect_uris", "\n".join(f"https://a.example/{number}" for number in range(21))),
        ("launch_uris", "http://a.example/launch"), ("scope", []), ("scope", ["patient/*.cruds"]),
        ("scope", ["system/*.rs"]), ("policy_uri", "http://a.example"), ("website", "javascript:alert(1)"),
        ("contact", "nobody"), ("platforms", ["toaster"]), ("id_token_signed_response_alg", "none"),
        ("id_token_signed_response_alg", "HS256"), ("reason:openid", "x" * 301),
    ],
)  # fmt: skip
def test_cases_005_061_073_what_registration_refuses(ada: Newcomer, field: str, value: object) -> None:
    answer = ada.register(**{field: value})

    assert answer.status_code == 400 and "Please check what you entered" in answer.text
    with Committing(ada.app) as session:
        assert session.scalar(select(func.count()).select_from(Client)) == 0


def test_an_app_with_a_launch_address_may_ask_for_what_a_launch_needs(ada: Newcomer) -> None:
    scopes = ["launch", "online_access", "patient/*.rs"]
    client_id = ada.registered(scope=scopes, launch_uris="https://app.example.org/launch")
    with Committing(ada.app) as session:
        assert clients.get(session, client_id).scopes.split() == scopes


def test_case_073_a_logo_is_drawn_anew_and_all_else_refused(ada: Newcomer) -> None:
    client_id = ada.registered(logo=(BytesIO(picture("JPEG")), "logo.exe"))
    with Committing(ada.app) as session:
        digest = clients.get(session, client_id).logo_digest
    assert digest and f"/oauth/logos/{digest}.png" in ada.get(f"/developers/apps/{client_id}").text
    for number, sent in enumerate((b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"\x89PNG\r\n\x1a\nx")):
        refused = ada.register_with_logo(sent, name=f"Another {number}")
        assert refused.status_code == 400 and "Send the logo as a PNG" in refused.text
    large = ada.register_with_logo(b"\x89PNG\r\n\x1a\n" + bytes(1024 * 1024), name="Another")
    assert large.status_code == 400 and "too large" in large.text
    huge = ada.register_with_logo(bytes(7 * 1024 * 1024), name="Another")
    assert huge.status_code == 413


def test_case_073_a_name_that_looks_like_another_app_s_is_refused(ada: Newcomer) -> None:
    ada.registered()
    answer = ada.register(name="C1aim Lantern")
    assert answer.status_code == 400 and "looks like that of an app" in answer.text


def test_what_is_written_is_text_on_every_page(ada: Newcomer) -> None:
    client_id = ada.registered(name="<b>Bold</b>", description="<script>alert(1)</script>")
    for path in ("/developers/apps", f"/developers/apps/{client_id}", f"/developers/apps/{client_id}/edit"):
        page = ada.get(path).text
        assert "&lt;b&gt;Bold" in page and "<b>Bold" not in page and "<script>alert" not in page


def test_submitted_asked_answered_declined_appealed_approved(ada: Newcomer) -> None:
    client_id = ada.registered()
    here = f"/developers/apps/{client_id}"
    assert "Submit for review" in ada.get(here).text
    assert ada.post(f"{here}/submit").headers["Location"].endswith("done=submitted")
    page = ada.get(here).text
    assert "It has been waiting since" in page and "Withdraw to change it" in page and "too few decisions" in page
    assert ada.get(f"{here}/edit").location == here

    decide(ada, client_id, "ask")
    assert "Who runs &lt;the&gt; server?" in ada.get(here).text
    assert ada.post(f"{here}/answer", words=" ").status_code == 400
    assert ada.post(f"{here}/answer", words="We do.").status_code == 303

    decide(ada, client_id, "decline")
    page = ada.get(here).text
    assert "404 here." in page and "cannot be read at their address" in page
    assert ada.post(f"{here}/appeal", words="It is there.").status_code == 303
    decide(ada, client_id, "decline")
    assert "was appealed already" in ada.get(here).text
    again = ada.post(f"{here}/appeal", words="It is there.")
    assert again.status_code == 409 and "was appealed already" in again.text

    change = ada.change(client_id, **APP | {"policy_uri": "https://lantern.example/new"})
    assert change.headers["Location"].endswith("done=changed")
    ada.post(f"{here}/submit")
    decide(ada, client_id, "approve")
    assert state_of(ada, client_id) is ReviewState.APPROVED
    page = ada.get(here).text
    for step in ("Appealed", "Answered", "Declined by the plan", "Approved by the plan", "Registered"):
        assert step in page


def test_a_change_of_an_approved_app_shows_what_will_be_and_can_be_given_up(ada: Newcomer) -> None:
    client_id = ada.registered(logo=(BytesIO(picture()), "l.png"))
    here = f"/developers/apps/{client_id}"
    ada.post(f"{here}/submit")
    decide(ada, client_id, "approve")

    ada.change(client_id, **APP | {"redirect_uris": "https://new.example/cb", "remove_logo": "yes"})

    page = ada.get(here).text
    assert "Version 2" in page and "https://new.example/cb" in page and "The approved version works on" in page
    with Committing(ada.app) as session:
        app = clients.get(session, client_id)
        assert app.redirect_uris == ("https://app.example.org/callback",) and app.logo_digest
        assert admission.versions_of(session, client_id).latest.content["logo_digest"] is None
    assert ada.post(f"{here}/drop").status_code == 303
    assert "Version 2" not in ada.get(here).text.split("<h2>History</h2>")[0]
    assert ada.post(f"{here}/drop").status_code == 409


def test_description_contact_and_the_answer_change_at_once(ada: Newcomer) -> None:
    client_id = ada.registered()
    here = f"/developers/apps/{client_id}"
    ada.post(f"{here}/submit")
    ada.post(f"{here}/describe", description="Other words.", contact="https://lantern.example/help", platforms=["ios"])
    ada.post(f"{here}/attest", agrees="no", version=ada.settings.plan.privacy_policy_version)
    with Committing(ada.app) as session:
        app = clients.get(session, client_id)
        assert (app.description, app.contact, app.platforms) == (
            "Other words.", "https://lantern.example/help", ("ios",)
        )  # fmt: skip
        assert app.attestation is Attestation.DECLINED and app.attested_on
    assert "No: the app does not agree to it." in ada.get(here).text
    for wrong in ({"agrees": "yes", "version": "1999"}, {"agrees": "maybe", "version": "x"}, {}):
        assert ada.post(f"{here}/attest", **wrong).status_code == 400
    assert ada.post(f"{here}/describe", description="x", contact="javascript:x").status_code == 400
    decide(ada, client_id, "approve")
    assert state_of(ada, client_id) is ReviewState.APPROVED


def test_an_app_is_held_to_proofs_and_to_pushing_by_its_developers(ada: Newcomer) -> None:
    client_id = ada.registered(redirect_uris="https://app.example.org/callback")
    page = f"/developers/apps/{client_id}"
    assert form_to(ada.get(page).text, f"{page}/harden").ticked("dpop") == []
    done = ada.post(f"{page}/harden", dpop="yes", pushed="yes")
    assert "Your choice counts" in ada.get(done.location).text
    form = form_to(ada.get(page).text, f"{page}/harden")
    assert form.ticked("dpop") == form.ticked("pushed") == ["yes"]

    desk = Desk(ada.app)
    with desk.session() as session:
        held = App(clients.get(session, client_id), None)
    assert desk.authorize(desk.app.test_client(), held).status_code == 400, "it was not sent ahead"
    ada.post(f"{page}/harden", dpop="yes")
    assert "/sign-in" in desk.authorize(desk.app.test_client(), held).location
    refused = desk.exchange(desk.agree(held))
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_dpop_proof")
    ada.post(f"{page}/harden")
    assert desk.exchange(desk.agree(held)).status_code == 200

    assert ada.post(f"{page}/harden", dpop="perhaps").status_code == 400
    ada.post(f"{page}/retire", words="Nobody uses it.")
    assert ada.post(f"{page}/harden", dpop="yes").status_code == 409
    assert ada.post("/developers/apps/somebody-elses/harden", dpop="yes").status_code == 404


def test_an_incomplete_app_is_not_submitted_and_says_what_is_missing(ada: Newcomer) -> None:
    client_id = ada.registered(**{"policy_uri": "", "reason:openid": ""})
    page = ada.get(f"/developers/apps/{client_id}").text
    assert "the address of the privacy policy" in page and "a reason for each scope" in page
    assert ada.post(f"/developers/apps/{client_id}/submit").status_code == 409
    assert state_of(ada, client_id) is ReviewState.DRAFT


def test_retiring_needs_a_reason_and_is_the_end(ada: Newcomer) -> None:
    client_id = ada.registered()
    here = f"/developers/apps/{client_id}"
    assert ada.post(f"{here}/retire", words="").status_code == 400
    assert ada.post(f"{here}/retire", words="No longer made.").status_code == 303
    page = ada.get(here).text
    assert "closed for good" in page and "No longer made." in page and "Retire the app" not in page
    for step in ("submit", "withdraw", "retire", "attest", "describe"):
        answer = ada.post(
            f"{here}/{step}", words="x", agrees="yes", version=ada.settings.plan.privacy_policy_version,
            description="x", contact="a@b.example",
        )  # fmt: skip
        assert answer.status_code == 409, step
    assert ada.get(f"{here}/edit").location == here


def test_another_developer_s_app_is_not_there(ada: Newcomer) -> None:
    with Committing(ada.app) as session:
        other, _secret = make_app(
            session, make_developer(session), ada.settings, kind=clients.ClientKind.CONFIDENTIAL
        )  # fmt: skip
    for client_id in (other.id, str(uuid4()), "sample-app"):
        for page in ("", "/edit"):
            assert ada.get(f"/developers/apps/{client_id}{page}").status_code == 404
        for step in (
            "edit", "submit", "withdraw", "drop", "answer", "appeal", "retire", "describe", "attest", "secret",
        ):  # fmt: skip
            answer = ada.post(f"/developers/apps/{client_id}/{step}", words="x", agrees="yes", version="1")
            assert answer.status_code == 404, step
    assert state_of(ada, other.id) is ReviewState.DRAFT


def test_every_form_needs_the_page_s_token(ada: Newcomer) -> None:
    client_id = ada.registered()
    for step in ("submit", "retire", "describe", "attest", "secret", "edit"):
        answer = ada.visitor.post_without_token(f"/developers/apps/{client_id}/{step}", words="x")
        assert answer.status_code == 403, step
    assert ada.visitor.post_without_token("/developers/apps/new", **APP).status_code == 403


def test_case_017_a_disabled_organization_s_developers_change_nothing(ada: Newcomer) -> None:
    client_id = ada.registered()
    with Committing(ada.app) as session:
        organization = session.scalars(select(developers.DeveloperOrganization)).one()
        disabling.disable(session, organization, reason="unknown", settings=ada.settings, by_account_id=None)
    assert "Your organization is disabled" in ada.get("/developers/apps").text
    page = ada.get(f"/developers/apps/{client_id}").text
    assert "Your organization is disabled" in page and "unknown" in page
    assert "Nobody can connect it and it reads nothing while" in page and "works here in the sandbox" not in page
    assert ada.post(f"/developers/apps/{client_id}/submit").status_code == 409
    assert ada.get(f"/developers/apps/{client_id}/edit").location == f"/developers/apps/{client_id}"
    assert ada.register(name="Another").status_code == 403


def test_a_person_who_left_the_organization_finds_nothing(ada: Newcomer, session: Session) -> None:
    with Committing(ada.app) as opened:
        developer = opened.scalars(select(developers.Developer)).one()
        developer.ended_at = opened.scalars(select(Account.created_at)).first()
    assert ada.get("/developers/apps").status_code == 404
