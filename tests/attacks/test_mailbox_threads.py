"""Threads of the secure mailbox under attack (security.md, cases 150 and 166)."""

import re
from uuid import uuid4

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.audit import AuditEvent
from service.mail import OutboxMail
from service.plan.models import SecureMessage
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.factories import make_portal_staff
from tests.plan.mailbox import file_of, write
from tests.staff.console import make_clerk, make_office


def told(answer: TestResponse) -> tuple[int, list[tuple[str, str]], str]:
    """What an answer tells: all of it but the request's own number and form token."""
    headers = [(name, value) for name, value in answer.headers if name not in {"X-Request-Id", "Set-Cookie", "Date"}]
    # The page offers itself in the other language, so its own address stands in it.
    text = re.sub(r'value="[^"]{40,}"', "", answer.text).replace(answer.request.path, "")
    return answer.status_code, headers, text.replace(answer.headers["X-Request-Id"], "")


def test_case_150_a_thread_of_another_login_is_not_there(app: Flask, session: Session, settings: Settings) -> None:
    victim = make_portal_staff(session)
    thread = write(session, settings, victim, **{"a.txt": b"private words"})
    file = file_of(session, thread)
    # A co-worker of the same organisation reads no more than a stranger.
    office = make_office(app, session, organization=victim.organization)
    own = write(session, settings, office.staff)
    nobody, headers = uuid4(), {"X-Request-Id": "the-same"}

    for mine, missing in (
        (f"/provider/mailbox/{thread.id}", f"/provider/mailbox/{nobody}"),
        (f"/provider/mailbox/{thread.id}/files/{file.id}", f"/provider/mailbox/{nobody}/files/{file.id}"),
        (f"/provider/mailbox/{own.id}/files/{file.id}", f"/provider/mailbox/{own.id}/files/{nobody}"),
    ):
        seen, not_there = (office.browser.browser.get(path, headers=headers) for path in (mine, missing))
        assert seen.status_code == 404
        assert told(seen) == told(not_there)
    office.browser.get(f"/provider/mailbox/{own.id}")
    replied = office.browser.post(f"/provider/mailbox/{thread.id}/reply", body="I am in")
    assert replied.status_code == 404
    assert session.scalar(select(func.count()).select_from(SecureMessage)) == 2
    session.commit()
    assert "A question" in office.browser.get("/provider/mailbox/").text
    assert thread.id not in office.browser.get("/provider/mailbox/").text


def test_case_150_a_file_is_given_only_under_its_own_thread_to_staff_too(
    app: Flask, session: Session, settings: Settings
) -> None:
    one, other = (write(session, settings, make_portal_staff(session), **{"a.txt": b"words"}) for _ in range(2))
    clerk = make_clerk(app, session)

    assert clerk.browser.get(f"/staff/mailbox/{one.id}/files/{file_of(session, other).id}").status_code == 404
    assert clerk.browser.get(f"/staff/mailbox/{one.id}/files/{file_of(session, one).id}").status_code == 200


def test_case_150_a_message_id_is_no_thread(app: Flask, session: Session, settings: Settings) -> None:
    office = make_office(app, session)
    write(session, settings, office.staff)
    message = session.scalars(select(SecureMessage)).one()
    session.commit()

    assert office.browser.get(f"/provider/mailbox/{message.id}").status_code == 404


def test_case_150_an_answer_reaches_one_login_and_the_mails_say_nothing(
    app: Flask, session: Session, settings: Settings
) -> None:
    office = make_portal_staff(session)
    colleague = make_portal_staff(session, office.organization)
    clerk = make_clerk(app, session)
    thread = write(session, settings, office, **{"member-list.txt": b"words"})
    clerk.browser.get(f"/staff/mailbox/{thread.id}")

    clerk.browser.post(
        f"/staff/mailbox/{thread.id}/answer", body="Maria Alvarez, born 04/30/1956", bcc=colleague.account.email
    )

    with Session(session.get_bind()) as own:
        mails = own.scalars(select(OutboxMail)).all()
    assert {mail.recipient for mail in mails} == {
        office.account.email,
        clerk.account.email,
        settings.plan.mailbox_address,
    }
    assert all(mail.context.keys() == {"at"} for mail in mails)
    for language in ("en", "es"):
        office.account.language = language
    for address in {mail.recipient for mail in mails}:
        for letter in letters(session, settings, address):
            assert "message" in letter
            for words in ("Maria", "1956", "A question", "member-list", office.organization.name, thread.id, "Dana"):
                assert words not in letter


def test_case_166_reading_a_thread_leaves_its_row_on_either_side_without_its_content(
    app: Flask, session: Session, settings: Settings
) -> None:
    clerk, office = make_clerk(app, session), make_office(app, session)
    thread = write(session, settings, office.staff)
    assert "Private words" in clerk.browser.get(f"/staff/mailbox/{thread.id}").text
    assert "Private words" in office.browser.get(f"/provider/mailbox/{thread.id}").text
    # A refused answer shows the thread again.
    assert clerk.browser.post(f"/staff/mailbox/{thread.id}/answer", body="").status_code == 400
    assert clerk.browser.get(f"/staff/mailbox/{uuid4()}").status_code == 404
    with Session(session.get_bind()) as fresh:
        rows = fresh.scalars(
            select(AuditEvent).where(AuditEvent.tag.endswith(":message_thread:read")).order_by(AuditEvent.id)
        ).all()
        assert [(row.tag, row.account_id, row.detail) for row in rows] == [
            ("plan:message_thread:read", clerk.account.id, {"thread": thread.id}),
            ("provider:message_thread:read", office.account.id, {"thread": thread.id}),
            ("plan:message_thread:read", clerk.account.id, {"thread": thread.id}),
        ]
