"""Mail: the outbox, written in the transaction of the deed, and its delivery by the worker through SMTP.

Rows are delivered in order for each recipient. A mail older than the code in it is dropped. What a server refuses for
good is parked after some tries; what fails for now is tried again until it is delivered. A message may arrive twice
only if the process dies between the server's 250 and our commit; the copy has the same Message-ID and words.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError
from sqlalchemy import JSON, BigInteger, CursorResult, Index, Integer, String, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column, sessionmaker

from service import domains, sealing
from service.clock import now
from service.days import moment_in_words
from service.db import Base, Instant, new_id, words
from service.plan_editions import EditedPlan
from service.plan_file import Plan
from service.resealing import Sealed
from service.settings import Settings, SmtpSecurity

LANGUAGES = ("en", "es")
_LEASE = timedelta(seconds=60)
_SMTP_TIMEOUT = 10.0
_PARK_AFTER = 5
_NOT_OPENED = -1
"""Stands for the number of refusals of a mail that no key opened when it was last tried."""
_LONGEST_PAUSE = timedelta(minutes=5)
_BATCH = 50
_PURPOSE = "outbox-mail"
_MOMENT = "moment"
log = structlog.get_logger("service.mail")


class MailState(StrEnum):
    """Where a mail stands."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"
    PARKED = "parked"


