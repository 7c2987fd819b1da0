"""Proof by payment: who can name a recent payment to a provider holds that provider's papers (product.md PV 2, 6).

Whatever does not fit gets one answer, after the same work: never which number was wrong (security.md 122). Guessing is
limited by counters that every way to this proof shares (123); right proofs are given back, and the plan's staff are
told when a limit is met.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import throttling
from service.clock import now
from service.plan.logins import reach
from service.plan.models import IdKind, ProviderGroup, Remittance, StaffRole
from service.plan.providers import numbers
from service.plan.staff import plan_staff

PER_TAX_ID, PER_NETWORK, EVERYBODY = 5, 10, 200
MOST_DAYS = 180
_HOUR, _DAY = 3_600, 86_400
_MOST_GROUPS, _MOST_PAYMENTS = 2_000, 200
log = structlog.get_logger("service.plan.registering.payment_proof")


class ProofRefused(Exception):
    """The numbers do not name a recent payment of that provider; nobody is told which of them is wrong."""

    status = 400


class TooManyTries(ProofRefused):
    """Too many wrong numbers for this Tax ID, from this network, or altogether: right ones are not looked at either."""

    status = 429


@dataclass(frozen=True)
class ShownPayment:
    """What somebody tells of a payment, as typed; `npi` and `vendor_number` count where they are given."""

    tax_id: str
    number: str
    npi: str = ""
    vendor_number: str = ""


@dataclass(frozen=True)
class PaymentProof:
    """A payment that was shown: the numbers given, normalised, the remittance they name, and its payee."""

    tax_id: str
    npi: str
    vendor_number: str
    remittance: Remittance
    group: ProviderGroup


def verify(session: Session, shown: ShownPayment, *, network: str, days: int = MOST_DAYS) -> PaymentProof:
    """The proof that these numbers are; raises ProofRefused or TooManyTries, after the same work for all.

    A payment proves for `days` after it was made. Its amount does not matter: a non-payment notice counts as well.
    `network` is where the try comes from (`throttling.network_of`). The caller answers without raising further, so
    that the counted try stays.
    """
    limits = _limits(shown, network)
    counted = [throttling.count(session, key, window) for key, _limit, window in limits]
    proof = _find(session, shown, days)
    passed = [
        (key, count - limit) for count, (key, limit, _window) in zip(counted, limits, strict=True) if count > limit
    ]
    if passed:
        _alert(session, passed)
        raise TooManyTries
    if proof is None:
        audit.record(session, "plan:payment_proof:verify", outcome=audit.Outcome.FAILED)
        raise ProofRefused
    for key, _limit, _window in limits:
        throttling.give_back(session, key)
    audit.record(session, "plan:payment_proof:verify", detail={"group": proof.group.id})
    return proof


def _limits(shown: ShownPayment, network: str) -> list[tuple[str, int, int]]:
    tax_id = _read(numbers.tax_id, shown.tax_id) or shown.tax_id[:40]
    return [
        (f"proof:tax_id:{throttling.hidden(tax_id)}", PER_TAX_ID, _DAY),
        (f"proof:network:{network}", PER_NETWORK, _DAY),
        ("proof:all", EVERYBODY, _HOUR),
    ]


def _find(session: Session, shown: ShownPayment, days: int) -> PaymentProof | None:
    # Every look-up is made whatever the first ones find: the time must not tell which number was wrong.
    tax_id = _read(numbers.tax_id, shown.tax_id)
    npi, vendor_number = _read(numbers.npi, shown.npi), _read(numbers.vendor_number, shown.vendor_number)
    payees = _groups_with(session, IdKind.TAX_ID, tax_id)
    for kind, typed, value in (
        (IdKind.NPI, shown.npi, npi), (IdKind.VENDOR_NUMBER, shown.vendor_number, vendor_number),
    ):  # fmt: skip
        carriers = _groups_with(session, kind, value)
        payees = {key: group for key, group in payees.items() if not typed or key in carriers}
    for payment in _payments(session, _read(numbers.payment_number, shown.number), days):
        # The NPI of that very payment, where the remittance names one.
        of_npi = not shown.npi or payment.payee_npi in {None, npi}
        if payment.group_id in payees and of_npi:
            return PaymentProof(tax_id, npi, vendor_number, payment, payees[payment.group_id])
    return None


def _groups_with(session: Session, kind: IdKind, value: str) -> dict[str, ProviderGroup]:
    return {group.id: group for group in reach.groups_with(session, [(kind, value)], limit=_MOST_GROUPS)}


def _payments(session: Session, number: str, days: int) -> list[Remittance]:
    recent = (Remittance.number_key == number, Remittance.paid_on >= now().date() - timedelta(days=days))
    statement = select(Remittance).where(*recent).order_by(Remittance.paid_on.desc(), Remittance.id)
    return list(session.scalars(statement.limit(_MOST_PAYMENTS)))


def _read(read: Callable[[str], str], text: str) -> str:
    """The number normalised; what is no such number matches nothing, and is answered like any other that is wrong."""
    try:
        return read(text)
    except numbers.UnusableNumber:
        return ""


def _alert(session: Session, passed: list[tuple[str, int]]) -> None:
    """A line for the plan's alarm, an audit row, and at the first try past a limit a mail: no number that was tried."""
    kinds = sorted(key.split(":")[1] for key, _over in passed)
    log.warning("payment_proof_limit_reached", limits=kinds)
    audit.record(session, "plan:payment_proof:verify", outcome=audit.Outcome.REFUSED, detail={"limits": kinds})
    if all(over > 1 for _key, over in passed):
        return
    for staff in plan_staff.with_role(session, StaffRole.PROVIDER_SERVICES):
        if throttling.hit(session, f"proof:told:{staff.id}", 1, _HOUR):
            mail.enqueue(
                session, to=staff.account.email, template="payment_guessing", language=staff.account.language,
                given_name=staff.account.given_name, at=now(),
            )  # fmt: skip
