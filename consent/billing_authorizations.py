"""Billing organisations that providers let in: requests to a provider's contact, and the permissions that follow."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import BillingAuthorization
from service.plan.models import PortalFunction

_MOST = 2_000


def standing_of(session: Session, organization_id: str, function: PortalFunction) -> list[BillingAuthorization]:
    """The permissions of a billing organisation that stand now and cover `function`."""
    standing = (BillingAuthorization.organization_id == organization_id, BillingAuthorization.ended_at.is_(None))
    found = session.scalars(select(BillingAuthorization).where(*standing).limit(_MOST))
    return [one for one in found if function.value in one.functions]
