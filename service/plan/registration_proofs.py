"""Proof by payment: who holds a check, an EFT or a non-payment notice of a provider works there (product.md PV 2).

Whatever does not fit gets one answer, in one time: never which number was wrong (security.md 122). Failures are counted
for each Tax ID, for each network and for everybody (123), right proofs are given back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.accounts import throttling
from service.clock import now
from service.plan import numbers, reach
from service.plan.models import IdKind, PaymentMethod, Remittance

PER_TAX_ID, PER_NETWORK, EVERYBODY = 5, 10, 200
_HOUR, _DAY = 3_600, 86_400
_NOTICE = "NP"
_MOST_GROUPS, _MOST_PAYMENTS = 2_000, 200
log = structlog.get_logger("service.plan.registration_proofs")


class NotProven(Exception):
    """The numbers do not name a recent payment of that provider; nobody is told which of them is wrong."""

    status = 400


class TooManyProofs(NotProven):
    """Too many failures for this Tax ID, from this network, or altogether."""

    status = 429


@dataclass(frozen=True)
class ShownPayment:
    """What somebody tells of a payment, as typed: a Type 2 NPI or a vendor number beside Tax ID and payment number."""

    tax_id: str
    number: str
    npi: str = ""
    vendor_number: str = ""


@dataclass(frozen=True)
class PaymentProof:
    """A payment that was shown: the numbers given, normalised, and the remittance they name."""

    tax_id: str
    npi: str
    vendor_number: str
    remittance_id: str
    group_id: str


def verify(session: Session, shown: ShownPayment, *, network: str, days: int) -> PaymentProof:
    """The proof that these numbers are; raises NotProven or TooManyProofs, after the same work for all.

    A payment proves for `days` after it was made. Its amount does not matter: a non-payment notice counts as well.
    """
    limits = _limits(shown, network)
    within = [throttling.hit(session, key, limit, window) for key, limit, window in limits]
    proof = _find(session, shown, days)
    if not all(within):
        _alert(session, [name for (name, _, _), good in zip(limits, within, strict=True) if not good])
        raise TooManyProofs
    if proof is None:
        audit.record(session, "plan:registration_proof:verify", outcome=audit.Outcome.FAILED)
        raise NotProven
    for key, _, _ in limits:
        throttling.give_back(session, key)
    audit.record(session, "plan:registration_proof:verify", detail={"group": proof.group_id})
    return proof


def _limits(shown: ShownPayment, network: str) -> list[tuple[str, int, int]]:
    tax_id = _read(numbers.tax_id, shown.tax_id) or shown.tax_id[:40]
    return [
        (f"proof:tax_id:{throttling.hidden(tax_id)}", PER_TAX_ID, _DAY),
        (f"proof:network:{network}", PER_NETWORK, _DAY),
        ("proof:all", EVERYBODY, _HOUR),
    ]


def _find(session: Session, shown: ShownPayment, days: int) -> PaymentProof | None:
    # Three look-ups whatever the first ones find: the time must not tell which number was wrong.
    tax_id = _read(numbers.tax_id, shown.tax_id)
    npi, vendor_number = _read(numbers.npi, shown.npi), _read(numbers.vendor_number, shown.vendor_number)
    second = (IdKind.NPI, npi) if shown.npi else (IdKind.VENDOR_NUMBER, vendor_number)
    under_tax_id = _groups_with(session, IdKind.TAX_ID, tax_id)
    under_second = _groups_with(session, *second)
    payments = _payments(session, _read(numbers.payment_number, shown.number), days)
    payees = under_tax_id & under_second
    return next(
        (
            PaymentProof(tax_id, npi if shown.npi else "", "" if shown.npi else vendor_number, payment.id, group_id)
            for payment in payments
            if (group_id := payment.group_id) is not None and group_id in payees
        ),
        None,
    )


def _groups_with(session: Session, kind: IdKind, value: str) -> set[str]:
    return {group.id for group in reach.groups_with(session, [(kind, value)], limit=_MOST_GROUPS)}


def _payments(session: Session, number: str, days: int) -> list[Remittance]:
    oldest = now().date() - timedelta(days=days)
    statement = (
        select(Remittance)
        .where(Remittance.number_key.in_([number, number.removeprefix(_NOTICE)]), Remittance.paid_on >= oldest)
        .order_by(Remittance.paid_on.desc(), Remittance.id)
        .limit(_MOST_PAYMENTS)
    )
    return [payment for payment in session.scalars(statement) if _is_meant(payment, number)]


def _is_meant(payment: Remittance, number: str) -> bool:
    # A notice has NP in front of its number, on paper and here, whether or not the payer's file writes it too.
    is_notice = payment.method is PaymentMethod.NON_PAYMENT
    if payment.number_key == number:
        return number.startswith(_NOTICE) or not is_notice
    return is_notice


def _read(read: Callable[[str], str], text: str) -> str:
    """The number normalised; what is no such number matches nothing, and is answered like any other that is wrong."""
    try:
        return read(text)
    except numbers.UnusableNumber:
        return ""


def _alert(session: Session, passed: list[str]) -> None:
    """A line for the plan's alarm and an audit row; neither holds a number that was tried."""
    kinds = sorted(key.split(":")[1] for key in passed)
    log.warning("registration_proof_limit_reached", limits=kinds)
    audit.record(
        session, "plan:registration_proof:verify", outcome=audit.Outcome.REFUSED, detail={"limits": kinds}
    )  # fmt: skip
