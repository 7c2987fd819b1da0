"""How many threads of the mailbox hold something from the plan that this login has not read."""

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from service.plan.models import MessageThread, ProviderStaff, SecureMessage, ThreadReading


def count_unread(session: Session, staff: ProviderStaff) -> int:
    """The number of threads with an unread message from the plan."""
    reading = and_(ThreadReading.thread_id == MessageThread.id, ThreadReading.account_id == staff.account_id)
    unread = exists().where(
        SecureMessage.thread_id == MessageThread.id,
        SecureMessage.from_plan.is_(True),
        or_(ThreadReading.read_at.is_(None), SecureMessage.sent_at > ThreadReading.read_at),
    )
    threads = select(func.count()).select_from(MessageThread).outerjoin(ThreadReading, reading)
    return session.scalar(threads.where(MessageThread.staff_id == staff.id, unread)) or 0
