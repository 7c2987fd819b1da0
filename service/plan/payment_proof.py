"""Proof by payment: who can name a recent payment to a provider holds that provider's papers (product.md PV 2, 6).

Which of the numbers was wrong is never told. Guessing is limited by counters that every way to this proof shares
(security.md 122, 123); the plan's staff are told when a limit is met.
"""

from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import throttling
from service.clock import now
from service.plan import plan_staff, reach
from service.plan.models import IdKind, ProviderGroup, Remittance, StaffRole

PER_TAX_ID, PER_NETWORK, EVERYBODY = 5, 10, 200
MOST_DAYS = 180
_HOUR, _DAY = 3_600, 86_400


class ProofRefused(Exception):
    """The numbers prove nothing."""


class TooManyTries(ProofRefused):
    """There were too many wrong numbers; right ones are not looked at either for a while."""


def verify_payment(
    session: Session,
    *,
    tax_id: str,
    number: str,
    npi: str | None = None,
    vendor_number: str | None = None,
    network: str,
    most_days: int = MOST_DAYS,
) -> tuple[ProviderGroup, Remittance]:
    """The payment of that number to a group of that Tax ID, and the group; raises ProofRefused or TooManyTries.

    `npi` and `vendor_number`, where given, must be those of that payment; the numbers are normalised as
    `service.plan.numbers` does. `network` is where the try comes from (`throttling.network_of`). The caller answers
    without raising further, so that the counted try stays.
    """
    keys = _keys(tax_id, network)
    within = _count(session, keys)
    found = _find(session, tax_id, number, npi, vendor_number, most_days)
    if not within:
        _record(session, tax_id, "limit")
        raise TooManyTries
    if found is None:
        _record(session, tax_id, "no match")
        raise ProofRefused
    for key in keys:
        throttling.give_back(session, key)
    return found


def _keys(tax_id: str, network: str) -> tuple[str, str, str]:
    return f"proof:tax-id:{throttling.hidden(tax_id)}", f"proof:network:{network}", "proof:everybody"


def _count(session: Session, keys: tuple[str, str, str]) -> bool:
    """Count the try under every key; whether all limits leave room for it. The first try past a limit is told."""
    limits = ((PER_TAX_ID, _DAY), (PER_NETWORK, _DAY), (EVERYBODY, _HOUR))
    counted = [throttling.count(session, key, window) for key, (_limit, window) in zip(keys, limits, strict=True)]
    over = [count - limit for count, (limit, _window) in zip(counted, limits, strict=True)]
    if 1 in over:
        _tell_staff(session)
    return max(over) <= 0


def _find(
    session: Session, tax_id: str, number: str, npi: str | None, vendor_number: str | None, most_days: int
) -> tuple[ProviderGroup, Remittance] | None:
    groups = [group.id for group in reach.groups_with(session, _numbers(tax_id, npi, vendor_number))]
    statement = (
        select(ProviderGroup, Remittance)
        .join(ProviderGroup, ProviderGroup.id == Remittance.group_id)
        .where(
            Remittance.number_key == number,
            Remittance.group_id.in_(groups),
            Remittance.paid_on >= now().date() - timedelta(days=most_days),
        )
        .order_by(Remittance.paid_on.desc(), Remittance.id)
        .limit(1)
    )
    if npi is not None:
        # The NPI of that very payment, where the remittance names one.
        statement = statement.where(or_(Remittance.payee_npi.is_(None), Remittance.payee_npi == npi))
    found = session.execute(statement).first()
    return (found[0], found[1]) if found else None


def _numbers(tax_id: str, npi: str | None, vendor_number: str | None) -> list[tuple[IdKind, str]]:
    given = ((IdKind.TAX_ID, tax_id), (IdKind.NPI, npi), (IdKind.VENDOR_NUMBER, vendor_number))
    return [(kind, value) for kind, value in given if value]


def _tell_staff(session: Session) -> None:
    for staff in plan_staff.with_role(session, StaffRole.PROVIDER_SERVICES):
        if throttling.hit(session, f"proof:told:{staff.id}", 1, _HOUR):
            mail.enqueue(
                session, to=staff.account.email, template="payment_guessing", language=staff.account.language,
                given_name=staff.account.given_name, at=now().strftime("%Y-%m-%d %H:%M UTC"),
            )  # fmt: skip


def _record(session: Session, tax_id: str, why: str) -> None:
    audit.record(
        session, "plan:payment_proof:verify", outcome=audit.Outcome.REFUSED, detail={"tax_id": tax_id[-4:]}, reason=why
    )
