"""An office at the provider portal: a login of the group with most payments, and the numbers it looks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.accounts import opening
from service.accounts.opening import NewPerson
from service.plan.models import (
    AccessEntry,
    EntrySource,
    OrganizationKind,
    PortalFunction,
    PortalOrganization,
    ProviderStaff,
    Remittance,
)
from service.plan.registering import terms
from service.settings import Settings

NUMBERS = 200


@dataclass(frozen=True)
class Office:
    """Who signs in, and payment numbers that are theirs."""

    username: str
    password: str
    numbers: Sequence[str]


def open_office(session: Session, settings: Settings, *, password: str, password_hash: str) -> Office:
    """The login of the group with most payments; the terms are accepted."""
    most = (
        select(Remittance.group_id, Remittance.payee_tax_id, Remittance.payee_npi)
        .where(Remittance.group_id.is_not(None))
        .group_by(Remittance.group_id, Remittance.payee_tax_id, Remittance.payee_npi)
        .order_by(func.count().desc())
    )
    group_id, tax_id, npi = session.execute(most).first() or (None, None, None)
    account = opening.open_account(
        session, NewPerson("Bea", "Manager", "bench-office@example.org", None), username="bench-office",
        password_hash=password_hash,
    )  # fmt: skip
    # A Tax ID of its own: whoever is paid may be at the portal already. Its entry reaches the payments.
    organization = PortalOrganization(kind=OrganizationKind.PROVIDER, name="Bench office", tax_id="079999999")
    staff = ProviderStaff(account=account, organization=organization, functions=[PortalFunction.REMITTANCES.value])
    session.add_all((organization, staff))
    session.flush()
    session.add(AccessEntry(staff_id=staff.id, source=EntrySource.PROOF, tax_id=tax_id, npi=npi))
    for text in settings.plan.terms:
        terms.accept(session, account.id, text)
    own = select(Remittance.number).where(Remittance.group_id == group_id).order_by(Remittance.id).limit(NUMBERS)
    return Office(account.username, password, tuple(session.scalars(own)))
