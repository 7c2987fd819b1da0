"""Remittance inquiry: found by number, claim, date and amount, within what the groups reach and nowhere else."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.logins.reach import GroupReach
from service.plan.models import ProviderGroup, Remittance
from service.plan.providers.numbers import UnusablePaymentNumber
from service.plan.remittances import remittance_files, remittance_search
from service.plan.remittances.remittance_search import UnknownRemittance, Wanted
from tests.factories import make_group
from tests.plan.era import CLAIM, Interchange, load_shared_groups, rows, shared, transaction

DENIED = ("CLP*PA9*4*125*0*0*HM*CLAIM9", "SVC*HC:T1015*125*0", "CAS*CO*50*125")


@pytest.fixture
def group(session: Session, tmp_path: Path) -> ProviderGroup:
    """A group with an EFT, an older check and a notice."""
    made = make_group(session, tax_id="071234501", npi="2900179195")
    older = [one.replace("CLAIM1", "CLAIM2").replace("PA1", "PA2") for one in CLAIM]
    sets = [
        transaction(number="EFT1"), transaction(*older, number="0012345", method="CHK", on="20260105"),
        transaction(*DENIED, number="NON7", method="NON", amount="0", on="20260301"),
    ]  # fmt: skip
    remittance_files.load_file(session, Interchange(sets).write(tmp_path))
    return made


def reach(*groups: ProviderGroup, since: date | None = None, until: date | None = None) -> list[GroupReach]:
    return [GroupReach(one.id, one.organization_id, since, until) for one in groups]


def found(session: Session, groups: Sequence[GroupReach], **wanted: object) -> list[str]:
    results = remittance_search.search(session, groups, Wanted(**wanted))  # type: ignore[arg-type]
    return [one.remittance.number for one in results.found]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"number": "EFT1"}, ["EFT1"]),
        ({"number": " eft-1 "}, ["EFT1"]),
        ({"number": "0012345"}, ["0012345"]),
        ({"number": "12345"}, []),
        ({"number": "NP7"}, ["NP7"]),
        ({"number": "NON7"}, ["NP7"]),
        ({"number": "7"}, ["NP7"]),
        ({"claim_number": "CLAIM2"}, ["0012345"]),
        ({"claim_number": " claim2"}, ["0012345"]),
        ({"claim_number": "CLAIM"}, []),
        ({"claim_number": "CLAIM%"}, []),
        ({"patient_control_number": "PA9"}, ["NP7"]),
        ({"amount_cents": 7250}, ["EFT1", "0012345"]),
        ({"amount_cents": 7250, "paid_to": date(2026, 1, 5)}, ["0012345"]),
        ({"paid_from": date(2026, 1, 6), "paid_to": date(2026, 6, 15)}, ["EFT1", "NP7"]),
        ({"number": "EFT1", "claim_number": "CLAIM2"}, []),
        ({"number": "' OR 1=1 --", "amount_cents": 1}, None),
    ],
)
def test_what_is_looked_for_is_found(
    session: Session, group: ProviderGroup, wanted: dict[str, object], numbers: list[str] | None
) -> None:
    if numbers is None:
        with pytest.raises(UnusablePaymentNumber):
            found(session, reach(group), **wanted)
    else:
        assert found(session, reach(group), **wanted) == numbers


def test_another_group_and_no_group_find_nothing(session: Session, group: ProviderGroup) -> None:
    other, identifier = make_group(session), session.scalars(select(Remittance.id)).first()
    assert identifier

    for groups in ([], reach(other)):
        assert found(session, groups, number="EFT1") == []
        with pytest.raises(UnknownRemittance):
            remittance_search.get(session, groups, identifier)
        with pytest.raises(UnknownRemittance):
            remittance_search.detail(session, groups, identifier)
    with pytest.raises(UnknownRemittance):
        remittance_search.get(session, reach(group), "no such id")


def test_dates_of_a_permission_limit_what_is_there(session: Session, group: ProviderGroup) -> None:
    check = session.scalars(select(Remittance.id).where(Remittance.number_key == "0012345")).one()

    assert found(session, reach(group, since=date(2026, 3, 1)), paid_from=date(2000, 1, 1)) == ["EFT1", "NP7"]
    assert found(session, reach(group, until=date(2026, 2, 28)), paid_from=date(2000, 1, 1)) == ["0012345"]
    with pytest.raises(UnknownRemittance):
        remittance_search.get(session, reach(group, since=date(2026, 1, 6)), check)
    assert remittance_search.get(session, reach(group, since=date(2026, 1, 5), until=date(2026, 1, 5)), check)


def test_two_permissions_for_one_group_reach_both_spans_and_not_what_lies_between(
    session: Session, group: ProviderGroup
) -> None:
    both = [*reach(group, until=date(2026, 1, 31)), *reach(group, since=date(2026, 6, 1))]

    assert found(session, both, paid_from=date(2000, 1, 1)) == ["EFT1", "0012345"]


def test_a_firm_with_many_clients_of_different_dates_is_served(session: Session, group: ProviderGroup) -> None:
    many = [GroupReach(f"group-{number}", None, date(2020, 1, 1) + timedelta(number)) for number in range(2_000)]

    assert found(session, [*many, *reach(group)], number="EFT1") == ["EFT1"]


def test_an_unassigned_remittance_is_there_for_nobody(session: Session, tmp_path: Path) -> None:
    remittance_files.load_file(session, Interchange().write(tmp_path))
    bystander = make_group(session)

    assert found(session, reach(bystander), number="EFT1") == []


def test_pages_follow_each_other_without_gap_or_repeat(session: Session, tmp_path: Path) -> None:
    group = make_group(session, tax_id="071234501", npi="2900179195")
    sets = [transaction(number=f"EFT{number}", on=f"202606{1 + number // 3:02}") for number in range(12)]
    remittance_files.load_file(session, Interchange(sets).write(tmp_path))
    seen, after, pages = [], None, 0

    while True:
        page = remittance_search.search(session, reach(group), Wanted(amount_cents=7250), after=after, limit=5)
        seen += [one.remittance for one in page.found]
        pages, after = pages + 1, page.after
        if after is None:
            break

    assert pages == 3 and len({one.id for one in seen}) == 12
    assert [one.paid_on for one in seen] == sorted((one.paid_on for one in seen), reverse=True)


@pytest.mark.parametrize("after", ["", "x", "2026-01-01.x", "9999-99-99.5f3b0000-0000-4000-8000-000000000000", "'; --"])
def test_a_place_that_is_none_gives_the_first_page(session: Session, group: ProviderGroup, after: str) -> None:
    page = remittance_search.search(session, reach(group), Wanted(number="EFT1"), after=after)

    assert len(page.found) == 1


def test_the_detail_tells_claims_lines_and_totals_page_by_page(session: Session, tmp_path: Path) -> None:
    group = make_group(session, tax_id="071234501", npi="2900179195")
    claims = [segment.replace("CLAIM1", f"CLAIM{place}") for place in range(1, 8) for segment in CLAIM]
    remittance_files.load_file(session, Interchange([transaction(*claims, amount="507.5")]).write(tmp_path))
    identifier = session.scalars(select(Remittance.id)).one()

    first = remittance_search.detail(session, reach(group), identifier, limit=5)
    second = remittance_search.detail(session, reach(group), identifier, limit=5, after=first.after or 0)

    assert [one.claim.claim_number for one in first.claims] == [f"CLAIM{place}" for place in range(1, 6)]
    assert [one.claim.claim_number for one in second.claims] == ["CLAIM6", "CLAIM7"]
    assert second.after is None and all(len(one.lines) == 1 for one in first.claims)
    assert (first.totals.claims, first.totals.members, first.totals.paid) == (7, 1, 50750)


def test_every_claim_that_is_not_a_pharmacy_s_is_found_for_its_group_and_for_nobody_else(session: Session) -> None:
    groups = load_shared_groups(session)
    for path in sorted(shared("x12", "835-made-by-us").glob("*.edi")):
        remittance_files.load_file(session, path)
    claims = [row for row in rows("demo", "claims.csv") if row["kind"] != "pharmacy"]
    reaches = {number: reach(group) for number, group in groups.items()}
    everybody_else = {
        number: [one for other, own in reaches.items() if other != number for one in own] for number in reaches
    }

    assert len(claims) > 100
    for row in claims:
        wanted = Wanted(claim_number=row["claim_number"])
        own = remittance_search.search(session, reaches[row["group_id"]], wanted).found
        assert own, row["claim_number"]
        assert {one.group.number for one in own} == {row["group_id"]}
        trace = row["trace_number"].replace("NON", "NP")
        assert own[-1].remittance.number_key in {trace, own[-1].remittance.number_key}
        others = everybody_else[row["group_id"]]
        assert found(session, others, claim_number=row["claim_number"]) == []


def test_isolation_matrix_of_groups_and_checks(session: Session) -> None:
    groups = load_shared_groups(session)
    for path in sorted(shared("x12", "835-made-by-us").glob("*.edi")):
        remittance_files.load_file(session, path)
    every = session.scalars(select(Remittance)).all()

    for group in groups.values():
        own = reach(group)
        reached = {row.id for row in every if row.group_id == group.id}
        for row in every:
            hit = [one.remittance.id for one in remittance_search.search(session, own, Wanted(number=row.number)).found]
            if row.id in reached:
                assert row.id in hit
                assert remittance_search.get(session, own, row.id) is row
            else:
                assert row.id not in hit
                with pytest.raises(UnknownRemittance):
                    remittance_search.get(session, own, row.id)
