"""The sandbox's 835 files: every claim paid to a provider is in one, with the amounts of its ExplanationOfBenefit."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.plan.logins import reach
from service.plan.models import IdKind, PaymentMethod, ProviderGroup, Remittance, RemittanceClaim
from service.plan.remittances import remittance_files
from service.sandbox.plan import stream
from service.settings import Settings
from tests.sandbox.conftest import make_plan

SEED = 1
MEMBERS = 13
"""Of two runs of payments, the second with one member."""


@pytest.fixture
def settings(kept_plan: Settings) -> Settings:
    """One sandbox for all of them."""
    return kept_plan


def test_every_claim_paid_to_a_provider_is_told_with_the_amounts_of_its_eob(
    settings: Settings, session: Session
) -> None:
    told: dict[str, list[tuple[RemittanceClaim, Remittance]]] = defaultdict(list)
    joined = select(RemittanceClaim, Remittance).join(Remittance, Remittance.id == RemittanceClaim.remittance_id)
    for claim, remittance in session.execute(joined):
        told[claim.claim_number].append((claim, remittance))
    organizations = dict(session.execute(select(ProviderGroup.id, ProviderGroup.organization_id)).all())
    eobs = [
        one for person in stream.members(MEMBERS, SEED) for one in person.resources
        if one["resourceType"] == "ExplanationOfBenefit" and one["type"]["coding"][0]["code"] != "pharmacy"
        and one["payee"]["type"]["coding"][0]["code"] == "provider"
    ]  # fmt: skip

    assert len(eobs) > 100
    assert set(told) == {one["identifier"][0]["value"] for one in eobs}
    for eob in eobs:
        found = told[eob["identifier"][0]["value"]]
        paid = [(claim, remittance) for claim, remittance in found if not claim.reversal]
        assert len(paid) == 1 and len(found) == (2 if eob["status"] == "cancelled" else 1)
        (claim, remittance), amounts = paid[0], {
            one["category"]["coding"][0]["code"]: round(one["amount"]["value"] * 100) for one in eob["total"]
        }  # fmt: skip
        assert (claim.charge_cents, claim.paid_cents) == (amounts["submitted"], amounts["benefit"])
        assert remittance.paid_on.isoformat() == eob["payment"]["date"]
        assert remittance.number_key == eob["payment"]["identifier"]["value"]
        assert f"Organization/{organizations[remittance.group_id]}" == eob["provider"]["reference"]


def test_there_are_checks_transfers_notices_corrections_and_adjustments_of_the_whole(
    settings: Settings, session: Session
) -> None:
    every = session.scalars(select(Remittance)).all()

    assert {one.method for one in every} == set(PaymentMethod)
    assert any(one["reason"] == "FB" for row in every for one in row.provider_adjustments)
    assert any(one["reason"] == "L6" for row in every for one in row.provider_adjustments)
    assert session.scalar(select(func.count()).where(RemittanceClaim.reversal.is_(True)))
    assert not [row for row in every if row.group_id is None or row.warnings]
    denied = [row for row in every if row.method is PaymentMethod.NON_PAYMENT]
    assert all(row.number.startswith("NP") and row.amount_cents == 0 for row in denied)


def test_making_it_again_pays_nothing_twice(settings: Settings, session: Session) -> None:
    before = session.scalar(select(func.count()).select_from(Remittance))
    session.commit()

    make_plan(settings, MEMBERS)

    assert session.scalar(select(func.count()).select_from(Remittance)) == before


def test_the_files_written_are_those_of_the_command(settings: Settings, session: Session) -> None:
    for path in remittance_files.files_of([Path(settings.var) / "remittances"]):
        summary = remittance_files.load_file(session, path)
        assert (summary.seen_before, summary.loaded, summary.refused) == (True, 0, [])
    session.rollback()


def test_the_hand_out_names_payments_that_prove_their_group(settings: Settings, session: Session) -> None:
    listed = json.loads(settings.sandbox_file.read_text())["remittances"]

    assert {one["method"] for one in listed} == {"check", "eft", "non_payment"}
    for one in listed:
        numbers = [(IdKind.TAX_ID, one["tax_id"].replace("-", "")), (IdKind.NPI, one["npi"])]
        group = reach.groups_with(session, numbers)
        assert [found.name for found in group] == [one["group"]]
        assert (
            session.scalars(select(Remittance.group_id).where(Remittance.number == one["number"])).one() == group[0].id
        )
