"""Who signs in to the provider portal, and for which organisation."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.plan.models import ProviderStaff, StaffStatus


def find_staff(session: Session, account: Account) -> ProviderStaff | None:
    """The login of this account in the portal, whatever its status; None where it has none.

    Of several, the one that is not deactivated, else the newest.
    """
    statement = (
        select(ProviderStaff)
        .where(ProviderStaff.account_id == account.id)
        .order_by(ProviderStaff.status == StaffStatus.DEACTIVATED, ProviderStaff.created_at.desc())
        .limit(1)
    )
    return session.scalar(statement)


def logins_of(session: Session, account_id: str) -> list[ProviderStaff]:
    """Every login that the account has in the portal, or had."""
    return list(session.scalars(select(ProviderStaff).where(ProviderStaff.account_id == account_id).limit(200)))


def find_active(session: Session, account: Account) -> ProviderStaff | None:
    """The login of this account if it works now."""
    found = find_staff(session, account)
    return found if found is not None and found.status is StaffStatus.ACTIVE else None


def delegates_of(session: Session, organization_id: str) -> list[ProviderStaff]:
    """The active delegates of an organisation, the longest standing first."""
    standing = (
        ProviderStaff.organization_id == organization_id,
        ProviderStaff.is_delegate.is_(True),
        ProviderStaff.status == StaffStatus.ACTIVE,
    )
    statement = select(ProviderStaff).where(*standing).order_by(ProviderStaff.created_at).limit(200)
    return list(session.scalars(statement))


def active_of(session: Session, organization_id: str) -> list[ProviderStaff]:
    """Every login of an organisation that works now."""
    standing = (ProviderStaff.organization_id == organization_id, ProviderStaff.status == StaffStatus.ACTIVE)
    return list(session.scalars(select(ProviderStaff).where(*standing).order_by(ProviderStaff.created_at).limit(2_000)))
