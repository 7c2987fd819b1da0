"""Delivery: what is in the outbox goes to the plan's mail server by SMTP, in the worker's turns.

Rows are delivered in order for each recipient. A mail older than the code in it is dropped. What a server refuses for
good is parked after some tries; what fails for now is tried again until it is delivered. A server that has taken a text
has ten minutes to say so, in which the other mails go on. A message may arrive twice only if the process dies, or the
database is away, between the server's 250 and our commit, and where no 250 comes of a text that the server has taken
(RFC 1047); the copy has the same Message-ID and words.
"""

import smtplib
import ssl
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import structlog
from jinja2 import TemplateError
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, aliased, sessionmaker

from service import sealing
from service.clock import now
from service.db import new_id
from service.mail import MailState, OutboxMail, compose
from service.plan_editions import EditedPlan
from service.plan_file import Plan
from service.settings import Settings, SmtpSecurity

_SMTP_TIMEOUT = 10.0
_TEXT_TIMEOUT = 600.0
"""How long the server may take to say that it has a text: it may look for viruses first (RFC 5321 §4.5.3.2.6)."""
_SEND_TEXT = 354
_PATIENCE = 5.0
"""How long other mails wait for one that is being sent."""
_MOST_SLOW = 8
"""Mails that are left to their threads. With more of them the server does not keep up, and all wait."""
_LEASE = timedelta(seconds=60)
_SLOW_LEASE = timedelta(seconds=_TEXT_TIMEOUT + 60)
_PARK_AFTER = 5
_NOT_OPENED = -1
"""Stands for the number of refusals of a mail that no key opened when it was last tried."""
_LONGEST_PAUSE = timedelta(minutes=5)
_PAUSE_IN_DOUBT = timedelta(seconds=30)
_LONGEST_IN_DOUBT = timedelta(days=1)
"""Pauses of a text that the server took and said nothing of: each try may be one more copy in somebody's mailbox."""
log = structlog.get_logger("service.mail_delivery")


class ServerUnreachable(Exception):
    """The mail server does not answer; nothing was lost, the next round tries again."""


class Delivery:
    """A worker's delivery. It knows what it left to threads of their own, since the server takes long over it."""

    def __init__(self) -> None:
        self._slow: set[Future[int]] = set()
        self._threads = ThreadPoolExecutor(_MOST_SLOW + 1, thread_name_prefix="mail")

    def run(self, sessions: sessionmaker[Session], settings: Settings) -> Generator[int]:
        """The job: deliver what is due, a step a mail; each step says how many mails the server has taken since.

        Raises ServerUnreachable if nobody answers.
        """
        edited = EditedPlan(settings.plan)
        with closing(_Connection(settings)) as smtp:
            while True:
                if len(self._slow) == _MOST_SLOW:
                    wait(self._slow, _PATIENCE, FIRST_COMPLETED)
                yield self._taken_late()
                if len(self._slow) == _MOST_SLOW:
                    continue
                mail = _lease_next(sessions)
                if mail is None:
                    return
                with sessions() as session:
                    plan = edited.current(session)
                yield self._deliver(sessions, settings, plan, mail, smtp)

    def _taken_late(self) -> int:
        answered = {sending for sending in self._slow if sending.done()}
        self._slow -= answered
        return sum(sending.result() for sending in answered)

    def _deliver(
        self, sessions: sessionmaker[Session], settings: Settings, plan: Plan, mail: OutboxMail, smtp: "_Connection"
    ) -> int:  # fmt: skip
        message = _written(sessions, settings, plan, mail)
        if message is None:
            return 0
        try:
            server = smtp.open()
        except ServerUnreachable:
            # Nobody answers anybody: the worker pauses, and this mail is due as soon as somebody does.
            _write(sessions, mail, lease=None, leased_until=None)
            raise
        sending = self._threads.submit(_send, sessions, mail, message, server)
        if wait((sending,), _PATIENCE).done:
            return sending.result()
        self._slow.add(sending)
        smtp.leave()
        sending.add_done_callback(lambda _: server.close())
        _write(sessions, mail, leased_until=now() + _SLOW_LEASE)
        log.info("mail_answer_awaited", mail=mail.id, template=mail.template)
        return 0