class OutboxMail(Base):
    """One mail to send. `context` holds neither health data nor, once it is sent, any code."""

    __tablename__ = "outbox_mail"
    __table_args__ = (Index("ix_outbox_mail_state_recipient", "state", "recipient", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    recipient: Mapped[str] = mapped_column(String(254))
    template: Mapped[str] = mapped_column(String(60))
    language: Mapped[str] = mapped_column(String(8))
    context: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    state: Mapped[MailState] = mapped_column(words(MailState), default=MailState.WAITING)
    refusals: Mapped[int] = mapped_column(Integer, default=0)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(Instant)
    lease: Mapped[str | None] = mapped_column(String(36), default=None)
    leased_until: Mapped[datetime | None] = mapped_column(Instant, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, default=None, index=True)


class ServerUnreachable(Exception):
    """The mail server does not answer; nothing was lost, the next round tries again."""


def enqueue(
    session: Session,
    *,
    to: str,
    template: str,
    language: str = "en",
    expires_at: datetime | None = None,
    **context: str | datetime,
) -> OutboxMail:
    """Put a mail into the outbox of the caller's transaction.

    `template` names files of templates/email (`<template>.<language>.txt`); `context` fills them, without health data.
    A moment in it is told in the mail's language and the plan's time zone, as the pages tell it.
    """
    moment = now()
    mail = OutboxMail(
        recipient=to.strip(), template=template, language=language if language in LANGUAGES else LANGUAGES[0],
        context={name: _kept(value) for name, value in context.items()},
        created_at=moment, expires_at=expires_at, due_at=moment,
    )  # fmt: skip
    session.add(mail)
    return mail


def seal(key: bytes, secret: str) -> str:
    """A secret as it may lie in the outbox, under the installation's key; templates show it by `unsealed(…)`."""
    return sealing.seal(key, _PURPOSE, secret)


def unseal(key: bytes, sealed: str) -> str:
    """The secret of a mail that waits in the outbox, as `seal` put it there."""
    return sealing.unseal(key, _PURPOSE, sealed)


def _resealed(key: bytes, _id: int, context: dict[str, Any]) -> dict[str, Any] | None:
    changed = {
        name: anew
        for name, sealed in context.items()
        if name.startswith("sealed_") and (anew := sealing.reseal(key, _PURPOSE, sealed)) is not None
    }
    return context | changed if changed else None


SEALED = Sealed(
    "mails that wait", OutboxMail.id, OutboxMail.context, _resealed,
    where=lambda: (OutboxMail.state == MailState.WAITING,),
)  # fmt: skip


def deliver_due(sessions: sessionmaker[Session], settings: Settings) -> int:
    """Deliver what is due, one transaction a mail; how many were sent. Raises ServerUnreachable if nobody answers."""
    sent, edited = 0, EditedPlan(settings.plan)
    with _connection(settings) as smtp:
        for _ in range(_BATCH):
            mail = _lease_next(sessions)
            if mail is None:
                break
            with sessions() as session:
                plan = edited.current(session)
            sent += _deliver(sessions, settings, plan, mail, smtp)
    return sent


def require_server(settings: Settings) -> None:
    """Reach the mail server and sign in, as every delivery does; raises ServerUnreachable with what it came from."""
    with _connection(settings) as smtp:
        smtp.open()


def list_recent(session: Session, to: str, *, since: datetime, limit: int = 20) -> list[OutboxMail]:
    """The latest mails to an address since then that are still kept, the newest first."""
    theirs = (OutboxMail.recipient == to.strip(), OutboxMail.created_at >= since)
    return list(session.scalars(select(OutboxMail).where(*theirs).order_by(OutboxMail.id.desc()).limit(limit)))


def subject_of(mail: OutboxMail, settings: Settings) -> str:
    """What a mail is about, in English: the first line of its template, which names nobody."""
    environment = _environment()
    assert environment.loader is not None
    source = environment.loader.get_source(environment, f"{mail.template}.en.txt")[0]
    subject = environment.from_string(source.partition("\n")[0]).render(plan=settings.plan)
    return subject.removeprefix("Subject:").strip()


def delete_old(session: Session, *, keep: timedelta = timedelta(days=7), limit: int = 500) -> int:
    """Delete at most `limit` mails that ended longer than `keep` ago; how many."""
    old = select(OutboxMail.id).where(OutboxMail.ended_at < now() - keep).limit(limit)
    result = session.execute(delete(OutboxMail).where(OutboxMail.id.in_(old)))
    return cast(CursorResult[Any], result).rowcount


def compose(mail: OutboxMail, settings: Settings, plan: Plan) -> EmailMessage:
    """The message of `mail`, with the phone lines of `plan` as it is now.

    The first line of the template is the subject, which never holds a code.
    """
    zone = settings.plan.timezone
    context: dict[str, object] = {name: _told(value, mail.language, zone) for name, value in mail.context.items()}
    context |= {"plan": plan, "base_url": settings.base_url}
    text = (
        _environment()
        .get_template(f"{mail.template}.{mail.language}.txt")
        .render(context, unsealed=lambda sealed: unseal(settings.secret_key, sealed))
    )
    subject, _, body = text.partition("\n")
    message = EmailMessage()
    message["From"] = settings.mail_from
    # In ASCII every server of mail takes a domain, whatever letters it has.
    local, _, domain = mail.recipient.rpartition("@")
    message["To"] = f"{local}@{domains.for_mail(domain)}"
    message["Subject"] = subject.removeprefix("Subject:").strip()
    message["Date"] = format_datetime(mail.created_at.replace(microsecond=0))
    message["Message-ID"] = f"<{mail.message_id}@{urlsplit(settings.base_url).hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body.strip() + "\n")
    message["Content-Language"] = mail.language
    return message


def _kept(value: str | datetime) -> str | dict[str, str]:
    return {_MOMENT: value.isoformat()} if isinstance(value, datetime) else value


def _told(value: object, language: str, zone: ZoneInfo) -> str:
    if not isinstance(value, dict):
        return str(value)
    return moment_in_words(datetime.fromisoformat(value[_MOMENT]), zone, language)


class _Connection:
    """A connection to the mail server, opened at the first mail and again after one that broke it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def send(self, message: EmailMessage) -> None:
        self.open().send_message(message)

    def open(self) -> smtplib.SMTP:
        if self._smtp is None:
            self._smtp = self._reached()
        return self._smtp

    def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()

    def _reached(self) -> smtplib.SMTP:
        try:
            return _signed_in(_connect(self._settings), self._settings)
        except (OSError, smtplib.SMTPException) as problem:
            # A certificate, a password or a missing STARTTLS is the plan's to mend: its kind is told, never its text.
            log.warning("mail_server_unusable", problem=type(problem).__name__)
            raise ServerUnreachable from problem


def _connect(settings: Settings) -> smtplib.SMTP:
    address = (settings.smtp_host, settings.smtp_port)
    if settings.smtp_security is SmtpSecurity.TLS:
        return smtplib.SMTP_SSL(*address, timeout=_SMTP_TIMEOUT, context=_trust(settings))
    return smtplib.SMTP(*address, timeout=_SMTP_TIMEOUT)


def _signed_in(smtp: smtplib.SMTP, settings: Settings) -> smtplib.SMTP:
    """The connection, closed to others and signed in as the settings say; never used with less than they say."""
    try:
        if settings.smtp_security is SmtpSecurity.STARTTLS:
            smtp.starttls(context=_trust(settings))
        if settings.smtp_username:
            smtp.login(settings.smtp_username, settings.smtp_password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _trust(settings: Settings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.smtp_ca_file)


@contextmanager
def _connection(settings: Settings) -> Iterator[_Connection]:
    connection = _Connection(settings)
    try:
        yield connection
    finally:
        connection.close()


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


def _deliver(
    sessions: sessionmaker[Session], settings: Settings, plan: Plan, mail: OutboxMail, smtp: _Connection
) -> int:  # fmt: skip
    if mail.expires_at is not None and mail.expires_at <= now():
        _end(sessions, mail, MailState.DROPPED)
        return 0
    try:
        message = compose(mail, settings, plan)
        mail.refusals = max(0, mail.refusals)
    except sealing.NotSealed:
        # The key is missing, and whoever runs the servers can name it: until then, or until it is too old, it waits.
        mail.refusals = _NOT_OPENED
        _try_later(sessions, mail, refused=False)
        log.error("mail_not_opened", mail=mail.id, template=mail.template)
        return 0
    except (TemplateError, ValueError) as problem:
        # A template or an address that cannot be written will not mend itself.
        _end(sessions, mail, MailState.PARKED)
        log.error("mail_parked", mail=mail.id, template=mail.template, problem=type(problem).__name__)
        return 0
    try:
        smtp.send(message)
    except ServerUnreachable:
        # Nobody answers anybody: the worker pauses, and this mail is due as soon as somebody does.
        _write(sessions, mail, lease=None, leased_until=None)
        raise
    except smtplib.SMTPException as problem:
        smtp.close()
        _answer_refusal(sessions, mail, problem)
        return 0
    except OSError as problem:
        # Timed out or cut while sending: the server has not said 250, so it is still ours to deliver.
        smtp.close()
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


@cache
def _environment() -> Environment:
    # Plain text: HTML escaping would garble names. StrictUndefined: a mail with a hole is parked, not sent.
    return Environment(
        loader=PackageLoader("service", "templates/email"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
    )
