"""Entries that a provider's login adds by itself, with a payment in hand (product.md PV 6)."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.plan.models import (
    AccessEntry,
    EntrySource,
    OrganizationKind,
    ProviderGroup,
    ProviderStaff,
    RegistrationProof,
)
from service.plan.registering import payment_proof
from service.plan.registering.payment_proof import ShownPayment


class NotAProvider(Exception):
    """A billing organisation holds no entries: it asks its clients."""


class EntryStands(Exception):
    """The login has this very entry already."""


def add_by_payment(
    session: Session,
    staff: ProviderStaff,
    *,
    tax_id: str,
    number: str,
    npi: str | None,
    vendor_number: str | None,
    network: str,
    days: int = payment_proof.MOST_DAYS,
) -> tuple[AccessEntry, ProviderGroup]:
    """Let this login, and no co-worker's, reach the group that the payment was made to.

    The entry is the AND of the Tax ID and the NPI or vendor number given, so that a shared Tax ID opens nothing else.
    Raises NotAProvider, EntryStands, `payment_proof.ProofRefused` and `TooManyTries`.
    """
    if staff.organization.kind is not OrganizationKind.PROVIDER:
        raise NotAProvider
    assert npi or vendor_number, "a Tax ID alone may be shared"
    shown = ShownPayment(tax_id, number, npi or "", vendor_number or "")
    paid = payment_proof.verify(session, shown, network=network, days=days)
    if _stands(session, staff, tax_id, npi, vendor_number):
        raise EntryStands
    proof = RegistrationProof(
        group_id=paid.group.id,
        remittance_id=paid.remittance.id,
        by_vendor_number=npi is None,
        account_id=staff.account_id,
    )
    session.add(proof)
    session.flush()
    made = AccessEntry(
        staff_id=staff.id, tax_id=tax_id, npi=npi, vendor_number=vendor_number, source=EntrySource.PROOF,
        proof_id=proof.id, created_by_account_id=staff.account_id,
    )  # fmt: skip
    session.add(made)
    session.flush()
    audit.record(
        session, "plan:access_entry:add", account_id=staff.account_id,
        detail={"entry": made.id, "group": paid.group.id, "proof": proof.id},
    )  # fmt: skip
    return made, paid.group


def _stands(session: Session, staff: ProviderStaff, tax_id: str, npi: str | None, vendor_number: str | None) -> bool:
    same = select(AccessEntry.id).where(
        AccessEntry.staff_id == staff.id,
        AccessEntry.ended_at.is_(None),
        AccessEntry.tax_id == tax_id,
        AccessEntry.npi.is_(None) if npi is None else AccessEntry.npi == npi,
        AccessEntry.vendor_number.is_(None) if vendor_number is None else AccessEntry.vendor_number == vendor_number,
        AccessEntry.office_id.is_(None),
    )
    return session.scalar(same.limit(1)) is not None
