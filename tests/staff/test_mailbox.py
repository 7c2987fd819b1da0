"""The Mailbox tab: queues, who answers, canned replies, closing."""

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.mailbox import messages, threads
from service.plan.mailbox.threads import Queue
from service.plan.models import MessageThread, ProviderStaff, SecureMessage, StaffRole, ThreadStatus, ThreadTopic
from service.settings import Settings
from tests.factories import make_plan_staff, make_portal_staff
from tests.staff.console import make_clerk


def ask(session: Session, settings: Settings, subject: str = "A question") -> tuple[ProviderStaff, MessageThread]:
    """A thread of some office."""
    office = make_portal_staff(session)
    thread = messages.open_thread(session, office, ThreadTopic.QUESTION, subject, "May I?", plan=settings.plan)
    session.commit()
    return office, thread


def test_a_thread_is_assigned_to_me_or_a_colleague_and_back_to_all(
    app: Flask, session: Session, settings: Settings
) -> None:
    _office, thread = ask(session, settings)
    clerk = make_clerk(app, session)
    colleague = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    session.commit()
    path = f"/staff/mailbox/{thread.id}"
    clerk.browser.get(path)

    for to, name in ((clerk.staff.id, clerk.account.full_name), (colleague.id, colleague.account.full_name)):
        assert clerk.browser.post(f"{path}/assign", to=to).status_code == 303
        assert f"with {name}" in clerk.browser.get("/staff/mailbox/").text
        clerk.browser.get(path)
    assert clerk.browser.post(f"{path}/assign", to="").status_code == 303
    assert "nobody\u2019s yet" in clerk.browser.get("/staff/mailbox/").text


def test_a_thread_goes_only_to_people_of_the_team(app: Flask, session: Session, settings: Settings) -> None:
    office, thread = ask(session, settings)
    clerk, other = make_clerk(app, session), make_plan_staff(session, StaffRole.APP_REVIEWER)
    session.commit()
    clerk.browser.get(f"/staff/mailbox/{thread.id}")

    for to in (other.id, office.id, "nobody", "x" * 60):
        answer = clerk.browser.post(f"/staff/mailbox/{thread.id}/assign", to=to)
        assert answer.status_code == 403
        assert "Please choose a colleague" in answer.text
    session.expire_all()
    assert session.get_one(MessageThread, thread.id).assigned_to_account_id is None


def test_the_queues_show_open_mine_and_all(session: Session, settings: Settings) -> None:
    clerk, colleague = (make_plan_staff(session, StaffRole.PROVIDER_SERVICES) for _ in range(2))
    mine, theirs, over = (ask(session, settings, name)[1] for name in ("mine", "theirs", "over"))
    messages.assign(session, mine, clerk, by=clerk)
    messages.assign(session, theirs, colleague, by=clerk)
    messages.close(session, over, by=clerk)

    def listed(queue: Queue) -> set[str]:
        return {line.subject for line in threads.list_for_plan(session, clerk, queue).lines}

    assert listed(Queue.OPEN) == {"mine", "theirs"}
    assert listed(Queue.MINE) == {"mine"}
    assert listed(Queue.ALL) == {"mine", "theirs", "over"}
    assert threads.unread_count_for_plan(session, clerk) == 1


def test_a_canned_reply_is_put_under_what_was_typed_and_not_sent(
    app: Flask, session: Session, settings: Settings
) -> None:
    office, thread = ask(session, settings)
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/mailbox/{thread.id}")

    page = clerk.browser.post(
        f"/staff/mailbox/{thread.id}/answer", body="Good morning,", canned="0", insert="yes"
    )  # fmt: skip

    assert page.status_code == 200
    assert "Good morning,\n\nHello " in page.text
    assert f"Hello {office.account.given_name}" in page.text and clerk.account.full_name in page.text
    assert len(session.scalars(select(SecureMessage)).all()) == 1


def test_an_answer_without_words_is_not_sent(app: Flask, session: Session, settings: Settings) -> None:
    _office, thread = ask(session, settings)
    clerk = make_clerk(app, session)
    clerk.browser.get(f"/staff/mailbox/{thread.id}")

    answer = clerk.browser.post(f"/staff/mailbox/{thread.id}/answer", body=" \r\n ")

    assert answer.status_code == 400
    assert len(session.scalars(select(SecureMessage)).all()) == 1


def test_closing_and_reopening(app: Flask, session: Session, settings: Settings) -> None:
    _office, thread = ask(session, settings)
    clerk = make_clerk(app, session)
    thread_id = thread.id
    clerk.browser.get(f"/staff/mailbox/{thread_id}")

    for action, status in (("close", ThreadStatus.CLOSED), ("reopen", ThreadStatus.OPEN)):
        assert clerk.browser.post(f"/staff/mailbox/{thread_id}/{action}").status_code == 303
        session.expire_all()
        assert session.get_one(MessageThread, thread_id).status is status
        session.rollback()
        clerk.browser.get(f"/staff/mailbox/{thread_id}")


def test_nobody_answers_their_own_portal_login(app: Flask, session: Session, settings: Settings) -> None:
    clerk = make_clerk(app, session)
    own = make_portal_staff(session, account=clerk.account)
    thread = messages.open_thread(session, own, ThreadTopic.QUESTION, "Mine", "May I?", plan=settings.plan)
    session.commit()
    clerk.browser.get(f"/staff/mailbox/{thread.id}")

    for action, form in (
        ("answer", {"body": "Yes"}),
        ("assign", {"to": clerk.staff.id}),
        ("close", {}),
        ("reopen", {}),
    ):
        answer = clerk.browser.post(f"/staff/mailbox/{thread.id}/{action}", **form)
        assert answer.status_code == 403, action
        assert "your own portal login" in answer.text
    assert len(session.scalars(select(SecureMessage)).all()) == 1


def test_a_thread_that_is_not_there_is_not_found(app: Flask, session: Session) -> None:
    clerk = make_clerk(app, session)

    assert clerk.browser.get("/staff/mailbox/00000000-0000-4000-8000-000000000000").status_code == 404
    assert clerk.browser.get("/staff/mailbox/nonsense").status_code == 404
