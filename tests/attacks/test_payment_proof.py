"""Guessing at payments (security.md, case 123)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import time_machine
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.db import make_sessions
from service.plan.models import PaymentMethod, StaffRole
from service.plan.registering import payment_proof
from service.plan.registering.payment_proof import ProofRefused, TooManyTries
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.factories import make_group, make_payment, make_plan_staff


def test_case_123_five_wrong_numbers_close_a_tax_id_for_a_day_and_staff_are_told(
    session: Session, settings: Settings
) -> None:
    group = make_group(session, tax_id="071234501")
    make_payment(session, group, "7000001")
    clerk = make_plan_staff(session, StaffRole.PROVIDER_SERVICES)
    session.commit()
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        for number in range(7000002, 7000007):
            assert _try(session, number=str(number), network=f"192.0.2.{number % 100}") is ProofRefused
        assert _try(session, network="192.0.2.200") is TooManyTries, "also the right number, also from elsewhere"
        session.commit()
        assert len(letters(session, settings, clerk.account.email)) == 1
        traveller.shift(timedelta(days=1))
        assert _try(session) is None


def test_case_123_ten_wrong_numbers_close_a_network_and_two_hundred_everything(session: Session) -> None:
    group = make_group(session, tax_id="071234501")
    make_payment(session, group, "7000001")
    for number in range(10):
        assert _try(session, tax_id=f"0812345{number:02}") is ProofRefused
    assert _try(session) is TooManyTries
    assert _try(session, network="192.0.2.9") is None
    for number in range(189):
        assert _try(session, tax_id=f"0900000{number % 100:02}", network=f"198.51.100.{number}") is not None
    assert _try(session, network="192.0.2.10") is TooManyTries


def test_case_123_a_proof_is_of_that_payee_and_not_older_than_180_days(session: Session) -> None:
    today = datetime.now(UTC).date()
    group = make_group(session, tax_id="071234501", npi="2900179195", vendor_number="V100001")
    sibling = make_group(session, tax_id="071234501")
    other = make_group(session, tax_id="082234502")
    make_payment(session, group, "7000001", payee_npi="2900179195")
    make_payment(session, group, "NP 0001", method=PaymentMethod.NON_PAYMENT, amount_cents=0)
    make_payment(session, group, "7000180", paid_on=today - timedelta(days=180))
    make_payment(session, group, "7000181", paid_on=today - timedelta(days=181))
    make_payment(session, other, "7000009")
    assert _try(session) is None
    assert _try(session, number="NP0001") is None
    assert _try(session, number="7000180") is None
    assert _try(session, vendor_number="V100001", npi="2900179195") is None
    fields = {"number": "7000181"}, {"number": "7000009"}, {"number": "0001"}, {"npi": "2900258387"}
    for wrong in (*fields, {"vendor_number": "V100002"}):
        assert _try(session, **wrong, network=f"192.0.2.{len(str(wrong))}") is ProofRefused, wrong
    assert sibling.id != group.id


def test_case_123_a_parallel_burst_gets_five_tries(engine: Engine, session: Session) -> None:
    group = make_group(session, tax_id="071234501")
    make_payment(session, group, "7000001")
    session.commit()
    sessions = make_sessions(engine)

    def guess(number: int) -> type[ProofRefused] | None:
        with sessions.begin() as own:
            return _try(own, number=f"81{number:05}", network=f"203.0.113.{number}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(30)))
    assert answers.count(ProofRefused) == payment_proof.PER_TAX_ID
    assert answers.count(TooManyTries) == 30 - payment_proof.PER_TAX_ID


def _try(session: Session, **given: str) -> type[ProofRefused] | None:
    values = {"tax_id": "071234501", "number": "7000001", "network": "192.0.2.7"} | given
    network = values.pop("network")
    try:
        payment_proof.verify(session, payment_proof.ShownPayment(**values), network=network)
    except ProofRefused as refused:
        return type(refused)
    return None
