"""Mail when the mail server misbehaves (security.md, cases 171, 186, 187), by real SMTP servers on loopback."""

import asyncio
import threading
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

from service import audit, mail_delivery
from service.app import JOBS
from service.audit_chain.models import AuditSeal
from service.clock import now
from service.db import make_sessions
from service.jobs import Worker
from service.mail import MailState, OutboxMail, enqueue
from service.mail_delivery import Delivery, ServerUnreachable
from service.settings import Settings
from tests.conftest import MovableClock, deliver_due, free_port, wait_until


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


class SlowMailbox(Mailbox):
    """A mail server that has a text at once and says so late: so many seconds, for so many texts to some names."""

    def __init__(self, seconds: float, *names: str, texts: int = 999, cuts: bool = False) -> None:
        super().__init__()
        self.most_at_once = 0
        self._seconds, self._names, self._texts, self._cuts = seconds, names, texts, cuts
        self._at_once = 0

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if self._texts == 0 or not envelope.rcpt_tos[0].startswith(self._names):
            return answer
        self._texts -= 1
        if self._cuts and server.transport is not None:
            server.transport.close()
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._at_once -= 1
        return answer


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
            deliver_due(sessions, settings)
        clock.advance(30)
        if _states(sessions) != [MailState.WAITING] * 3:
            pytest.fail("a mail was given up while the server was down")
        clock.advance(300)
    mailbox = Mailbox()
    with _serving(mailbox, settings):
        deliver_due(sessions, settings)
    assert [to for to, _, _ in mailbox.taken] == ["a@example.org", "b@example.org", "c@example.org"]


