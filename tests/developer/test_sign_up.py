"""Sign-up of developers: the proven address, limits, people with an account, and where they land."""

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.apps.models import Developer, DeveloperOrganization, PendingDeveloper
from service.accounts.models import Account
from service.developer.signing_up import PER_NETWORK, proven_domain
from service.settings import Settings
from tests.accounts.visitor import Visitor, another, letters, newest_code
from tests.conftest import MovableClock
from tests.developer.newcomer import ADDRESS, Newcomer
from tests.factories import make_account, make_developer, make_member


def test_a_mailed_code_and_a_password_make_a_developer(app: Flask, session: Session) -> None:
    ada = Newcomer(app)

    assert ada.sign_up(session).headers["Location"] == "/developers/apps?done=signed-up"

    page = ada.get("/developers/apps?done=signed-up").text
    assert "Welcome" in page and "Lantern Apps Inc." in page and "You have no app yet." in page
    assert "You are signed up as an app developer" in letters(session, ada.settings, ADDRESS)[-1]
    assert ada.get("/start").headers["Location"] == "/developers/apps"
    made = session.scalars(select(Developer)).one()
    assert made.account.email == ADDRESS and made.account.email_verified_at
    assert made.organization.domain == "lantern.example" and made.organization.terms_version


def test_a_wrong_code_opens_nothing(app: Flask, session: Session) -> None:
    ada = Newcomer(app)
    ada.begin()
    ada.get("/developers/sign-up/code")
    code = newest_code(session, ada.settings, ADDRESS)

    assert ada.visitor.post("/developers/sign-up/code", code=another(code)).status_code == 400
    assert ada.get("/developers/sign-up/account").status_code == 401
    assert Newcomer(app).get("/developers/sign-up/account").status_code == 401


def test_a_code_fits_one_browser_only(app: Flask, session: Session) -> None:
    ada, eve = Newcomer(app), Newcomer(app)
    ada.begin()
    eve.begin(email="eve@example.org")
    eve.get("/developers/sign-up/code")

    answer = eve.visitor.post("/developers/sign-up/code", code=newest_code(session, ada.settings, ADDRESS))

    assert answer.status_code == 400


def test_a_sign_up_ends_after_half_an_hour(app: Flask, session: Session, clock: MovableClock) -> None:
    ada = Newcomer(app)
    ada.begin()
    clock.advance(1_801)
    assert ada.get("/developers/sign-up/code").status_code == 401


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("terms", ""), ("website", "http://lantern.example"), ("website", "javascript:alert(1)"), ("email", "ada"),
        ("organization_name", ""), ("organization_name", "Lan\u202etern"), ("given_name", "A\nb"),
        ("organization_name", "Meridian Health Plan Apps"), ("website", "https://a@b.example"),
    ],
)  # fmt: skip
def test_what_a_sign_up_refuses(app: Flask, session: Session, field: str, value: str) -> None:
    answer = Newcomer(app).begin(**{field: value})

    assert answer.status_code == 400 and "Please check what you entered" in answer.text
    assert session.scalar(select(func.count()).select_from(PendingDeveloper)) == 0


def test_an_address_that_has_an_account_gets_the_same_page_and_its_owner_a_mail(app: Flask, session: Session) -> None:
    owner = make_account(session, email=ADDRESS)
    session.commit()
    ada, other = Newcomer(app), Newcomer(app)

    taken = (ada.begin(), ada.get("/developers/sign-up/code"))
    free = (other.begin(email="new@example.org"), other.get("/developers/sign-up/code"))

    assert [answer.status_code for answer in taken] == [answer.status_code for answer in free]
    assert [ADDRESS in taken[1].text, "new@example.org" in free[1].text] == [True, True]
    told = letters(session, ada.settings, owner.email)
    assert len(told) == 1 and "has an account already" in told[0]


def test_case_165_sign_ups_from_one_network_end(app: Flask, session: Session) -> None:
    answers = [Newcomer(app).begin(email=f"a{number}@example.org").status_code for number in range(PER_NETWORK + 2)]

    assert answers == [303] * PER_NETWORK + [429] * 2
    assert Newcomer(app, "203.0.113.5").begin(email="far@example.org").status_code == 303
    with Session(session.get_bind()) as own:
        assert own.scalar(select(func.count()).select_from(PendingDeveloper)) == PER_NETWORK + 1


def test_case_165_one_address_gets_five_mails_an_hour(app: Flask, session: Session, clock: MovableClock) -> None:
    for number in range(9):
        Newcomer(app, f"198.51.100.{number}").begin()
        clock.advance(61)

    assert len(letters(session, Newcomer(app).settings, ADDRESS)) == 5


def test_who_has_an_account_uses_it_and_then_chooses_where_to_go(
    app: Flask, session: Session, clock: MovableClock
) -> None:
    account = make_account(session, member=make_member(session))
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(account)

    assert visitor.get("/developers/sign-up").headers["Location"] == "/developers/sign-up/join"
    visitor.get("/developers/sign-up/join")
    answer = visitor.post(
        "/developers/sign-up/join", organization_name="Solo Works", website="https://solo.example", terms="yes"
    )

    assert answer.headers["Location"] == "/developers/apps"
    places = visitor.get("/start").text
    assert "For app developers" in places and "Interoperability Resource Center" in places
    with Session(session.get_bind()) as own:
        assert own.scalars(select(DeveloperOrganization.name)).all() == ["Solo Works"]
        assert own.scalar(select(func.count()).select_from(Account)) == 1
    clock.advance(301)
    assert visitor.get("/developers/sign-up/join").headers["Location"].startswith("/confirm-password")


def test_joining_needs_a_signed_in_person(app: Flask) -> None:
    assert "/sign-in" in Newcomer(app).get("/developers/sign-up/join").headers["Location"]


def test_developers_pages_are_not_there_for_members(app: Flask, session: Session) -> None:
    account = make_account(session, member=make_member(session))
    session.commit()
    visitor = Visitor(app)
    assert "/sign-in" in visitor.get("/developers/apps").headers["Location"]
    visitor.sign_in(account)
    for path in ("/developers/apps", "/developers/apps/new"):
        assert visitor.get(path).status_code == 404
    for path in ("/developers", "/developers/rules", "/developers/terms"):
        assert visitor.get(path).status_code == 200


def test_a_developer_who_is_no_member_reads_no_member_pages(app: Flask, session: Session) -> None:
    developer = make_developer(session)
    session.commit()
    ada = Newcomer(app).enter(developer)
    assert ada.get("/start").headers["Location"] == "/developers/apps"
    assert ada.get("/staff/").status_code == 404
    assert ada.get("/provider/home").status_code == 404


def test_the_public_home_names_where_everything_is(app: Flask, settings: Settings) -> None:
    page = Newcomer(app).get("/developers").text

    for address in (
        settings.fhir_base, "/.well-known/smart-configuration", "/metadata", "/.well-known/openid-configuration",
        "/developers/sign-up", "/developers/rules", "/sandbox/mail",
    ):  # fmt: skip
        assert address in page


@pytest.mark.parametrize(
    ("email", "website", "domain"),
    [
        ("ada@lantern.example", "https://lantern.example", "lantern.example"),
        ("ada@Lantern.example", "https://www.lantern.example/about", "lantern.example"),
        ("ada@example.org", "https://lantern.example", None), ("ada@gmail.com", "https://gmail.com", None),
        ("ada@evil-lantern.example", "https://lantern.example", None),
    ],
)  # fmt: skip
def test_members_are_shown_a_domain_that_was_proven_only(email: str, website: str, domain: str | None) -> None:
    assert proven_domain(email, website) == domain
