"""Threads of the mailbox for tests."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.mailbox import attachments, messages
from service.plan.models import MessageAttachment, MessageThread, ProviderStaff, SecureMessage, ThreadTopic
from service.settings import Settings


def write(session: Session, settings: Settings, staff: ProviderStaff, **files: bytes) -> MessageThread:
    """A thread of a login, with files."""
    checked = attachments.check_all(list(files.items()))
    thread = messages.open_thread(
        session, staff, ThreadTopic.QUESTION, "A question", "Private words", checked, plan=settings.plan
    )  # fmt: skip
    session.commit()
    return thread


def file_of(session: Session, thread: MessageThread) -> MessageAttachment:
    """The one file of a thread."""
    found = session.scalars(
        select(MessageAttachment).join(SecureMessage).where(SecureMessage.thread_id == thread.id)
    ).one()
    session.commit()
    return found
