"""Mail when the mail server misbehaves (security.md, cases 186, 187). The servers are real SMTP servers on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from service import mail
from service.clock import now
from service.db import make_sessions
from service.mail import MailState, OutboxMail, ServerUnreachable, enqueue
from service.settings import Settings
from tests.conftest import MovableClock, free_port


class Mailbox:
    """A mail server that answers each recipient by a script, and 250 when the script has ended."""

    def __init__(self, **script: list[str]) -> None:
        self.taken: list[tuple[str, str, str]] = []
        self._script = script

    async def handle_DATA(self, _server: SMTP, _session: SmtpSession, envelope: Envelope) -> str:
        to = envelope.rcpt_tos[0]
        answers = self._script.get(to.partition("@")[0], [])
        if answers:
            return answers.pop(0)
        content = envelope.content
        text = content.decode() if isinstance(content, bytes) else str(content)
        headers = dict(line.split(": ", 1) for line in text.split("\r\n\r\n")[0].split("\r\n") if ": " in line)
        self.taken.append((to, headers["Message-ID"], text))
        return "250 OK"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, smtp_port=free_port())


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return make_sessions(engine)


@contextmanager
def _serving(mailbox: Mailbox, settings: Settings) -> Iterator[None]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=settings.smtp_port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def _send(sessions: sessionmaker[Session], *recipients: str, life: timedelta | None = None) -> None:
    with sessions.begin() as session:
        for recipient in recipients:
            enqueue(
                session, to=f"{recipient}@example.org", template="welcome", given_name="Dana", at="today",
                expires_at=now() + life if life is not None else None,
            )  # fmt: skip
            session.flush()


def _states(sessions: sessionmaker[Session]) -> list[MailState]:
    with sessions() as session:
        return list(session.scalars(select(OutboxMail.state).order_by(OutboxMail.id)))


def test_case_186_a_server_that_is_down_ten_minutes_loses_nothing(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    _send(sessions, "a", "b", "c")
    for _ in range(20):
        with pytest.raises(ServerUnreachable):
            mail.deliver_due(sessions, settings)
        clock.advance(30)
        if _states(sessions) != [MailState.WAITING] * 3:
            pytest.fail("a mail was given up while the server was down")
        clock.advance(300)
    mailbox = Mailbox()
    with _serving(mailbox, settings):
        mail.deliver_due(sessions, settings)
    assert [to for to, _, _ in mailbox.taken] == ["a@example.org", "b@example.org", "c@example.org"]


def test_case_186_a_mail_that_is_put_off_comes_later_with_the_same_message_id(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    mailbox = Mailbox(grey=["451 try again later"] * 8)
    _send(sessions, "grey", "quick")
    with _serving(mailbox, settings):
        mail.deliver_due(sessions, settings)
        assert [to for to, _, _ in mailbox.taken] == ["quick@example.org"]
        for _ in range(10):
            clock.advance(301)
            mail.deliver_due(sessions, settings)
    assert [to for to, _, _ in mailbox.taken] == ["quick@example.org", "grey@example.org"]
    assert len({message_id for _, message_id, _ in mailbox.taken}) == 2


def test_case_186_death_between_the_servers_250_and_our_commit_repeats_the_same_mail_once(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    mailbox = Mailbox()
    _send(sessions, "a")
    with _serving(mailbox, settings):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(mail, "_end", die)
            mail.deliver_due(sessions, settings)
        assert mail.deliver_due(sessions, settings) == 0, "the dead sender's lease still holds"
        clock.advance(61)
        assert mail.deliver_due(sessions, settings) == 1
        clock.advance(61)
        assert mail.deliver_due(sessions, settings) == 0
    (_, first_id, first), (_, second_id, second) = mailbox.taken
    assert first_id == second_id
    assert first == second


def test_case_190_a_lost_lease_is_fenced(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    _send(sessions, "a")
    slow = mail._lease_next(sessions)
    clock.advance(61)
    quick = mail._lease_next(sessions)
    assert slow is not None
    assert quick is not None
    mail._end(sessions, slow, MailState.PARKED)
    assert _states(sessions) == [MailState.WAITING]
    mail._end(sessions, quick, MailState.SENT)
    assert _states(sessions) == [MailState.SENT]


def test_case_187_a_mail_older_than_its_code_is_dropped(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    _send(sessions, "late", life=timedelta(minutes=5))
    clock.advance(300)
    mailbox = Mailbox()
    with _serving(mailbox, settings):
        mail.deliver_due(sessions, settings)
    assert mailbox.taken == []
    assert _states(sessions) == [MailState.DROPPED]


def test_case_187_each_recipients_mails_keep_their_order(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    mailbox = Mailbox(a=["451 later"])
    _send(sessions, "a", "a", "b")
    with _serving(mailbox, settings):
        mail.deliver_due(sessions, settings)
        assert [to for to, _, _ in mailbox.taken] == ["b@example.org"], "a's second waits for a's first"
        clock.advance(10)
        mail.deliver_due(sessions, settings)
    with sessions() as session:
        ids = [f"<{row.message_id}@localhost>" for row in session.scalars(select(OutboxMail).order_by(OutboxMail.id))]
    assert [message_id for _, message_id, _ in mailbox.taken] == [ids[2], ids[0], ids[1]]


def test_case_187_a_poison_mail_is_parked_and_others_flow(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    mailbox = Mailbox(poison=["550 no"] * 99)
    _send(sessions, "poison", "a")
    with _serving(mailbox, settings):
        for _ in range(8):
            mail.deliver_due(sessions, settings)
            clock.advance(301)
    assert [to for to, _, _ in mailbox.taken] == ["a@example.org"]
    assert _states(sessions) == [MailState.PARKED, MailState.SENT]


def test_case_187_a_mail_that_cannot_be_written_is_parked_and_others_flow(
    sessions: sessionmaker[Session], settings: Settings
) -> None:
    with sessions.begin() as session:
        enqueue(session, to="a@example.org", template="no_such_template")
        enqueue(session, to="b@example.org", template="welcome")
        enqueue(session, to="c@example.org\nBcc: d@example.org", template="welcome", given_name="Dana", at="today")
    _send(sessions, "e")
    mailbox = Mailbox()
    with _serving(mailbox, settings):
        mail.deliver_due(sessions, settings)
    assert [to for to, _, _ in mailbox.taken] == ["e@example.org"]
    assert _states(sessions) == [MailState.PARKED, MailState.PARKED, MailState.PARKED, MailState.SENT]


def test_nothing_of_a_mails_words_stays_after_it_was_sent(sessions: sessionmaker[Session], settings: Settings) -> None:
    _send(sessions, "a")
    with _serving(Mailbox(), settings):
        mail.deliver_due(sessions, settings)
    with sessions() as session:
        assert session.scalars(select(OutboxMail)).one().context == {}