def test_case_186_a_mail_that_is_put_off_comes_later_with_the_same_message_id(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    mailbox = Mailbox(grey=["451 try again later"] * 8)
    _send(sessions, "grey", "quick")
    with _serving(mailbox, settings):
        deliver_due(sessions, settings)
        assert [to for to, _, _ in mailbox.taken] == ["quick@example.org"]
        for _ in range(10):
            clock.advance(301)
            deliver_due(sessions, settings)
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
            patched.setattr(mail_delivery, "_end", die)
            deliver_due(sessions, settings)
        assert deliver_due(sessions, settings) == 0, "the dead sender's lease still holds"
        clock.advance(61)
        assert deliver_due(sessions, settings) == 1
        clock.advance(61)
        assert deliver_due(sessions, settings) == 0
    (_, first_id, first), (_, second_id, second) = mailbox.taken
    assert first_id == second_id
    assert first == second


def test_case_186_a_server_that_is_long_over_a_text_gets_it_once_and_others_go_on(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_delivery, "_SMTP_TIMEOUT", 2.0)
    monkeypatch.setattr(mail_delivery, "_PATIENCE", 1.0)
    mailbox, delivery = SlowMailbox(6, "slow"), Delivery()
    _send(sessions, "slow", "slow", "quick")
    with _serving(mailbox, settings):
        sum(delivery.run(sessions, settings))
        assert [to for to, _, _ in mailbox.taken] == ["slow@example.org", "quick@example.org"]
        wait_until(lambda: _states(sessions)[2] is MailState.SENT, 4, "the mail to somebody else")
        assert _states(sessions)[:2] == [MailState.WAITING] * 2
        clock.advance(400)
        assert sum(delivery.run(sessions, settings)) == 0, "neither the text again nor the same person's next mail"
        wait_until(lambda: _states(sessions)[0] is MailState.SENT, 20, "the server's answer")
        clock.advance(400)
        sum(delivery.run(sessions, settings))
        wait_until(lambda: _states(sessions)[1] is MailState.SENT, 20, "the server's answer")
    assert [to.partition("@")[0] for to, _, _ in mailbox.taken] == ["slow", "quick", "slow"]
    assert len({message_id for _, message_id, _ in mailbox.taken}) == 3


@pytest.mark.parametrize("cuts", [False, True])
def test_case_186_a_text_that_a_server_says_nothing_of_is_sent_again_later_and_later(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch,
    cuts: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(mail_delivery, "_TEXT_TIMEOUT", 1.0)
    mailbox = SlowMailbox(60, "lost", texts=5, cuts=cuts)
    _send(sessions, "lost")
    with _serving(mailbox, settings):
        for number, pause in enumerate((30, 120, 480, 1_920, 7_680), 1):
            assert deliver_due(sessions, settings) == 0
            clock.advance(pause - 20)
            assert deliver_due(sessions, settings) == 0
            assert len(mailbox.taken) == number
            clock.advance(20)
        assert deliver_due(sessions, settings) == 1
        clock.advance(100_000)
        assert deliver_due(sessions, settings) == 0
    assert len(mailbox.taken) == 6
    assert len({message_id for _, message_id, _ in mailbox.taken}) == 1


def test_case_186_a_server_that_is_long_over_every_text_gets_few_at_once(
    sessions: sessionmaker[Session], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_delivery, "_PATIENCE", 0.3)
    monkeypatch.setattr(mail_delivery, "_MOST_SLOW", 2)
    mailbox = SlowMailbox(1.5, "a", "b", "c", "d", "e")
    _send(sessions, "a", "b", "c", "d", "e")
    with _serving(mailbox, settings):
        deliver_due(sessions, settings)
        wait_until(lambda: _states(sessions) == [MailState.SENT] * 5, 20, "the server's answers")
    assert [to[0] for to, _, _ in mailbox.taken] == ["a", "b", "c", "d", "e"]
    assert mailbox.most_at_once == 2


def test_case_171_a_slow_mail_server_keeps_no_seal_waiting_and_no_worker_from_its_end(
    sessions: sessionmaker[Session], settings: Settings
) -> None:
    mailbox = SlowMailbox(0.5, "")
    _send(sessions, *(f"member{number}" for number in range(100)))
    worker = Worker(sessions, settings, [job for job in JOBS if job.name in ("mail", "seals of the audit")])
    thread = threading.Thread(target=worker.run)
    with _serving(mailbox, settings):
        thread.start()
        try:
            wait_until(lambda: len(mailbox.taken) >= 2, 20, "the first mails")
            with sessions.begin() as session:
                audit.record(session, "test:thing:do")
            wait_until(lambda: _is_sealed(sessions), 15, "the seal, while mails are delivered")
            assert MailState.WAITING in _states(sessions)
        finally:
            worker.stop()
            thread.join(15)
        assert not thread.is_alive()
    states = _states(sessions)
    assert MailState.WAITING in states, "it stopped between two mails"
    assert states.count(MailState.SENT) == len(mailbox.taken)


def _is_sealed(sessions: sessionmaker[Session]) -> bool:
    with sessions() as session:
        return session.scalars(select(AuditSeal.position)).first() is not None


def test_case_190_a_lost_lease_is_fenced(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    _send(sessions, "a")
    slow = mail_delivery._lease_next(sessions)
    clock.advance(61)
    quick = mail_delivery._lease_next(sessions)
    assert slow is not None
    assert quick is not None
    mail_delivery._end(sessions, slow, MailState.PARKED)
    assert _states(sessions) == [MailState.WAITING]
    mail_delivery._end(sessions, quick, MailState.SENT)
    assert _states(sessions) == [MailState.SENT]


def test_case_187_a_mail_older_than_its_code_is_dropped(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    _send(sessions, "late", life=timedelta(minutes=5))
    clock.advance(300)
    mailbox = Mailbox()
    with _serving(mailbox, settings):
        deliver_due(sessions, settings)
    assert mailbox.taken == []
    assert _states(sessions) == [MailState.DROPPED]


def test_case_187_each_recipients_mails_keep_their_order(
    sessions: sessionmaker[Session], settings: Settings, clock: MovableClock
) -> None:
    mailbox = Mailbox(a=["451 later"])
    _send(sessions, "a", "a", "b")
    with _serving(mailbox, settings):
        deliver_due(sessions, settings)
        assert [to for to, _, _ in mailbox.taken] == ["b@example.org"], "a's second waits for a's first"
        clock.advance(10)
        deliver_due(sessions, settings)
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
            deliver_due(sessions, settings)
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
        deliver_due(sessions, settings)
    assert [to for to, _, _ in mailbox.taken] == ["e@example.org"]
    assert _states(sessions) == [MailState.PARKED, MailState.PARKED, MailState.PARKED, MailState.SENT]


def test_nothing_of_a_mails_words_stays_after_it_was_sent(sessions: sessionmaker[Session], settings: Settings) -> None:
    _send(sessions, "a")
    with _serving(Mailbox(), settings):
        deliver_due(sessions, settings)
    with sessions() as session:
        assert session.scalars(select(OutboxMail)).one().context == {}
