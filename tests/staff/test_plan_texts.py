"""What the plan says to everybody: asked for by one of its people, published by another's yes, old words kept."""

from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from consent.legal_texts import VERSIONS, LegalText
from consent.models import ConsentDecision
from service.app import create_app
from service.db import make_sessions
from service.door import overload
from service.door.admission import Room
from service.mail import OutboxMail, compose
from service.plan.models import PendingAct, StaffRole, TermsAcceptance
from service.plan_editions import EditedPlan, PlanEdition
from service.settings import Settings
from service.staff.texts.text_schemas import Line, Review
from service.web import load_form
from tests.accounts.visitor import Visitor
from tests.attacks.looks import rows
from tests.factories import make_portal_staff
from tests.member.pages import Reader
from tests.oauth.desk import Desk
from tests.staff.console import Clerk, make_clerk

HERE = "/staff/plan-texts"
LINE = {
    "line_of_business-0": "Medicare", "number-0": "1-555-010-9999", "days-0": "weekdays", "opens-0": "08:00",
    "closes-0": "20:00", "language-0": "es", "tty": "711", "reason": "The lines moved to another house.",
}  # fmt: skip


@dataclass
class Two:
    """Two people of the plan who may ask and agree."""

    asker: Clerk
    other: Clerk
    session: Session

    def ask(self, path: str, **form: str) -> int:
        """Ask for a change; the answer's status."""
        self.asker.browser.get(f"{HERE}/{path}")
        return self.asker.browser.post(f"{HERE}/{path}", **form).status_code

    def agree(self, clerk: Clerk | None = None) -> int:
        """Say yes to what waits; the answer's status."""
        act = self.session.scalars(select(PendingAct).where(PendingAct.spent_at.is_(None))).one()
        self.session.commit()
        visitor = (clerk or self.other).browser
        visitor.get("/staff/second-looks/")
        return visitor.post(f"/staff/second-looks/{act.id}/approve").status_code

    def publish(self, path: str, **form: str) -> None:
        """Both."""
        assert (self.ask(path, **form), self.agree()) == (303, 303)


@pytest.fixture
def two(app: Flask, session: Session) -> Two:
    """An administrator and a privacy officer."""
    return Two(
        make_clerk(app, session, StaffRole.ADMINISTRATOR), make_clerk(app, session, StaffRole.PRIVACY_OFFICER), session
    )


def test_new_phone_lines_are_shown_at_once_on_every_worker(
    app: Flask, engine: Engine, settings: Settings, two: Two
) -> None:
    other_worker = create_app(settings, engine)
    assert "1-555-010-0784" in other_worker.test_client().get("/help").text

    assert two.ask("phone-lines", **LINE) == 303
    assert "1-555-010-9999" not in app.test_client().get("/help").text, "one person alone changes nothing"
    assert two.agree(two.asker) == 409
    assert two.agree() == 303

    for worker in (app, other_worker):
        page = worker.test_client().get("/help").text
        assert "1-555-010-9999" in page and "711" in page and "1-555-010-0784" not in page
        assert "Monday to Friday, 8:00 AM to 8:00 PM, Eastern Time" in page and "(Spanish)" in page
    assert "Lunes a viernes" in app.test_client().get("/help?lang=es").text
    [row] = rows(two.session, "plan:edition:publish")
    assert (row.account_id, row.reason) == (two.other.account.id, LINE["reason"])
    assert row.detail["asked_by"] == two.asker.account.id


def test_who_is_told_to_come_again_reads_the_new_phone_lines_too(app: Flask, two: Two) -> None:
    door = app.wsgi_app
    assert isinstance(door, overload.Door)

    def told() -> str:
        rooms, door._places._room = door._places._room, Room(0, 0)
        page = app.test_client().get("/help")
        door._places._room = rooms
        assert page.status_code == 503
        return page.text

    assert "1-555-010-0784" in told()
    two.publish("phone-lines", **LINE)
    assert "1-555-010-9999" in app.test_client().get("/help").text, "this process knows of it"
    assert "1-555-010-9999" in (again := told()) and "1-555-010-0784" not in again


def test_pages_of_texts_say_their_own_language(two: Two) -> None:
    for path in ("reviews/consent/es", "phone-lines", ""):
        page = two.asker.browser.get(f"{HERE}/{path}").text
        assert '<html lang="en" dir="ltr">' in page and 'lang=""' not in page, path


