"""What a program reads of its app's review, and whom the plan mails about it (decision 159)."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import admission, review_notices, reviews
from oauth.apps.models import DeclineReason
from service.mail import OutboxMail
from service.plan.models import StaffRole
from tests.accounts.visitor import letters
from tests.conftest import MovableClock
from tests.factories import make_plan_staff
from tests.oauth.desk import Desk
from tests.oauth.life import approve_latest
from tests.oauth.programs import Registered, metadata, post


def staff_of(session: Session) -> str:
    return make_plan_staff(session, StaffRole.APP_REVIEWER).account_id


def test_a_program_reads_the_plan_s_question_and_answers_it_by_a_change(desk: Desk) -> None:
    app = Registered.new(desk)
    assert app.told["approval_state"] == "submitted" and "approval_question" not in app.told
    with desk.session() as session:
        review = admission.versions_of(session, app.id).latest
        reviews.ask_more(session, review, by_account_id=staff_of(session), question='Who runs "the server"?')
    told = app.manage("GET").get_json()
    assert told["approval_state"] == "more_information" and told["approval_pending"]
    assert told["approval_question"] == 'Who runs "the server"?'
    told = app.put(client_uri="https://orchard.example/we").get_json()
    assert told["approval_state"] == "submitted" and "approval_question" not in told


def test_a_program_reads_why_its_app_was_declined(desk: Desk) -> None:
    app = Registered.new(desk)
    decline(desk, app)
    told = app.manage("GET").get_json()
    assert told["approval_state"] == "declined" and not told["approval_pending"]
    assert told["decline_reason"] == "pages_missing" and told["decline_explanation"] == "The policy answers 404."
    told = app.put(policy_uri="https://orchard.example/new").get_json()
    assert told["approval_state"] == "submitted" and told["approval_pending"] and "decline_reason" not in told
    with desk.session() as session:
        approve_latest(session, app.id, desk.settings)
    told = app.manage("GET").get_json()
    assert told["approval_state"] == "approved" and not told["approval_pending"]
    with desk.session() as session:
        reviews.suspend(session, app.id, reason="a report", settings=desk.settings)
    assert app.manage("GET").get_json()["approval_state"] == "suspended"


def decline(desk: Desk, app: Registered) -> None:
    with desk.session() as session:
        reviews.decline(
            session, admission.versions_of(session, app.id).latest, by_account_id=staff_of(session),
            reason=DeclineReason.PAGES_MISSING, explanation="The policy answers 404.",
        )  # fmt: skip


def mails_to(desk: Desk, address: str) -> list[str]:
    with desk.session() as session:
        return letters(session, desk.settings, address)


def test_its_contact_is_told_that_there_is_news_and_nothing_of_what_was_said(desk: Desk) -> None:
    app = Registered.new(desk, contacts=["mailto:Help@orchard.example", "second@orchard.example"])
    decline(desk, app)
    (letter,) = mails_to(desk, "Help@orchard.example")
    assert "we declined the app" in letter and app.id in letter
    assert app.told["client_name"] not in letter and "404" not in letter and "orchard.example/" not in letter
    assert mails_to(desk, "second@orchard.example") == []


def test_a_registrant_sets_off_no_mail(desk: Desk) -> None:
    address = "stranger@elsewhere.example"
    app = Registered.new(desk, contacts=[address])
    app.put(client_uri="https://orchard.example/we", contacts=[address])
    app.manage("DELETE")
    assert mails_to(desk, address) == []
    for contacts in (None, ["https://orchard.example/help"], ["a@b@c"], ["a@b.example\u2028Bcc: c@d.example"]):
        said = metadata(contacts=contacts)
        answer = post(desk, said)
        if answer.status_code == 201:
            decline(desk, Registered(desk, answer.get_json()))
    with desk.session() as session:
        assert session.scalars(select(OutboxMail).where(OutboxMail.template == "program_review")).all() == []


def test_one_address_is_mailed_five_times_a_day_at_most(desk: Desk, clock: MovableClock) -> None:
    address = "stranger@elsewhere.example"
    for number in range(review_notices.PER_ADDRESS + 2):
        decline(desk, Registered.new(desk, contacts=[address.upper() if number % 2 else address]))
    sent = len(mails_to(desk, address)) + len(mails_to(desk, address.upper()))
    assert sent == review_notices.PER_ADDRESS
    clock.advance(86_401)
    decline(desk, Registered.new(desk, contacts=[address]))
    assert len(mails_to(desk, address)) + len(mails_to(desk, address.upper())) == sent + 1
