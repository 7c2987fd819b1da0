"""What the attack cases of billing organisations share."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from consent import policy
from service.plan.models import PortalFunction, ProviderGroup, ProviderStaff
from tests.consent.firm import Firm
from tests.factories import make_group

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def link(firm: Firm) -> str:
    """The page that the contact's mail leads to."""
    return f"/provider/authorize/{firm.secret()}"


def reached(session: Session, staff: ProviderStaff, function: PortalFunction = PortalFunction.REMITTANCES) -> set[str]:
    """The groups that a request of this login begun now reaches."""
    with Session(session.get_bind()) as own:
        access = policy.provider_authority(own, own.get_one(ProviderStaff, staff.id), function, reason="test")
        return {one.group_id for one in access.groups}


def second_group(session: Session) -> ProviderGroup:
    """Another group of the client's Tax ID."""
    made = make_group(session, tax_id="071234501")
    session.commit()
    return made