def test_mails_name_the_new_phone_lines(settings: Settings, two: Two) -> None:
    two.publish("phone-lines", **LINE)

    plan = EditedPlan(settings.plan).current(two.session)
    mail = OutboxMail(
        recipient="rosa@example.org",
        template="password_changed",
        language="en",
        context={"given_name": "Rosa", "at": "-"},
    )
    mail.created_at, mail.message_id = two.asker.account.created_at, "1"
    assert "1-555-010-9999" in compose(mail, settings, plan).get_content()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"number": "call us"}, "Please enter a phone number"),
        ({"number": ""}, "Please enter a phone number"),
        ({"opens": "8 o'clock"}, "Please enter a time"),
        ({"closes": ""}, "Please enter both times"),
        ({"closes": "07:00"}, "must close after it opens"),
        ({"days": ""}, "Please choose the days"),
        ({"language": "Klingon"}, "Must be one of"),
    ],
)
def test_a_phone_line_that_nobody_can_call_is_refused(changed: dict[str, str], told: str) -> None:
    given = {name.removesuffix("-0"): value for name, value in LINE.items() if name.endswith("-0")}

    assert load_form(Line(), given)[1] == {}
    assert told in str(load_form(Line(), given | changed)[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"reviewed_by": " "},
        {"reviewed_by": "Ana Ruiz\non 2026-01-20"},
        {"reviewed_by": "Ana \u202eziuR"},
        {"reviewed_on": ""},
        {"reviewed_on": "2999-01-01"},
        {"reviewed": "perhaps"},
    ],
)
def test_a_review_names_who_and_when(wrong: dict[str, str]) -> None:
    said = {"reviewed": "yes", "reviewed_by": "Ana Ruiz", "reviewed_on": "2026-01-20", "reason": "Checked."}

    assert load_form(Review(), said)[1] == {}
    assert load_form(Review(), said | wrong)[1]


def test_what_is_wrong_with_phone_lines_is_told_beside_them(two: Two, session: Session) -> None:
    for wrong, told in (({"number-0": ""}, "Members need a number"), ({"reason": " "}, "Please fill this in")):
        two.asker.browser.get(f"{HERE}/phone-lines")
        answer = two.asker.browser.post(f"{HERE}/phone-lines", **LINE | wrong)
        assert (answer.status_code, told in answer.text) == (400, True)
    assert session.scalar(select(PendingAct.id)) is None
    session.commit()
    assert two.asker.browser.get(f"{HERE}/reviews/consent/en").status_code == 404
    assert two.asker.browser.get(f"{HERE}/terms/unknown").status_code == 404


def test_phone_lines_and_lines_of_business_fit_each_other(two: Two, app: Flask) -> None:
    assert two.ask("phone-lines", **LINE | {"line_of_business-0": "Long-term care"}) == 409
    assert two.ask("lines-of-business", **{"name-0": "Long-term care", "in_scope-0": "yes", "reason": "New."}) == 409

    known = {f"name-{at}": name for at, name in enumerate(("Medicaid", "Medicare", "CHIP", "Long-term care"))}
    two.publish("lines-of-business", **known, **{"in_scope-1": "yes", "in_scope-3": "yes", "reason": "New coverage."})
    with app.app_context():
        assert "not served here" in two.other.browser.get(HERE + "/").text
    two.publish("phone-lines", **LINE | {"line_of_business-0": "Long-term care"})

    assert "Long-term care members" in app.test_client().get("/help").text


def test_new_terms_are_asked_of_everybody_and_the_old_words_stay_with_who_accepted_them(
    app: Flask, session: Session, settings: Settings, two: Two
) -> None:
    staff = make_portal_staff(session)
    session.commit()
    office = Visitor(app)
    office.enter(staff.account)
    old = next(text for text in settings.plan.terms if text.document == "provider_portal")
    kept = select(TermsAcceptance.version, TermsAcceptance.text).where(TermsAcceptance.document == old.document)
    before = session.execute(kept).all()
    session.commit()
    given = {"title": old.title, "version": "2027-1", "text": f"{old.text}\n\n## News\n\nNobody shares a login.",
             "reason": "The board said so."}  # fmt: skip

    two.publish("terms/provider_portal", **given)

    page = office.get("/provider/terms").text
    assert "Nobody shares a login." in page and "Version 2027-1" in page
    assert session.execute(kept).all() == before
    session.commit()
    earlier = two.other.browser.get(f"{HERE}/terms/provider_portal?version={old.version}").text
    assert f"version {old.version}" in earlier and "2027-1" in earlier
    assert two.ask("terms/provider_portal", **given | {"text": "Other words."}) == 409, (
        "a version has its words for good"
    )
    assert two.ask("terms/provider_portal", **given | {"version": old.version, "text": "Other words."}) == 409


