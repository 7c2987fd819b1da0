"""The secure mailbox: an office and the plan write to each other, by thread, in plain text with files.

What is written stays as written. The e-mail that follows a message says only that there is one (security.md 150).
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import throttling
from service.accounts.models import Account
from service.clock import now
from service.plan.mailbox import threads
from service.plan.mailbox.attachments import CheckedFile
from service.plan.models import (
    MessageAttachment,
    MessageThread,
    PlanStaff,
    ProviderStaff,
    SecureMessage,
    StaffRole,
    ThreadReading,
    ThreadStatus,
    ThreadTopic,
)
from service.plan.staff import plan_staff
from service.plan_file import Plan

MAILBOX_ROLE = StaffRole.PROVIDER_SERVICES
"""Whose work the mailbox of the provider portal is."""
MOST_CHARACTERS = 20_000
_MESSAGES_AN_HOUR = 30
_FILES_A_DAY = 60


class TooManyMessages(Exception):
    """More messages or files than a person writes."""

    sentence = "You have sent very many messages or files. Please wait an hour, or call us."


class NotOnTheTeam(Exception):
    """The mailbox is not that person's work."""

    sentence = "Please choose a colleague who works on this mailbox."


def open_thread(
    session: Session, staff: ProviderStaff, topic: ThreadTopic, subject: str, body: str,
    files: Sequence[CheckedFile] = (), *, plan: Plan,
) -> MessageThread:  # fmt: skip
    """A new thread of a login with its first message; the plan's team is told. Raises TooManyMessages."""
    _count(session, staff.account_id, files)
    thread = _new_thread(session, staff, topic, subject)
    _write(session, thread, body, files, author_account_id=staff.account_id, from_plan=False)
    audit.record(
        session, "provider:message_thread:open", account_id=staff.account_id, detail={"thread": thread.id}
    )  # fmt: skip
    _tell_plan(session, plan)
    return thread


def reply(
    session: Session, thread: MessageThread, staff: ProviderStaff, body: str, files: Sequence[CheckedFile] = (),
    *, plan: Plan,
) -> SecureMessage:  # fmt: skip
    """The office writes again; a closed thread is open again. Raises TooManyMessages."""
    _count(session, staff.account_id, files)
    message = _write(session, thread, body, files, author_account_id=staff.account_id, from_plan=False)
    thread.status = ThreadStatus.OPEN
    _record(session, "provider:secure_message:send", thread, staff.account_id, message=message.id)
    _tell_plan(session, plan)
    return message


def answer(
    session: Session, thread: MessageThread, by: PlanStaff, body: str, files: Sequence[CheckedFile] = ()
) -> SecureMessage:
    """The plan writes to the office, which is told by e-mail. Raises NotOneself, TooManyMessages."""
    staff = owner_of(session, thread)
    plan_staff.require_other(by, staff)
    _count(session, by.account_id, files)
    message = _write(session, thread, body, files, author_account_id=by.account_id, from_plan=True)
    _record(session, "staff:secure_message:send", thread, by.account_id, message=message.id)
    _tell(session, staff.account)
    return message


def notice_from_plan(
    session: Session, staff: ProviderStaff, subject: str, body: str, *,
    topic: ThreadTopic = ThreadTopic.NOTICE, by_account_id: str | None = None, mailed: bool = False,
) -> MessageThread:  # fmt: skip
    """A thread that the plan begins. Without `by_account_id` the plan itself wrote it; it is closed until answered.

    The office is told by e-mail, unless it is `mailed` already what the notice is about.
    """
    thread = _new_thread(session, staff, topic, subject)
    thread.status = ThreadStatus.CLOSED
    message = _write(session, thread, body, (), author_account_id=by_account_id, from_plan=True)
    _record(session, "plan:secure_message:notice", thread, by_account_id, message=message.id)
    if not mailed:
        _tell(session, staff.account)
    return thread


def assign(session: Session, thread: MessageThread, to: PlanStaff | None, *, by: PlanStaff) -> None:
    """Give the thread to a person of the team, or back to all (None). Raises NotOneself, NotOnTheTeam."""
    plan_staff.require_other(by, owner_of(session, thread))
    if to is not None and (MAILBOX_ROLE not in plan_staff.roles_of(to) or to.ended_at is not None):
        raise NotOnTheTeam
    thread.assigned_to_account_id = to.account_id if to else None
    _record(session, "staff:message_thread:assign", thread, by.account_id, to=thread.assigned_to_account_id)


