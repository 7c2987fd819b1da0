"""The sandbox's provider portal: offices, a billing firm, the plan's own people, and what waits in their queues."""

from sqlalchemy.orm import Session

from service.sandbox import billing_firm, fresh_payments, plan_people, portal_accounts, portal_offices
from service.sandbox.portal_people import MARGE, PORTAL_PEOPLE
from service.settings import Settings


def open_missing(session: Session, settings: Settings) -> None:
    """Make whatever of the portal is not there yet; what people did with it stays."""
    fresh_payments.load(session, settings.var / "remittances")
    is_new = not portal_accounts.is_open(session, MARGE)
    portal_offices.open_missing(session, settings)
    billing_firm.open_missing(session, settings)
    plan_people.appoint_missing(session, settings)
    if is_new:
        plan_people.fill_queues(session, settings)


def is_complete(session: Session) -> bool:
    """Whether everybody of the portal is there."""
    return all(portal_accounts.is_open(session, person) for person in PORTAL_PEOPLE)