def test_a_translation_is_shown_once_it_is_marked_as_reviewed_and_no_more_when_the_mark_is_taken_away(
    app: Flask, two: Two
) -> None:
    education = "/help/your-data?lang=es"
    assert '<html lang="es"' in app.test_client().get(education).text

    two.publish("reviews/education/es", reviewed="no", reason="A sentence says the opposite.")
    assert '<html lang="en"' in app.test_client().get(education).text
    assert "not reviewed: shown in English" in two.asker.browser.get(f"{HERE}/").text

    said = {"reviewed": "yes", "reviewed_by": "Ana Ruiz, certified", "reviewed_on": "2026-01-20", "reason": "Checked."}
    two.publish("reviews/education/es", **said)
    assert '<html lang="es"' in app.test_client().get(education).text
    page = two.asker.browser.get(f"{HERE}/").text
    assert "Ana Ruiz, certified" in page and two.other.account.full_name in page


def test_a_consent_keeps_the_words_it_was_given_in(app: Flask, two: Two, desk: Desk) -> None:
    rosa = Reader(desk, desk.account)
    rosa.allow(rosa.ask(desk.register()))
    with desk.session() as session:
        decision = session.scalars(select(ConsentDecision)).one()
        before = (decision.text_version, decision.language, decision.words)

    two.publish("reviews/consent/es", reviewed="no", reason="Wrong.")
    two.publish("privacy-policy", version="2027-1", url="https://meridian.example/privacy-2027", reason="New policy.")

    with desk.session() as session:
        decision = session.scalars(select(ConsentDecision)).one()
        assert (decision.text_version, decision.language, decision.words) == before
    assert before[0] == VERSIONS[LegalText.CONSENT]
    assert "https://meridian.example/privacy-2027" in app.test_client().get("/help").text


def test_other_roles_neither_see_nor_agree(app: Flask, session: Session, two: Two) -> None:
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES, StaffRole.PROVIDER_SERVICES, StaffRole.APP_REVIEWER)
    assert clerk.browser.get(f"{HERE}/").status_code == 404
    assert two.ask("phone-lines", **LINE) == 303

    assert two.agree(clerk) == 404


def test_what_was_published_is_never_changed_and_not_asked_for_twice(app: Flask, two: Two, engine: Engine) -> None:
    two.publish("phone-lines", **LINE)

    assert two.ask("phone-lines", **LINE) == 409
    with make_sessions(engine)() as session, pytest.raises(DBAPIError, match="append-only"):
        session.scalars(select(PlanEdition)).one().reason = "Nobody asked."
        session.flush()
    edited = app.extensions["latchstring"].edited_plan
    assert edited.last_known.tty == "711", "for a page about a database that does not answer"


@pytest.mark.parametrize("url", ["https://[", "http://plan.example", "https://", "https://plan.example/\n", "nowhere"])
def test_an_address_that_leads_nowhere_is_refused(two: Two, url: str) -> None:
    assert two.ask("privacy-policy", version="2027-1", url=url, reason="A new policy.") == 400


def test_the_files_version_of_the_policy_does_not_come_back_with_another_address(two: Two, settings: Settings) -> None:
    filed = settings.plan.privacy_policy_version
    two.publish("privacy-policy", version="2027-1", url="https://plan.example/2027", reason="A new policy.")
    other = {"url": "https://plan.example/other", "reason": "Back."}

    assert two.ask("privacy-policy", version=filed, **other) == 409, "developers attested to other words by it"
    assert two.ask("privacy-policy", version="2027-1", **other) == 303, "the same policy has moved"


@pytest.mark.parametrize("name", ["Medicare: registers here\nMedicaid", "Medi\u202ecare"])
def test_a_name_does_not_read_as_something_else_to_who_agrees(two: Two, name: str) -> None:
    assert two.ask("lines-of-business", **{"name-0": name, "in_scope-0": "yes", "reason": "x"}) == 400
