"""The office's side of the secure mailbox, and the whole story of a facility added by message (seed 003)."""

from io import BytesIO

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.mail import OutboxMail
from service.plan.logins import reach
from service.plan.mailbox import messages, threads
from service.plan.models import (
    MessageThread,
    OrganizationKind,
    SecureMessage,
    StaffRole,
    StaffStatus,
    ThreadStatus,
    ThreadTopic,
)
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.conftest import MovableClock
from tests.factories import make_account, make_entry, make_group, make_organization, make_plan_staff
from tests.staff.console import make_clerk, make_office, sign_in_office

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def the_thread(session: Session) -> MessageThread:
    # In a session of its own: an open one would hold SQLite against the application.
    session.commit()
    with Session(session.get_bind()) as own:
        return own.scalars(select(MessageThread)).one()


def test_an_office_adds_a_facility_by_secure_message(app: Flask, session: Session, settings: Settings) -> None:
    """The story of seed 003, scene by scene."""
    held, new = make_group(session, tax_id="061234567"), make_group(session, tax_id="067654321")
    office = make_office(app, session)
    make_entry(session, office.staff, tax_id="061234567")
    clerk = make_clerk(app, session)
    assert reach.groups_of_entries(session, office.staff.id) == [held]
    session.commit()

    # Add Facility opens a secure message that lists the ids held now.
    page = office.browser.get("/provider/mailbox/new?topic=add_facility")
    assert "<h1>Registration message</h1>" in page.text
    assert "06-1234567" in page.text
    sent = office.browser.post(
        "/provider/mailbox/new", topic="add_facility", subject="New location",
        body="Please add our new clinic, Tax ID 06-7654321.",
    )  # fmt: skip
    assert sent.status_code == 303
    assert "Your message was sent" in office.browser.get(sent.location).text

    # The team is told by a badge and by an e-mail without content.
    told = letters(session, settings, clerk.account.email)
    assert len(told) == 1
    assert "You have a message" in told[0]
    assert not any(word in told[0] for word in ("clinic", "7654321", "location", office.staff.organization.name))
    assert "1<span" in clerk.browser.get("/staff/").text.split("Mailbox")[1]

    # Mailbox tab: the request of the provider.
    thread = the_thread(session)
    assert "New location" in clerk.browser.get("/staff/mailbox/").text
    read = clerk.browser.get(f"/staff/mailbox/{thread.id}")
    assert "Tax ID 06-7654321." in read.text
    assert "ls-badge" not in clerk.browser.get("/staff/").text.split("What waits")[0]

    # Users tab: the provider account, and the id on it.
    found = clerk.browser.get(f"/staff/users/?q={office.account.username}")
    assert f"/staff/users/{office.staff.id}" in found.text
    clerk.browser.get(f"/staff/users/{office.staff.id}?thread={thread.id}")
    shown = clerk.browser.post(f"/staff/users/{office.staff.id}/preview", tax_id="06-7654321", thread=thread.id)
    assert shown.status_code == 200
    assert new.legal_name in shown.text
    added = clerk.browser.post(f"/staff/users/{office.staff.id}/entries", tax_id="06-7654321", thread=thread.id)
    assert added.status_code == 303

    # At once.
    session.commit()
    assert set(reach.groups_of_entries(session, office.staff.id)) == {held, new}
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:access_entry:add")).one()
    assert event.account_id == clerk.account.id
    assert event.detail is not None and event.detail["thread"] == thread.id
    session.commit()

    # Back to the mailbox: the reply, which the office reads.
    clerk.browser.get(f"/staff/mailbox/{thread.id}")
    answered = clerk.browser.post(f"/staff/mailbox/{thread.id}/answer", body="Your account is updated.", close="yes")
    assert answered.status_code == 303
    assert len(letters(session, settings, office.account.email)) == 1
    assert "New</span>" in office.browser.get("/provider/mailbox/").text
    assert "Your account is updated." in office.browser.get(f"/provider/mailbox/{thread.id}").text
    assert "New</span>" not in office.browser.get("/provider/mailbox/").text
    assert the_thread(session).status is ThreadStatus.CLOSED


def test_a_message_is_kept_as_written_and_the_mailbox_address_is_told_too(
    app: Flask, session: Session, settings: Settings
) -> None:
    office = make_office(app, session)
    office.browser.get("/provider/mailbox/new")

    office.browser.post("/provider/mailbox/new", topic="question", subject="A question", body="One\r\n  two\r\n\r\n<b>")

    assert session.scalars(select(SecureMessage.body)).one() == "One\n  two\n\n<b>"
    session.commit()
    assert len(letters(session, settings, settings.plan.mailbox_address)) == 1


def test_a_file_comes_back_as_it_was_sent(app: Flask, session: Session) -> None:
    office = make_office(app, session)
    office.browser.get("/provider/mailbox/new")
    office.browser.post(
        "/provider/mailbox/new", topic="question", subject="W-9", body="Attached.",
        files=[(BytesIO(PDF), "w9.pdf"), (BytesIO(b"a,b\n1,2\n"), "ids.csv")],
    )  # fmt: skip
    thread = the_thread(session)

    page = office.browser.get(f"/provider/mailbox/{thread.id}")
    addresses = [part.split('"')[0] for part in page.text.split('href="') if "/files/" in part.split('"')[0]]
    answers = [office.browser.get(address) for address in addresses]

    assert [answer.data for answer in answers] == [b"a,b\n1,2\n", PDF]
    assert [answer.mimetype for answer in answers] == ["text/csv", "application/pdf"]
    assert (
        session.scalars(select(AuditEvent.account_id).where(AuditEvent.tag == "plan:message_attachment:download")).all()
        == [office.account.id] * 2
    )