def require_server(settings: Settings) -> None:
    """Reach the mail server and sign in, as every delivery does; raises ServerUnreachable with what it came from."""
    with closing(_Connection(settings)) as smtp:
        smtp.open()


class _Server(smtplib.SMTP):
    """A mail server, of whom every answer is awaited for seconds, and for minutes the one to a text."""

    has_text = False
    """Whether it was sent a text of which it has not said anything yet."""

    def getreply(self) -> tuple[int, bytes]:
        code, words = super().getreply()
        self.has_text = code == _SEND_TEXT
        if self.sock is not None:
            self.sock.settimeout(_TEXT_TIMEOUT if self.has_text else _SMTP_TIMEOUT)
        return code, words


class _TlsServer(_Server, smtplib.SMTP_SSL):
    """A mail server that speaks TLS from the first byte."""


class _Connection:
    """A connection to the mail server, opened at the first mail and again after one that broke it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: _Server | None = None

    def open(self) -> _Server:
        if self._server is None or self._server.sock is None:
            self._server = self._reached()
        return self._server

    def leave(self) -> None:
        """Leave the server to whoever is sending to it, and open another connection for the next mail."""
        self._server = None

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _reached(self) -> _Server:
        try:
            return _signed_in(_connect(self._settings), self._settings)
        except (OSError, smtplib.SMTPException) as problem:
            # A certificate, a password or a missing STARTTLS is the plan's to mend: its kind is told, never its text.
            log.warning("mail_server_unusable", problem=type(problem).__name__)
            raise ServerUnreachable from problem


def _connect(settings: Settings) -> _Server:
    address = (settings.smtp_host, settings.smtp_port)
    if settings.smtp_security is SmtpSecurity.TLS:
        return _TlsServer(*address, timeout=_SMTP_TIMEOUT, context=_trust(settings))
    return _Server(*address, timeout=_SMTP_TIMEOUT)


def _signed_in(server: _Server, settings: Settings) -> _Server:
    """The connection, closed to others and signed in as the settings say; never used with less than they say."""
    try:
        if settings.smtp_security is SmtpSecurity.STARTTLS:
            server.starttls(context=_trust(settings))
        if settings.smtp_username:
            server.login(settings.smtp_username, settings.smtp_password)
    except BaseException:
        server.close()
        raise
    return server


def _trust(settings: Settings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.smtp_ca_file)


def _lease_next(sessions: sessionmaker[Session]) -> OutboxMail | None:
    """Lease the oldest mail that is due and is its recipient's first."""
    moment, lease = now(), new_id()
    earlier = aliased(OutboxMail)
    # One that no key opens is not waited for: the key may be away for days.
    first = ~select(earlier.id).where(
        earlier.recipient == OutboxMail.recipient, earlier.state == MailState.WAITING, earlier.id < OutboxMail.id,
        earlier.refusals != _NOT_OPENED,
    ).exists()  # fmt: skip
    free = or_(OutboxMail.leased_until.is_(None), OutboxMail.leased_until <= moment)
    ready = (OutboxMail.state == MailState.WAITING, OutboxMail.due_at <= moment, free)
    oldest = select(func.min(OutboxMail.id)).where(*ready, first).scalar_subquery()
    with sessions.begin() as session:
        session.execute(
            update(OutboxMail)
            .where(OutboxMail.id == oldest, *ready)
            .values(lease=lease, leased_until=moment + _LEASE, tries=OutboxMail.tries + 1)
            .execution_options(synchronize_session=False)
        )
        return session.scalar(select(OutboxMail).where(OutboxMail.lease == lease))


