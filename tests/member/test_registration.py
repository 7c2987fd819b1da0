"""Registration: matched with the roster, proven by mail, then signed in and back where one came from."""

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.models import PersonalRepresentative
from service.accounts.models import Account
from service.plan.models import Member
from service.settings import Settings
from tests.accounts.visitor import Visitor, another, csrf_token, letters, newest_code
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account, make_member, make_representative
from tests.member.pages import form_to
from tests.member.registering import ADDRESS, DEAD_END, details, to_account_page, without_token


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def member(session: Session) -> Member:
    made = make_member(session)
    session.commit()
    return made


def test_a_member_registers_and_is_signed_in(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    to_account_page(visitor, member, session, settings)
    answer = visitor.post("/register/account", username="maria.home", password=PASSWORD, confirmation=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/member")
    assert visitor.get("/member").status_code == 200
    account = session.scalars(select(Account)).one()
    assert (account.member_id, account.email, account.given_name) == (member.id, ADDRESS, member.given_name)
    assert account.email_verified_at is not None
    session.commit()
    assert "is ready" in letters(session, settings, ADDRESS)[-1]


def test_who_comes_back_after_registering_or_presses_twice_is_told_no_nonsense(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    to_account_page(visitor, member, session, settings, following="/people")
    assert visitor.get("/register/code").location == "/register/account", "the code was taken: the last page is next"
    chosen = {"username": "maria.home", "password": PASSWORD, "confirmation": PASSWORD}
    token = csrf_token(visitor.get("/register/account").text)
    before = visitor.sid()
    assert visitor.post("/register/account", **chosen).location == "/people"
    for step in ("email", "code", "account"):
        assert visitor.get(f"/register/{step}").location == "/people", step
    assert visitor.post_without_token("/register/account", csrf_token=token, **chosen).location == "/people"
    # The browser has dropped the first answer, with its cookie, for the second press.
    assert before
    visitor.browser.set_cookie("sid", before)
    again = visitor.post_without_token("/register/account", csrf_token=token, **chosen)
    assert again.location == "/sign-in?next=/people&done=registered"
    assert "Your account is ready" in visitor.get(again.location).text
    assert "Your account is ready" not in visitor.get("/sign-in?next=/people").text
    assert session.scalar(select(func.count()).select_from(Account)) == 1


def test_a_new_registration_in_the_same_browser_is_not_taken_for_the_one_that_ended(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    to_account_page(visitor, member, session, settings)
    visitor.post("/register/account", username="maria.home", password=PASSWORD, confirmation=PASSWORD)
    other = make_member(session)
    session.commit()
    visitor.get("/register")
    assert visitor.post("/register", **details(other)).location == "/register/email"
    assert visitor.get("/register/email").status_code == 200


def test_registration_begun_by_an_app_returns_to_its_request(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    waiting = "/oauth/authorize/0f9c1c54-2a1e-4c8e-9a57-3f1f2f9f0e11"
    assert f"/register?next={waiting}" in visitor.get(f"/sign-in?next={waiting}").text
    to_account_page(visitor, member, session, settings, following=waiting)
    answer = visitor.post("/register/account", username="maria.home", password=PASSWORD, confirmation=PASSWORD)
    assert answer.location == waiting


def test_registration_never_leads_to_another_site(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    to_account_page(visitor, member, session, settings, following="//evil.example/")
    answer = visitor.post("/register/account", username="maria.home", password=PASSWORD, confirmation=PASSWORD)
    assert answer.location == "/member"


@pytest.mark.parametrize(
    "wrong",
    [{"member_id": "MEM99999999"}, {"last_name": "Nobody"}, {"birth_date": "1956-05-01"}, {"zip_code": "19105"}],
)
def test_any_wrong_detail_gets_one_neutral_answer_with_the_phone_lines(
    visitor: Visitor, member: Member, settings: Settings, wrong: dict[str, str]
) -> None:
    visitor.get("/register")
    answer = visitor.post("/register", **details(member, **wrong))
    assert answer.status_code == 400
    assert DEAD_END in answer.text
    for line in settings.plan.phone_lines:
        assert line.number in answer.text
    kept = form_to(answer.text, "/register").fields
    assert {name: kept[name] for name in details(member)} == details(member, **wrong), "to be mended"
    for way in ('href="/sign-in"', 'href="/password-reset"'):
        assert way in answer.text.partition("<main")[2]
    mended = visitor.post("/register", **details(member))
    assert mended.location == "/register/email"


def test_what_was_typed_stands_in_the_form_and_nowhere_else(visitor: Visitor, session: Session) -> None:
    stranger = make_representative(session, number="PR777777")
    session.commit()
    told = {"representative_id": stranger.number, "last_name": "<b>Núñez</b>", "birth_date": "1931-02-03"}
    visitor.get("/register/representative?next=/people")

    answer = visitor.post("/register/representative?next=/people", **told)

    form = form_to(answer.text, "/register/representative")
    assert answer.status_code == 400 and DEAD_END in answer.text
    assert form.action.endswith("?next=/people") and told == {name: form.fields[name] for name in told}
    assert "<b>" not in answer.text and all(answer.text.count(value) == 1 for value in ("PR777777", "1931-02-03"))
    kept = [cookie for cookie in answer.headers.getlist("Set-Cookie") if "1931" in cookie or "PR7" in cookie]
    assert not kept and "no-store" in answer.headers["Cache-Control"]
    assert "PR777777" not in visitor.get("/register/representative").text, "nothing is kept for the next person"


def test_birth_dates_are_read_as_people_type_them(visitor: Visitor, member: Member) -> None:
    visitor.get("/register")
    assert visitor.post("/register", **details(member, birth_date="04/30/1956")).location == "/register/email"


@pytest.mark.parametrize("field", ["member_id", "last_name", "birth_date", "zip_code"])
def test_a_null_character_is_no_fault(visitor: Visitor, member: Member, field: str) -> None:
    visitor.get("/register")
    assert visitor.post("/register", **details(member, **{field: "a\0b"})).status_code == 400
    visitor.get("/register/representative")
    told = {"representative_id": "PR1", "last_name": "x", "birth_date": "1956-04-30"} | {field: "a\0b"}
    assert visitor.post("/register/representative", **told).status_code == 400


@pytest.mark.parametrize(
    ("typed", "kept"), [("e\u0301" * 40, "\xe9" * 40), ("\u102a" * 64, "\u102a" * 64), ("m" * 64, "m" * 64)]
)
def test_a_name_of_many_parts_is_kept_composed(
    visitor: Visitor, member: Member, session: Session, settings: Settings, typed: str, kept: str
) -> None:
    to_account_page(visitor, member, session, settings)
    answer = visitor.post("/register/account", username=typed, password=PASSWORD, confirmation=PASSWORD)
    assert answer.status_code == 303
    with Session(session.get_bind()) as own:
        assert own.scalars(select(Account.username)).one() == kept


@pytest.mark.parametrize("birth_date", ["", "30.4.1956", "1956-02-30", "2999-01-01", "0001-01-01"])
def test_dates_that_are_no_birth_dates_are_explained(visitor: Visitor, member: Member, birth_date: str) -> None:
    visitor.get("/register")
    answer = visitor.post("/register", **details(member, birth_date=birth_date))
    assert answer.status_code == 400
    assert DEAD_END not in answer.text


def test_a_member_with_an_account_gets_the_neutral_answer_and_the_owner_a_mail(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    owner = make_account(session, member=member)
    session.commit()
    visitor.get("/register")
    wrong = visitor.post("/register", **details(member, zip_code="19105")).text
    visitor.get("/register")
    right = visitor.post("/register", **details(member)).text
    assert member.zip_code in right and without_token(right) == without_token(wrong.replace("19105", member.zip_code))
    assert "already have an account" in letters(session, settings, owner.email)[0]


def test_case_097_an_address_with_an_account_looks_like_any_other_and_its_owner_is_told(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    owner = make_account(session, email=ADDRESS)
    session.commit()
    visitor.get("/register")
    visitor.post("/register", **details(member))
    visitor.get("/register/email")
    assert visitor.post("/register/email", email=ADDRESS.upper()).location == "/register/code"
    page = visitor.get("/register/code")
    assert "valid for 5 minutes" in page.text
    assert visitor.post("/register/code", code="000000").status_code == 400
    told = letters(session, settings, owner.email)
    assert len(told) == 1
    assert "already have an account" in told[0]


def test_a_deceased_member_cannot_be_registered(visitor: Visitor, session: Session) -> None:
    gone = make_member(session, deceased_on=date(2025, 1, 1))
    session.commit()
    visitor.get("/register")
    assert DEAD_END in visitor.post("/register", **details(gone)).text


def test_guessing_a_members_details_is_limited(visitor: Visitor, member: Member) -> None:
    for day in range(1, 6):
        visitor.get("/register")
        visitor.post("/register", **details(member, birth_date=f"1956-04-0{day}"))
    visitor.get("/register")
    assert DEAD_END in visitor.post("/register", **details(member)).text


def test_guessing_about_a_representative_is_limited_however_the_number_is_written(
    visitor: Visitor, session: Session
) -> None:
    representative = make_representative(session, number="PR777777")
    session.commit()
    told = {"last_name": representative.family_name, "birth_date": representative.birth_date.isoformat()}
    for number in ("PR777777", "pr777777", "PR-777777", "P R 777777", "\uff30R777777"):
        visitor.get("/register/representative")
        visitor.post("/register/representative", representative_id=number, last_name="x", birth_date="1980-01-01")
    visitor.get("/register/representative")
    assert DEAD_END in visitor.post("/register/representative", representative_id="PR7-77777", **told).text


def test_a_representative_who_is_no_member_registers_with_their_number(
    visitor: Visitor, session: Session, settings: Settings
) -> None:
    representative = make_representative(session)
    session.commit()
    visitor.get("/register/representative")
    told = {
        "representative_id": representative.number.lower(), "last_name": representative.family_name,
        "birth_date": representative.birth_date.isoformat(),
    }  # fmt: skip
    assert visitor.post("/register/representative", **told).location == "/register/email"
    visitor.get("/register/email")
    visitor.post("/register/email", email=ADDRESS)
    visitor.get("/register/code")
    visitor.post("/register/code", code=newest_code(session, settings, ADDRESS))
    visitor.get("/register/account")
    assert visitor.post(
        "/register/account", username="dana.reyes", password=PASSWORD, confirmation=PASSWORD
    ).status_code == 303  # fmt: skip
    with Session(session.get_bind()) as own:
        account = own.scalars(select(Account)).one()
        joined = own.scalars(select(PersonalRepresentative)).one()
        assert (joined.account_id, account.member_id) == (account.id, None)
    again = Visitor(visitor.app)
    again.get("/register/representative")
    assert DEAD_END in again.post("/register/representative", **told).text


def test_the_steps_cannot_be_skipped(visitor: Visitor, member: Member) -> None:
    for path in ("/register/email", "/register/code", "/register/account"):
        assert visitor.get(path).status_code == 401
    visitor.post("/register", **details(member))
    assert visitor.get("/register/code").status_code == 401
    visitor.get("/register/email")
    visitor.post("/register/email", email=ADDRESS)
    assert visitor.get("/register/account").status_code == 401


@pytest.mark.parametrize("other", ["victim@example.org", "MARIA@example.org"])
def test_a_code_proves_the_address_it_was_sent_to_and_no_other(
    visitor: Visitor, member: Member, session: Session, settings: Settings, other: str
) -> None:
    to_account_page(visitor, member, session, settings)
    visitor.get("/register/email")
    visitor.post("/register/email", email=other)
    assert visitor.get("/register/account").status_code == 401
    visitor.get("/register")
    answer = visitor.post("/register/account", username="maria.home", password=PASSWORD, confirmation=PASSWORD)
    assert answer.status_code == 401
    with Session(session.get_bind()) as own:
        assert own.scalar(select(func.count()).select_from(Account)) == 0


def test_a_code_on_its_way_fails_after_another_address_is_given(
    visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    visitor.get("/register")
    visitor.post("/register", **details(member))
    visitor.get("/register/email")
    visitor.post("/register/email", email="strasse@example.org")
    code = newest_code(session, settings, "strasse@example.org")
    visitor.get("/register/email")
    # Another mailbox that is the same address for our comparisons.
    visitor.post("/register/email", email="straße@example.org")
    visitor.get("/register/code")
    assert visitor.post("/register/code", code=code).status_code == 400


def test_another_browser_cannot_go_on_with_a_registration(
    app: Flask, visitor: Visitor, member: Member, session: Session, settings: Settings
) -> None:
    to_account_page(visitor, member, session, settings)
    stranger = Visitor(app)
    for path in ("/register/email", "/register/code", "/register/account"):
        assert stranger.get(path).status_code == 401


def test_a_wrong_code_opens_nothing(visitor: Visitor, member: Member, session: Session, settings: Settings) -> None:
    visitor.get("/register")
    visitor.post("/register", **details(member))
    visitor.get("/register/email")
    visitor.post("/register/email", email=ADDRESS)
    visitor.get("/register/code")
    wrong = another(newest_code(session, settings, ADDRESS))
    assert visitor.post("/register/code", code=wrong).status_code == 400
    assert visitor.get("/register/account").status_code == 401


def test_two_registrations_of_one_member_make_one_account(
    app: Flask, member: Member, session: Session, settings: Settings, clock: MovableClock
) -> None:
    first, second = Visitor(app), Visitor(app)
    to_account_page(first, member, session, settings)
    clock.advance(61)
    to_account_page(second, member, session, settings)
    assert (
        first.post("/register/account", username="maria.one", password=PASSWORD, confirmation=PASSWORD).status_code
        == 303
    )
    late = second.post("/register/account", username="maria.two", password=PASSWORD, confirmation=PASSWORD)
    assert late.status_code == 401
    with Session(session.get_bind()) as own:
        assert own.scalar(select(func.count()).select_from(Account)) == 1


@pytest.mark.parametrize(
    ("username", "password", "confirmation"),
    [
        ("abc", PASSWORD, PASSWORD),
        ("maria home", PASSWORD, PASSWORD),
        ("maria.home", "Maria-home-73", "Maria-home-73"),
        ("maria.home", "P@ssw0rd", "P@ssw0rd"),
        ("maria.home", PASSWORD, PASSWORD + "x"),
        ("maria.home", "", ""),
    ],
)
def test_names_and_passwords_against_the_rules_are_explained_and_can_be_mended(
    visitor: Visitor,
    member: Member,
    session: Session,
    settings: Settings,
    username: str,
    password: str,
    confirmation: str,
) -> None:
    to_account_page(visitor, member, session, settings)
    answer = visitor.post("/register/account", username=username, password=password, confirmation=confirmation)
    assert answer.status_code == 400
    assert "Please check what you entered" in answer.text
    mended = visitor.post("/register/account", username="maria.home", password=PASSWORD, confirmation=PASSWORD)
    assert mended.status_code == 303


def test_a_taken_user_name_is_told(visitor: Visitor, member: Member, session: Session, settings: Settings) -> None:
    make_account(session, username="maria.home")
    session.commit()
    to_account_page(visitor, member, session, settings)
    answer = visitor.post("/register/account", username="Maria.Home", password=PASSWORD, confirmation=PASSWORD)
    assert answer.status_code == 400
    assert "is taken" in answer.text


def test_a_registration_lasts_half_an_hour(visitor: Visitor, member: Member, clock: MovableClock) -> None:
    visitor.get("/register")
    visitor.post("/register", **details(member))
    clock.advance(1800)
    assert visitor.get("/register/email").status_code == 401