def test_a_form_without_words_keeps_what_was_typed(app: Flask, session: Session) -> None:
    office = make_office(app, session)
    office.browser.get("/provider/mailbox/new")

    answer = office.browser.post("/provider/mailbox/new", topic="question", subject="  ", body="Typed with care")

    assert answer.status_code == 400
    assert "Please fill this in." in answer.text and "Typed with care" in answer.text
    assert session.scalars(select(MessageThread)).all() == []


def test_the_longest_message_is_taken_and_one_letter_more_is_not(app: Flask, session: Session) -> None:
    office = make_office(app, session)
    office.browser.get("/provider/mailbox/new")
    longest = "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 19_999 + "\r\n"

    taken = office.browser.post("/provider/mailbox/new", topic="question", subject="Long", body=longest, files=[])
    refused = office.browser.post("/provider/mailbox/new", topic="question", subject="Long", body=f"{longest}x")

    assert (taken.status_code, refused.status_code) == (303, 400)
    assert "20,000 characters" in refused.text


def test_a_reply_opens_a_closed_thread(app: Flask, session: Session, settings: Settings) -> None:
    office = make_office(app, session)
    clerk = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    thread = messages.open_thread(
        session, office.staff, ThreadTopic.QUESTION, "A question", "May I?", plan=settings.plan
    )  # fmt: skip
    messages.close(session, thread, by=clerk)
    session.commit()
    assert "closed" in office.browser.get("/provider/mailbox/").text
    office.browser.get(f"/provider/mailbox/{thread.id}")

    answer = office.browser.post(f"/provider/mailbox/{thread.id}/reply", body="One thing more")

    assert answer.status_code == 303
    assert the_thread(session).status is ThreadStatus.OPEN


def test_what_is_written_while_somebody_reads_is_new_again(
    app: Flask, session: Session, settings: Settings, clock: MovableClock
) -> None:
    office = make_office(app, session)
    clerk = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    thread = messages.open_thread(session, office.staff, ThreadTopic.QUESTION, "A", "B", plan=settings.plan)
    assert threads.unread_count_for_plan(session, clerk) == 1
    messages.mark_read(session, thread, clerk.account_id)
    assert threads.unread_count_for_plan(session, clerk) == 0
    clock.advance(1)
    messages.reply(session, thread, office.staff, "C", plan=settings.plan)
    assert threads.unread_count_for_plan(session, clerk) == 1
    clock.advance(1)
    messages.answer(session, thread, clerk, "D")

    assert threads.unread_count_for_plan(session, clerk) == 0
    assert threads.unread_count(session, office.staff) == 1


def test_a_notice_of_the_plan_waits_for_nobody_and_tells_the_login(
    app: Flask, session: Session, settings: Settings
) -> None:
    office = make_office(app, session)

    thread = messages.notice_from_plan(session, office.staff, "Your PIN letter", "It was mailed today.")
    session.commit()

    assert thread.status is ThreadStatus.CLOSED
    assert len(letters(session, settings, office.account.email)) == 1
    page = office.browser.get(f"/provider/mailbox/{thread.id}")
    assert f'<strong class="ls-foreign">{settings.plan.name}</strong>' in page.text


def test_a_login_that_waits_for_its_pin_has_no_mailbox(app: Flask, session: Session) -> None:
    office = make_office(app, session, status=StaffStatus.AWAITING_PIN)

    answer = office.browser.get("/provider/mailbox/")

    assert answer.status_code == 403
    assert "PIN" in answer.text


def test_a_billing_firm_is_told_how_it_adds_clients(app: Flask, session: Session) -> None:
    firm = make_organization(session, kind=OrganizationKind.BILLING)
    office = make_office(app, session, organization=firm)
    page = office.browser.get("/provider/mailbox/new?topic=add_facility")
    posted = office.browser.post("/provider/mailbox/new", topic="add_facility", subject="Add", body="Tax ID")

    assert "adds its clients itself" in page.text and "textarea" not in page.text
    assert "adds its clients itself" in posted.text
    assert session.scalars(select(MessageThread)).all() == []


def test_a_person_can_send_only_so_many_messages(app: Flask, session: Session, settings: Settings) -> None:
    office = make_office(app, session)
    for number in range(30):
        messages.open_thread(session, office.staff, ThreadTopic.QUESTION, f"{number}", "B", plan=settings.plan)
    session.commit()
    office.browser.get("/provider/mailbox/new")

    answer = office.browser.post("/provider/mailbox/new", topic="question", subject="One more", body="B")

    assert answer.status_code == 400
    assert "very many messages" in answer.text
    assert len(session.scalars(select(MessageThread)).all()) == 30


def test_older_threads_and_messages_have_pages(app: Flask, session: Session, settings: Settings) -> None:
    office = make_office(app, session)
    thread = None
    for number in range(27):
        thread = messages.notice_from_plan(session, office.staff, f"Notice {number:02}", "Words")
    assert thread is not None
    for number in range(55):
        messages._write(session, thread, f"Line {number:02}", (), author_account_id=None, from_plan=True)
    session.commit()

    assert "Notice 00" not in office.browser.get("/provider/mailbox/").text
    assert "Notice 00" in office.browser.get("/provider/mailbox/?page=2").text
    assert "Line 00" not in office.browser.get(f"/provider/mailbox/{thread.id}").text
    assert "Line 00" in office.browser.get(f"/provider/mailbox/{thread.id}?page=2").text
    assert office.browser.get("/provider/mailbox/?page=99999999999999999999").status_code == 200


def test_members_and_strangers_find_no_mailbox(app: Flask, session: Session) -> None:
    account = make_account(session)
    session.commit()
    nobody = sign_in_office(app, account)

    assert nobody.get("/provider/mailbox/").status_code == 404
    assert session.scalars(select(OutboxMail)).all() == []
