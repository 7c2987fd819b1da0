"""A remittance as PaymentReconciliation: what the models accept, and the same amounts."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir.payments import inquiry
from fhir.payments.payment_reconciliation import payment_reconciliation
from fhir.r4 import find_problem
from service.plan.logins.reach import GroupReach
from service.plan.models import Remittance
from service.plan.remittances import remittance_files, remittance_search
from tests.factories import make_group
from tests.plan.era import Interchange, load_shared_groups, shared, transaction


def rendered(session: Session, row: Remittance) -> bytes:
    found = remittance_search.detail(session, [GroupReach(str(row.group_id), None)], row.id, limit=1_000)
    return payment_reconciliation(row, found.group, [one.claim for one in found.claims])


def test_every_remittance_of_the_made_files_is_a_valid_resource_with_the_same_total(session: Session) -> None:
    load_shared_groups(session)
    for path in sorted(shared("x12", "835-made-by-us").glob("*.edi")):
        remittance_files.load_file(session, path)
    rows = session.scalars(select(Remittance)).all()

    assert len(rows) == 127
    for row in rows:
        body = rendered(session, row)
        assert find_problem(body) is None, row.number
        told = json.loads(body, parse_float=Decimal)
        assert told["paymentAmount"]["value"] * 100 == row.amount_cents
        assert sum(one["amount"]["value"] for one in told["detail"]) * 100 == row.amount_cents
        assert (told["paymentIdentifier"]["value"], told["paymentDate"]) == (row.number, row.paid_on.isoformat())


def test_a_provider_adjustment_and_a_reversal_are_adjustments(session: Session, tmp_path: Path) -> None:
    make_group(session, tax_id="071234501", npi="2900179195", organization_id="org-1")
    claims = ("CLP*PA3*22*-10*-10**HM*CLAIM3", "CLP*PA4*1*20*20**HM*CLAIM4")
    one = transaction(*claims, amount="7.5", after=["PLB*1*20261231*WO:O1*2.5"])
    remittance_files.load_file(session, Interchange([one]).write(tmp_path))

    told = json.loads(rendered(session, session.scalars(select(Remittance)).one()))

    kinds = [one["type"]["coding"][0]["code"] for one in told["detail"]]
    amounts = [one["amount"]["value"] for one in told["detail"]]
    assert (kinds, amounts) == (["adjustment", "payment", "adjustment"], [-10.0, 20.0, -2.5])
    assert told["requestor"]["reference"] == "Organization/org-1"
    assert told["detail"][2]["type"]["coding"][1]["code"] == "WO"


def test_amounts_keep_their_two_digits(session: Session, tmp_path: Path) -> None:
    make_group(session, tax_id="071234501", npi="2900179195")
    remittance_files.load_file(session, Interchange().write(tmp_path))

    assert b'"value":72.50' in rendered(session, session.scalars(select(Remittance)).one())


def test_the_self_link_tells_what_was_done_and_a_bare_plus_is_a_zone() -> None:
    asked, wanted = inquiry.parse([("_count", "9999"), ("created", "ge2026-01-01T00:00:00 01:00")], strict=True)

    assert asked.used[0] == ("_count", str(inquiry.MOST))
    assert wanted.loaded_from == datetime(2025, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize("created", [
    "ge0001-01-01T00:00:00+14:00", "0001", "le0001-01-01T00:00:00+00:01", "gt9999-12-31T23:59:59-14:00", "lt9999",
    "eb0001-01-01T00:00:00+14:00", "sa9999-12-31",
])  # fmt: skip
def test_a_moment_beyond_the_calendar_is_taken_for_its_end(created: str) -> None:
    _, wanted = inquiry.parse([("created", created)], strict=True)

    found = wanted.loaded_from or wanted.loaded_before
    assert found is not None and found.year in {1, 2, 9998, 9999}