def _written(
    sessions: sessionmaker[Session], settings: Settings, plan: Plan, mail: OutboxMail
) -> EmailMessage | None:  # fmt: skip
    """The message of `mail`; None for one that is not sent now, of which it is written why."""
    if mail.expires_at is not None and mail.expires_at <= now():
        _end(sessions, mail, MailState.DROPPED)
        return None
    try:
        message = compose(mail, settings, plan)
    except sealing.NotSealed:
        # The key is missing, and whoever runs the servers can name it: until then, or until it is too old, it waits.
        mail.refusals = _NOT_OPENED
        _try_later(sessions, mail, refused=False)
        log.error("mail_not_opened", mail=mail.id, template=mail.template)
        return None
    except (TemplateError, ValueError) as problem:
        # A template or an address that cannot be written will not mend itself.
        _end(sessions, mail, MailState.PARKED)
        log.error("mail_parked", mail=mail.id, template=mail.template, problem=type(problem).__name__)
        return None
    mail.refusals = max(0, mail.refusals)
    return message


def _send(sessions: sessionmaker[Session], mail: OutboxMail, message: EmailMessage, server: _Server) -> int:
    """Send it and write what came of it; how many were sent."""
    try:
        server.send_message(message)
    except smtplib.SMTPException as problem:
        server.close()
        if server.has_text:
            _try_in_doubt(sessions, mail)
        else:
            _answer_refusal(sessions, mail, problem)
        return 0
    except OSError as problem:
        # Cut before the server had all of it: it has not said 250, so it is still ours to deliver.
        server.close()
        _try_later(sessions, mail, refused=False)
        raise ServerUnreachable from problem
    _end(sessions, mail, MailState.SENT)
    return 1


def _answer_refusal(sessions: sessionmaker[Session], mail: OutboxMail, problem: smtplib.SMTPException) -> None:
    lasting = _is_lasting(problem)
    if lasting and mail.refusals + 1 >= _PARK_AFTER:
        _end(sessions, mail, MailState.PARKED)
        log.error("mail_parked", mail=mail.id, template=mail.template, problem=type(problem).__name__)
        return
    _try_later(sessions, mail, refused=lasting)
    log.warning("mail_refused", mail=mail.id, template=mail.template, lasting=lasting, problem=type(problem).__name__)


def _is_lasting(problem: smtplib.SMTPException) -> bool:
    """Whether the server said no (5xx), rather than not now (4xx, RFC 5321 §4.2.1) or nothing at all."""
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in problem.recipients.values())
    return isinstance(problem, smtplib.SMTPResponseException) and problem.smtp_code >= 500


def _try_in_doubt(sessions: sessionmaker[Session], mail: OutboxMail) -> None:
    """Try again what the server may have: never given up, for it may be lost, and soon only once a day."""
    pause = min(_PAUSE_IN_DOUBT * 4 ** min(mail.refusals, 10), _LONGEST_IN_DOUBT)
    _write(sessions, mail, due_at=now() + pause, refusals=mail.refusals + 1, lease=None, leased_until=None)
    log.warning("mail_in_doubt", mail=mail.id, template=mail.template, next_in_seconds=int(pause.total_seconds()))


def _try_later(sessions: sessionmaker[Session], mail: OutboxMail, *, refused: bool) -> None:
    pause = min(timedelta(seconds=2 ** min(mail.tries, 10)), _LONGEST_PAUSE)
    _write(sessions, mail, due_at=now() + pause, refusals=mail.refusals + refused, lease=None, leased_until=None)


def _end(sessions: sessionmaker[Session], mail: OutboxMail, state: MailState) -> None:
    _write(sessions, mail, state=state, ended_at=now(), context={}, lease=None, leased_until=None)


def _write(sessions: sessionmaker[Session], mail: OutboxMail, **values: Any) -> None:
    # Fenced by the lease: a worker that lost it in mid-send no longer writes.
    with sessions.begin() as session:
        session.execute(
            update(OutboxMail)
            .where(OutboxMail.id == mail.id, OutboxMail.lease == mail.lease)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