def close(session: Session, thread: MessageThread, *, by: PlanStaff) -> None:
    """Nobody owes an answer any more. Raises NotOneself."""
    _turn(session, thread, ThreadStatus.CLOSED, "staff:message_thread:close", by)


def reopen(session: Session, thread: MessageThread, *, by: PlanStaff) -> None:
    """There is something to do after all. Raises NotOneself."""
    _turn(session, thread, ThreadStatus.OPEN, "staff:message_thread:reopen", by)


def mark_read(session: Session, thread: MessageThread, account_id: str) -> None:
    """The person has seen the thread as it is now; what is written while they read is new again."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(ThreadReading) if on_postgresql else sqlite.insert(ThreadReading)
    statement = insert.values(thread_id=thread.id, account_id=account_id, read_at=thread.last_at)
    statement = statement.on_conflict_do_update(
        index_elements=[ThreadReading.thread_id, ThreadReading.account_id],
        set_={"read_at": statement.excluded.read_at},
        where=ThreadReading.read_at < statement.excluded.read_at,
    )
    session.execute(statement)


def record_reading(session: Session, thread: MessageThread, account_id: str, *, source: str) -> None:
    """Write down who was shown the thread: `source` is plan or provider, whichever side they read it on."""
    _record(session, f"{source}:message_thread:read", thread, account_id)


def owner_of(session: Session, thread: MessageThread) -> ProviderStaff:
    """The login of the portal whose thread it is."""
    return session.get_one(ProviderStaff, thread.staff_id)


def take_file(session: Session, thread: MessageThread, attachment_id: str, *, account_id: str) -> MessageAttachment:
    """A file of a thread that the caller may read, written down before it leaves; raises UnknownAttachment."""
    file = threads.get_attachment(session, thread, attachment_id)
    _record(session, "plan:message_attachment:download", thread, account_id, attachment=file.id)
    return file


def _new_thread(session: Session, staff: ProviderStaff, topic: ThreadTopic, subject: str) -> MessageThread:
    thread = MessageThread(staff_id=staff.id, topic=topic, subject=subject[:200], status=ThreadStatus.OPEN)
    session.add(thread)
    session.flush()
    return thread


def _write(
    session: Session, thread: MessageThread, body: str, files: Iterable[CheckedFile], *,
    author_account_id: str | None, from_plan: bool,
) -> SecureMessage:  # fmt: skip
    # Two who write at once wait for each other here: `last_at` then never goes back.
    session.execute(select(MessageThread.id).where(MessageThread.id == thread.id).with_for_update())
    moment = now()
    message = SecureMessage(
        thread_id=thread.id, author_account_id=author_account_id, from_plan=from_plan, body=body, sent_at=moment
    )
    session.add(message)
    session.flush()
    session.add_all(
        MessageAttachment(
            message_id=message.id, name=file.name, media_type=file.media_type, size=len(file.content),
            content=file.content,
        )
        for file in files
    )  # fmt: skip
    thread.last_at = moment
    if from_plan:
        thread.last_from_plan_at = moment
    else:
        thread.last_from_office_at = moment
    session.flush()
    if author_account_id is not None:
        mark_read(session, thread, author_account_id)
    return message


def _turn(session: Session, thread: MessageThread, to: ThreadStatus, tag: str, by: PlanStaff) -> None:
    plan_staff.require_other(by, owner_of(session, thread))
    thread.status = to
    _record(session, tag, thread, by.account_id)


def _count(session: Session, account_id: str, files: Sequence[CheckedFile]) -> None:
    if not throttling.hit(session, f"mailbox:messages:{account_id}", _MESSAGES_AN_HOUR, 3600):
        raise TooManyMessages
    for _file in files:
        if not throttling.hit(session, f"mailbox:files:{account_id}", _FILES_A_DAY, 86_400):
            raise TooManyMessages


def _record(session: Session, tag: str, thread: MessageThread, account_id: str | None, **detail: str | None) -> None:
    audit.record(session, tag, account_id=account_id, detail={"thread": thread.id, **detail})


def _tell_plan(session: Session, plan: Plan) -> None:
    """Tell everybody whose work the mailbox is, and the plan's mailbox address if it named one, each once."""
    told: dict[str, str] = {plan.mailbox_address: "en"} if plan.mailbox_address else {}
    told |= {staff.account.email: staff.account.language for staff in plan_staff.with_role(session, MAILBOX_ROLE)}
    for address, language in told.items():
        _mail(session, address, language)


def _tell(session: Session, account: Account) -> None:
    _mail(session, account.email, account.language)


def _mail(session: Session, address: str, language: str) -> None:
    mail.enqueue(session, to=address, template="new_message", language=language, at=now())
