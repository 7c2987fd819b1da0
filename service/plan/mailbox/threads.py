"""The threads of the mailbox as each side lists and reads them. The words are as shown, see `plain_text`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased, defer

from service.accounts.models import Account
from service.plan.mailbox.plain_text import shown, shown_line
from service.plan.models import (
    MessageAttachment,
    MessageThread,
    PlanStaff,
    ProviderStaff,
    SecureMessage,
    ThreadReading,
    ThreadStatus,
    ThreadTopic,
)

PAGE = 25
_MESSAGES = 50
_LONG = 60
_Assignee = aliased(Account)


class Queue(StrEnum):
    """What plan staff list: threads that wait, those that are theirs, or all."""

    OPEN = "open"
    MINE = "mine"
    ALL = "all"


class UnknownThread(Exception):
    """No such thread, or none of this login."""


class UnknownAttachment(Exception):
    """No such file in this thread."""


@dataclass(frozen=True, slots=True)
class ThreadLine:
    """A thread in a list. `waits`: the office wrote last and the thread is open."""

    id: str
    topic: ThreadTopic
    subject: str
    is_open: bool
    last_at: datetime
    is_new: bool
    waits: bool
    writer: str
    organization: str
    assignee: str


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file of a message, without its bytes."""

    id: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as shown. `author` is empty where the plan itself wrote."""

    id: str
    author: str
    author_account_id: str | None
    from_plan: bool
    body: str
    is_long: bool
    sent_at: datetime
    files: tuple[ShownFile, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list."""

    lines: Sequence[ThreadLine]
    page: int
    has_more: bool


def list_for_login(session: Session, staff: ProviderStaff, *, page: int = 1) -> Listed:
    """The threads of a login, the latest first."""
    return _listed(session, staff.account_id, MessageThread.last_from_plan_at, page, MessageThread.staff_id == staff.id)


def list_for_plan(session: Session, by: PlanStaff, queue: Queue, *, page: int = 1) -> Listed:
    """A queue of the plan's team, the latest first."""
    conditions: dict[Queue, tuple[ColumnElement[bool], ...]] = {
        Queue.OPEN: (MessageThread.status == ThreadStatus.OPEN,),
        Queue.MINE: (
            MessageThread.status == ThreadStatus.OPEN, MessageThread.assigned_to_account_id == by.account_id,
        ),
        Queue.ALL: (),
    }  # fmt: skip
    return _listed(session, by.account_id, MessageThread.last_from_office_at, page, *conditions[queue])


def unread_count(session: Session, staff: ProviderStaff) -> int:
    """How many threads of a login hold something new from the plan."""
    new = _is_new(MessageThread.last_from_plan_at)
    return _count(session, staff.account_id, MessageThread.staff_id == staff.id, new)


def unread_count_for_plan(session: Session, by: PlanStaff) -> int:
    """How many open threads, nobody's or this person's, hold something new from an office."""
    free = or_(
        MessageThread.assigned_to_account_id.is_(None), MessageThread.assigned_to_account_id == by.account_id
    )  # fmt: skip
    new = _is_new(MessageThread.last_from_office_at)
    return _count(session, by.account_id, MessageThread.status == ThreadStatus.OPEN, free, new)


def get_of_login(session: Session, staff: ProviderStaff, thread_id: str) -> MessageThread:
    """A thread of this login; raises UnknownThread for every other."""
    found = session.scalar(
        select(MessageThread).where(MessageThread.id == thread_id, MessageThread.staff_id == staff.id)
    )
    if found is None:
        raise UnknownThread
    return found


def get(session: Session, thread_id: str) -> MessageThread:
    """Any thread, for plan staff; raises UnknownThread."""
    found = session.get(MessageThread, thread_id)
    if found is None:
        raise UnknownThread
    return found


def get_attachment(session: Session, thread: MessageThread, attachment_id: str) -> MessageAttachment:
    """A file of a thread that the caller may read; raises UnknownAttachment for a file of any other thread."""
    statement = (
        select(MessageAttachment)
        .join(SecureMessage, SecureMessage.id == MessageAttachment.message_id)
        .where(MessageAttachment.id == attachment_id, SecureMessage.thread_id == thread.id)
    )
    found = session.scalar(statement)
    if found is None:
        raise UnknownAttachment
    return found


