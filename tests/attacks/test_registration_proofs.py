"""Guessing one's way into the portal (security.md, cases 122 and 123)."""

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from service.audit import AuditEvent, Outcome
from service.db import make_sessions
from service.plan.models import ProviderGroup
from service.plan.registering import payment_proof
from service.plan.registering.payment_proof import ProofRefused, ShownPayment, TooManyTries
from service.settings import Settings
from tests.conftest import MovableClock
from tests.factories import make_npi
from tests.provider.registrant import (
    CHECK,
    NPI,
    TAX_ID,
    VENDOR,
    Registrant,
    days_ago,
    make_payment,
    new_registrant,
)

RIGHT = {"tax_id": TAX_ID, "number": CHECK, "npi": NPI, "vendor_number": VENDOR}

WRONG = {
    # of another group, of nobody, and no such number at all
    "tax_id": ["082234502", "999999999", "12"],
    "number": ["CHK0000778", "CHK0000776", "NP1", "*"],
    "npi": ["2900258387", make_npi(5), "2900179190", "abc"],
    "vendor_number": ["V100002", "V1", "?"],
}


@pytest.fixture
def pat(app: Flask, session: Session, settings: Settings) -> Registrant:
    return new_registrant(app, session, settings)


def wrong_payments(second: str) -> Iterator[dict[str, str]]:
    """Every combination of right and wrong numbers but the one that is all right."""
    fields = ("tax_id", "number", second)
    for chosen in itertools.product((False, True), repeat=3):
        if all(chosen):
            continue
        choices = [[RIGHT[name]] if good else WRONG[name][:2] for name, good in zip(fields, chosen, strict=True)]
        for values in itertools.product(*choices):
            # The hospital's own three numbers belong together.
            if values != ("082234502", "CHK0000778", WRONG[second][0]):
                yield dict(zip(fields, values, strict=True))
    for name in fields:
        for bad in WRONG[name][2:]:
            yield {**{field: RIGHT[field] for field in fields}, name: bad}


@pytest.mark.parametrize(("path", "second"), [("npi", "npi"), ("vendor", "vendor_number")])
def test_case_122_whatever_is_wrong_gets_one_text_and_one_status(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup, path: str, second: str
) -> None:
    seen, tried = set(), 0
    for numbers in wrong_payments(second):
        # A fresh Tax ID counter for each: the limit is case 123.
        with Session(session.get_bind()) as own:
            own.execute(text("DELETE FROM attempt_counter"))
            own.commit()
        answer = new_registrant(app, session, settings).show_payment(path, **numbers)
        # What was typed stands in the form again, as it would after any try; all else is the same.
        reference = re.compile(r'[0-9a-f]{8}-[0-9a-f-]{27}|value="[^"]*"')
        seen.add((answer.status_code, reference.sub("", answer.text)))
        tried += 1
    assert tried > 20
    assert len(seen) == 1
    status, page = seen.pop()
    assert status == 400
    assert "We could not match these numbers" in page and "US Mail" in page


@contextmanager
def counted_statements(engine: Engine) -> Iterator[list[str]]:
    """The statements that run meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_case_122_whatever_is_wrong_costs_the_same_statements(
    engine: Engine, session: Session, clinic: ProviderGroup
) -> None:
    sessions = make_sessions(engine)
    work = set()
    for number, given in enumerate(wrong_payments("npi")):
        shown = ShownPayment(given["tax_id"], given["number"], given["npi"])
        with sessions() as own, counted_statements(engine) as statements:
            with pytest.raises(ProofRefused):
                payment_proof.verify(own, shown, network=f"n{number}", days=180)
            work.add(tuple(statements))
            own.rollback()
    assert len(work) == 1


def test_case_123_five_failures_a_day_for_a_tax_id_whatever_the_numbers_and_the_spelling(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup, clock: MovableClock
) -> None:
    spellings = ("071234501", "07-1234501", " 07 1234501 ", "07.1234501", "\uff10\uff17-1234501")
    for number, spelling in enumerate(spellings):
        # Sequential numbers around the known one, each from a network of its own.
        answer = new_registrant(app, session, settings).show_payment(tax_id=spelling, number=f"CHK000078{number}")
        assert answer.status_code == 400
    with capture_logs() as logged:
        assert new_registrant(app, session, settings).show_payment().status_code == 429
    assert [line["limits"] for line in logged if line["event"] == "payment_proof_limit_reached"] == [["tax_id"]]
    with Session(session.get_bind()) as own:
        refused = own.scalars(select(AuditEvent).where(AuditEvent.outcome == Outcome.REFUSED)).all()
        assert [(row.tag, row.detail) for row in refused] == [("plan:payment_proof:verify", {"limits": ["tax_id"]})]
    assert TAX_ID not in repr(logged)
    clock.advance(86_401)
    assert new_registrant(app, session, settings).show_payment().status_code == 303


def test_case_123_right_proofs_are_not_counted(
    app: Flask, session: Session, settings: Settings, clinic: ProviderGroup
) -> None:
    for _ in range(7):
        assert new_registrant(app, session, settings).show_payment().status_code == 303


def test_case_123_ten_failures_from_one_network(
    session: Session, settings: Settings, clinic: ProviderGroup, pat: Registrant
) -> None:
    for number in range(10):
        assert pat.show_payment(tax_id=f"0799999{number:02}").status_code == 400
    assert pat.show_payment().status_code == 429


def test_case_123_two_hundred_failures_an_hour_altogether(session: Session, clinic: ProviderGroup) -> None:
    for number in range(payment_proof.EVERYBODY):
        with pytest.raises(ProofRefused) as refusal:
            payment_proof.verify(session, ShownPayment(f"0{number:08}", "X", NPI), network=f"{number}", days=180)
        assert refusal.type is ProofRefused
    with pytest.raises(TooManyTries):
        payment_proof.verify(session, ShownPayment(TAX_ID, CHECK, NPI), network="fresh", days=180)


def test_case_123_a_burst_in_parallel_gets_no_more_tries(
    engine: Engine, session: Session, clinic: ProviderGroup
) -> None:
    sessions = make_sessions(engine)

    def attempt(number: int) -> int:
        with sessions.begin() as own:
            try:
                payment_proof.verify(own, ShownPayment(TAX_ID, f"C{number}", NPI), network=f"{number}", days=180)
            except ProofRefused as refusal:
                return refusal.status
        return 200

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(30)))
    assert (answers.count(400), answers.count(429)) == (5, 25)


def test_case_123_a_payment_of_another_vendor_or_too_old_is_no_proof(
    clinic: ProviderGroup, session: Session, app: Flask, settings: Settings
) -> None:
    make_payment(session, clinic, "OLD1", paid_on=days_ago(181))
    session.commit()
    assert new_registrant(app, session, settings).show_payment(number="OLD1").status_code == 400
    assert new_registrant(app, session, settings).show_payment("vendor", vendor_number="V100002").status_code == 400
    assert new_registrant(app, session, settings).show_payment(number="CHK0000778").status_code == 400
