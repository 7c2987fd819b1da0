"""The secure mailbox between provider offices and the plan: threads, messages, files, who has read them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id, words


class ThreadTopic(StrEnum):
    """What a thread is about."""

    ADD_FACILITY = "add_facility"
    QUESTION = "question"
    PROFILE = "profile"
    AUTHORIZATION = "authorization"
    NOTICE = "notice"


class ThreadStatus(StrEnum):
    """Whether somebody still owes an answer."""

    OPEN = "open"
    CLOSED = "closed"


class MessageThread(Base):
    """A conversation of one login of the portal with the plan. `staff_id` is the ProviderStaff whose thread it is."""

    __tablename__ = "message_thread"
    __table_args__ = (Index("ix_message_thread_staff_id_last_at", "staff_id", "last_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    staff_id: Mapped[str] = mapped_column(ForeignKey("provider_staff.id"))
    topic: Mapped[ThreadTopic] = mapped_column(words(ThreadTopic))
    subject: Mapped[str] = mapped_column(String(200))
    status: Mapped[ThreadStatus] = mapped_column(words(ThreadStatus), default=ThreadStatus.OPEN, index=True)
    assigned_to_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    last_at: Mapped[datetime] = mapped_column(Instant, default=now)
    last_from_office_at: Mapped[datetime | None] = mapped_column(Instant)
    last_from_plan_at: Mapped[datetime | None] = mapped_column(Instant)
    """When each side wrote last: compared with a person's `ThreadReading`, it says what is new to them."""


class SecureMessage(Base):
    """One message: plain text, kept as written. `from_plan` tells the side; the author is always one person."""

    __tablename__ = "secure_message"
    __table_args__ = (Index("ix_secure_message_thread_id_sent_at", "thread_id", "sent_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    thread_id: Mapped[str] = mapped_column(ForeignKey("message_thread.id"))
    author_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    from_plan: Mapped[bool] = mapped_column(Boolean)
    body: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime] = mapped_column(Instant, default=now)


class MessageAttachment(Base):
    """A file of a message, kept as bytes and never interpreted. `media_type` is what its content was found to be."""

    __tablename__ = "message_attachment"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    message_id: Mapped[str] = mapped_column(ForeignKey("secure_message.id"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(Integer)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ThreadReading(Base):
    """Until when a person has read a thread."""

    __tablename__ = "thread_reading"

    thread_id: Mapped[str] = mapped_column(ForeignKey("message_thread.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), primary_key=True)
    read_at: Mapped[datetime] = mapped_column(Instant)