def messages_of(session: Session, thread: MessageThread, *, page: int = 1) -> tuple[list[ShownMessage], bool]:
    """A page of a thread's messages, page 1 the latest, each page in the order written; whether there are earlier."""
    statement = (
        select(SecureMessage, Account)
        .outerjoin(Account, Account.id == SecureMessage.author_account_id)
        .where(SecureMessage.thread_id == thread.id)
        .order_by(SecureMessage.sent_at.desc(), SecureMessage.id.desc())
        .limit(_MESSAGES + 1)
        .offset((page - 1) * _MESSAGES)
    )
    rows = list(session.execute(statement))
    files = _files_of(session, [message.id for message, _ in rows])
    found = [_shown_message(message, author, files.get(message.id, ())) for message, author in rows[:_MESSAGES]]
    return found[::-1], len(rows) > _MESSAGES


def _listed(session: Session, account_id: str, last: Any, page: int, *conditions: ColumnElement[bool]) -> Listed:
    statement = (
        _threads(account_id)
        .add_columns(_is_new(last))
        .where(*conditions)
        .order_by(MessageThread.last_at.desc(), MessageThread.id)
        .limit(PAGE + 1)
        .offset((page - 1) * PAGE)
    )
    rows = session.execute(statement).all()
    return Listed([_line(*row) for row in rows[:PAGE]], page, len(rows) > PAGE)


def _threads(account_id: str) -> Select[MessageThread, ProviderStaff, Account]:
    read = and_(ThreadReading.thread_id == MessageThread.id, ThreadReading.account_id == account_id)
    return (
        select(MessageThread, ProviderStaff, _Assignee)
        .join(ProviderStaff, ProviderStaff.id == MessageThread.staff_id)
        .outerjoin(_Assignee, _Assignee.id == MessageThread.assigned_to_account_id)
        .outerjoin(ThreadReading, read)
    )


def _is_new(last: Any) -> ColumnElement[bool]:
    return and_(last.is_not(None), or_(ThreadReading.read_at.is_(None), ThreadReading.read_at < last))


def _count(session: Session, account_id: str, *conditions: ColumnElement[bool]) -> int:
    read = and_(ThreadReading.thread_id == MessageThread.id, ThreadReading.account_id == account_id)
    statement = select(func.count()).select_from(MessageThread).outerjoin(ThreadReading, read).where(*conditions)
    return session.scalars(statement).one()


def _line(thread: MessageThread, staff: ProviderStaff, assignee: Account | None, is_new: bool) -> ThreadLine:
    is_open = thread.status is ThreadStatus.OPEN
    from_office, from_plan = thread.last_from_office_at, thread.last_from_plan_at
    waits = is_open and from_office is not None and (from_plan is None or from_plan < from_office)
    return ThreadLine(
        id=thread.id, topic=thread.topic, subject=shown_line(thread.subject), is_open=is_open, last_at=thread.last_at,
        is_new=bool(is_new), waits=waits, writer=shown_line(staff.account.full_name),
        organization=shown_line(staff.organization.name),
        assignee=shown_line(assignee.full_name) if assignee else "",
    )  # fmt: skip


def _files_of(session: Session, message_ids: Sequence[str]) -> dict[str, tuple[ShownFile, ...]]:
    statement = (
        select(MessageAttachment)
        .where(MessageAttachment.message_id.in_(message_ids))
        .order_by(MessageAttachment.name, MessageAttachment.id)
        .options(defer(MessageAttachment.content))
        .limit(len(message_ids) * 10)
    )
    found: dict[str, tuple[ShownFile, ...]] = {}
    for file in session.scalars(statement):
        shown_file = ShownFile(file.id, shown_line(file.name), file.media_type, file.size)
        found[file.message_id] = (*found.get(file.message_id, ()), shown_file)
    return found


def _shown_message(message: SecureMessage, author: Account | None, files: tuple[ShownFile, ...]) -> ShownMessage:
    body = shown(message.body)
    return ShownMessage(
        id=message.id, author=shown_line(author.full_name) if author else "",
        author_account_id=message.author_account_id, from_plan=message.from_plan, body=body,
        is_long=body.count("\n") > _LONG or len(body) > 6_000, sent_at=message.sent_at, files=files,
    )  # fmt: skip
