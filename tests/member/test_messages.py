"""The message center: what is told to whom, what is new, which mails go out, and that they say nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import Duration
from service.accounts import notices, notifications
from service.accounts.models import Account
from service.accounts.notice_model import Notice, NoticeKind
from service.accounts.notices import Topic
from service.mail import OutboxMail
from service.member.messages import message_pages, notice_words
from tests.accounts.visitor import letters
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.member.console import Connected, connected
from tests.member.message_center import kinds_of, mails_of, run_job
from tests.member.pages import Reader, form_to, forms_of, represent
from tests.oauth.desk import Desk


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    """The member, with one message that she has not seen."""
    with desk.session() as session:
        notices.keep(session, desk.account, NoticeKind.WELCOME)
    return Reader(desk, desk.account)


def for_three_months(desk: Desk, rosa: Reader) -> Connected:
    return connected(desk, rosa, duration=Duration.THREE_MONTHS)


def test_every_kind_has_words_and_every_topic_a_choice() -> None:
    assert set(notice_words.SAID) == set(NoticeKind)
    assert set(notice_words.TOPICS) == set(Topic) == {notices.topic_of(kind) for kind in NoticeKind}


def test_the_life_of_an_app_is_kept_in_order(desk: Desk, rosa: Reader) -> None:
    held = connected(desk, rosa)
    held.press("pause")
    held.press("resume")
    held.narrow(data=["claims"])
    held.press("revoke")

    page = rosa.get("/messages").text

    assert kinds_of(desk, rosa.account) == [
        NoticeKind.APP_CONNECTED, NoticeKind.APP_PAUSED, NoticeKind.APP_RESUMED, NoticeKind.APP_NARROWED,
        NoticeKind.APP_ENDED,
    ]  # fmt: skip
    name = held.app.view.name
    told = [f"The access of {name} has ended", f"{name} sees less", f"{name} was resumed", f"{name} was paused",
            f"{name} was connected"]  # fmt: skip
    assert sorted(told, key=page.index) == told


def test_what_opens_a_door_is_new_and_what_one_did_oneself_is_not(desk: Desk, rosa: Reader) -> None:
    rosa.get("/messages")
    held = connected(desk, rosa)
    held.press("pause")
    assert 'ls-badge">1<' in rosa.get("/member").text
    assert 'ls-badge">1<span class="ls-sr"> nuevo</span>' in rosa.get("/member?lang=es").text
    rosa.get("/member?lang=en")

    page = rosa.get("/messages")

    assert page.text.count('<span class="ls-mark">New</span>') == 1
    assert "ls-badge" not in rosa.get("/member").text
    assert '<span class="ls-mark">New</span>' not in rosa.get("/messages").text


def test_a_message_is_kept_as_new_until_it_is_looked_at_again(rosa: Reader) -> None:
    form = next(one for one in forms_of(rosa.get("/messages").text) if one.action.endswith("/unread"))

    assert rosa.browser.post(form.action, data=form.fields).status_code == 303

    assert "ls-badge" in rosa.get("/member").text


def test_nobody_marks_a_strangers_message(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        other = make_account(session, member=make_member(session))
        foreign = notices.keep(session, other, NoticeKind.FACTOR_SET_UP)
        session.flush()
    form = form_to(rosa.get("/messages").text, "/messages/mails")

    assert rosa.browser.post(f"/messages/{foreign.id}/unread", data=form.fields).status_code == 404
    assert "An authenticator app was set up" not in rosa.get("/messages").text


def test_looking_ahead_marks_nothing(rosa: Reader) -> None:
    assert rosa.browser.head("/messages").status_code == 200

    assert "ls-badge" in rosa.get("/member").text


def test_first_read_is_told_once(desk: Desk, rosa: Reader) -> None:
    held = connected(desk, rosa)
    run_job(desk)
    assert NoticeKind.APP_READ not in kinds_of(desk, rosa.account)

    held.used("ExplanationOfBenefit", 3)
    held.used("Coverage", 1)
    run_job(desk)
    run_job(desk)

    assert kinds_of(desk, rosa.account).count(NoticeKind.APP_READ) == 1


def test_an_end_is_told_thirty_days_before_and_when_it_has_come(desk: Desk, clock: MovableClock, rosa: Reader) -> None:
    held = for_three_months(desk, rosa)
    left = held.grant.expires_at - held.grant.created_at
    clock.advance((left - timedelta(days=31)).total_seconds())
    run_job(desk)
    assert NoticeKind.APP_ENDS_SOON not in kinds_of(desk, rosa.account)

    clock.advance(2 * 86_400)
    run_job(desk)
    run_job(desk)
    clock.advance(30 * 86_400)
    run_job(desk)
    run_job(desk)

    assert kinds_of(desk, rosa.account)[1:] == [NoticeKind.APP_ENDS_SOON, NoticeKind.APP_OVER]


def test_nobody_is_warned_of_the_end_they_have_just_chosen(desk: Desk, rosa: Reader) -> None:
    held = connected(desk, rosa)
    held.narrow(last_day=(held.grant.created_at + timedelta(days=9)).date().isoformat())

    run_job(desk)

    assert NoticeKind.APP_ENDS_SOON not in kinds_of(desk, rosa.account)


def test_a_mail_names_neither_app_nor_member(desk: Desk, session: Session, rosa: Reader) -> None:
    with desk.session() as own:
        dana = make_account(own)
    represent(desk, dana, desk.member)
    held = connected(desk, Reader(desk, dana))

    sent = [one for account in (rosa.account, dana) for one in letters(session, desk.settings, account.email)]

    told = [one for one in sent if "You have a message" in one]
    assert len(told) == 2
    assert not any(held.app.view.name in one or desk.member.family_name in one for one in sent)


def test_one_mail_an_hour_says_that_there_are_messages_until_somebody_looks(
    desk: Desk, clock: MovableClock, rosa: Reader
) -> None:
    connected(desk, rosa)
    connected(desk, rosa)
    assert len(mails_of(desk, rosa.account)) == 1

    rosa.get("/messages")
    connected(desk, rosa)
    assert len(mails_of(desk, rosa.account)) == 2
    clock.advance(3_601)
    connected(desk, rosa)

    assert len(mails_of(desk, rosa.account)) == 3


def test_mails_about_apps_can_be_turned_off_but_not_those_for_safety(desk: Desk, rosa: Reader) -> None:
    saved = rosa.press(rosa.get("/messages"), "/messages/mails", topic=["looks"])
    assert "Your choice of e-mails has been saved." in rosa.follow(saved).text
    connected(desk, rosa)
    assert mails_of(desk, rosa.account) == []

    with desk.session() as session:
        owner = session.get_one(Account, rosa.account.id)
        notices.tell(session, owner, NoticeKind.APP_STOPPED)
        notifications.password_changed(session, owner)

    assert mails_of(desk, rosa.account) == ["new_notice"]
    assert kinds_of(desk, rosa.account)[-1] is NoticeKind.PASSWORD_CHANGED
    with desk.session() as session:
        assert "password_changed" in session.scalars(select(OutboxMail.template)).all()


def test_a_topic_that_does_not_exist_or_must_stay_changes_nothing(desk: Desk, rosa: Reader) -> None:
    page = rosa.get("/messages")

    assert rosa.press(page, "/messages/mails", topic=["nothing"]).status_code == 404
    rosa.press(page, "/messages/mails", topic=[])

    with desk.session() as session:
        kept = notices.mailed_topics(session.get_one(Account, rosa.account.id))
    assert kept == notices.ALWAYS_MAILED


def test_older_messages_stand_on_further_pages(desk: Desk, rosa: Reader) -> None:
    rosa.get("/messages")
    with desk.session() as session:
        owner = session.get_one(Account, rosa.account.id)
        for _ in range(message_pages.PER_PAGE + 1):
            notices.keep(session, owner, NoticeKind.MANY_WRONG_TRIES)

    first = rosa.get("/messages").text
    second = rosa.get("/messages?page=2").text

    assert first.count("Somebody tried many passwords") > second.count("Somebody tried many passwords")
    assert "Older messages" in first and "Newer messages" in second and "Older messages" not in second
    assert rosa.get("/messages?page=none").status_code == 200


def test_what_is_two_years_old_is_deleted(desk: Desk, clock: MovableClock, rosa: Reader) -> None:
    with desk.session() as session:
        assert notices.delete_old(session) == 0
    clock.advance(2 * 366 * 86_400)

    with desk.session() as session:
        assert notices.delete_old(session) > 0
        assert session.scalars(select(Notice.id)).all() == []


def test_messages_speak_the_language_in_which_they_are_read(desk: Desk, rosa: Reader) -> None:
    held = connected(desk, rosa)

    assert f"Se conectó {held.app.view.name}" in rosa.get("/messages?lang=es").text
