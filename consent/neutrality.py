"""Whether a person of the plan is a stranger to what they decide about: nobody decides over their own portal login.

What concerns an office or a firm is decided by somebody who does not sign in for it, and did not ask (security.md 143).
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.billing_models import BillingAuthorization
from service.plan.logins import portal_staff, reach
from service.plan.models import ProviderStaff
from service.plan.staff.plan_staff import NotOneself


def require_stranger(
    session: Session,
    account_id: str,
    *,
    group_id: str,
    organization_id: str | None = None,
    asked_by_account_id: str | None = None,
) -> None:
    """Raise NotOneself where the account asked for it, signs in for who asked, or for an office or firm of the group.

    Who asked is the organisation given, or else every one that the asking account signs in for.
    """
    if account_id == asked_by_account_id:
        raise NotOneself
    asking = {organization_id} if organization_id else _organizations_of(session, asked_by_account_id)
    for staff in portal_staff.logins_of(session, account_id):
        if staff.organization_id in asking or _reaches(session, staff, group_id):
            raise NotOneself


def _organizations_of(session: Session, account_id: str | None) -> set[str]:
    if account_id is None:
        return set()
    return {staff.organization_id for staff in portal_staff.logins_of(session, account_id)}


def _reaches(session: Session, staff: ProviderStaff, group_id: str) -> bool:
    if any(group.id == group_id for group in reach.groups_of_entries(session, staff.id)):
        return True
    permission = (
        BillingAuthorization.organization_id == staff.organization_id, BillingAuthorization.group_id == group_id,
        BillingAuthorization.ended_at.is_(None),
    )  # fmt: skip
    return session.scalar(select(BillingAuthorization.id).where(*permission).limit(1)) is not None
