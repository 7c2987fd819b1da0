"""Administrators are mailed about a delivery that is due soon, and once more when it is overdue or was visible late.

Each delivery (a source and the moment it came) is claimed for either mail in the transaction that puts it into the
outbox: no worker, at no later time, sends it again.
"""

from datetime import timedelta

from sqlalchemy.orm import Session, sessionmaker

from fhir.loading import freshness
from fhir.loading.freshness import Delivery, Watch
from service import mail
from service.accounts.models import Account
from service.clock import now
from service.db import microseconds
from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from service.settings import Settings
from service.single_use import claim

_TOLD_FOR = timedelta(days=365)
"""How long it is kept that a delivery was told of: one that is overdue for a year is told of again."""


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Tell of what nobody was told of yet; while there is no administrator, it waits for the first."""
    with sessions.begin() as session:
        found = freshness.pressing(session, settings.plan.timezone)
        people = [one.account for one in plan_staff.with_role(session, StaffRole.ADMINISTRATOR)] if found else []
        for delivery in found if people else ():
            if _is_news(session, delivery):
                _tell(session, people, delivery)


def _is_news(session: Session, one: Delivery) -> bool:
    kind = "delivery due soon" if one.watch is Watch.DUE_SOON else "delivery overdue"
    return claim(session, kind, f"{microseconds(one.received_at)} {one.source}", expires_at=now() + _TOLD_FOR)


def _tell(session: Session, people: list[Account], one: Delivery) -> None:
    for account in people:
        mail.enqueue(
            session, to=account.email, template="data_freshness", language=account.language,
            given_name=account.given_name, news=one.watch.value, source=one.source, received=one.received_at,
            due=one.due_at, visible=one.visible_at or "",
        )  # fmt: skip
