"""Mail: the outbox, written in the transaction of the deed. `service.mail_delivery` sends what is in it."""

from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import JSON, BigInteger, CursorResult, Index, Integer, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from service import domains, sealing
from service.clock import now
from service.days import moment_in_words
from service.db import Base, Instant, new_id, words
from service.plan_file import Plan
from service.resealing import Sealed
from service.settings import Settings

LANGUAGES = ("en", "es")
_PURPOSE = "outbox-mail"
_MOMENT = "moment"


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
    """How often the server said no for good, or took the text and did not say whether it has it."""
    tries: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(Instant)
    lease: Mapped[str | None] = mapped_column(String(36), default=None)
    leased_until: Mapped[datetime | None] = mapped_column(Instant, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, default=None, index=True)


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


@cache
def _environment() -> Environment:
    # Plain text: HTML escaping would garble names. StrictUndefined: a mail with a hole is parked, not sent.
    return Environment(
        loader=PackageLoader("service", "templates/email"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
    )
