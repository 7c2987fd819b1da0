"""Provider records from CSV: good lines kept, bad ones told by file and line, history kept."""

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.logins import reach
from service.plan.models import (
    GroupStatus,
    IdKind,
    Practitioner,
    PractitionerAffiliation,
    ProviderAddress,
    ProviderContact,
    ProviderGroup,
    ProviderGroupVersion,
)
from service.plan.providers import provider_files, provider_groups
from service.plan.providers.provider_files import UnreadableProviders
from service.plan.providers.provider_groups import Change
from tests.conftest import SHARED

HEADER = "group_id,legal_name,dba_name,tax_id,prior_tax_id,npi,vendor_number,status,phone,email,fhir_organization_id\n"
GOOD = "PG1,Alder Creek PC,Alder Creek,07-1234501,,2900179195,V100001,active,555-0101,pat@alder.example,org-1\n"


def load(session: Session, folder: Path, name: str = "provider-groups.csv", text: str = HEADER + GOOD) -> dict:  # type: ignore[type-arg]
    (folder / name).write_text(text, encoding="utf-8")
    summary = provider_files.load(session, folder / name)
    return {"problems": summary.problems, **summary.counts[name]}


def group(session: Session, number: str = "PG1") -> ProviderGroup:
    return session.scalars(select(ProviderGroup).where(ProviderGroup.number == number)).one()


def test_good_lines_are_kept_and_bad_ones_told_by_line_and_column(session: Session, tmp_path: Path) -> None:
    found = load(
        session, tmp_path, text=HEADER + GOOD
        + "PG2,,,07-1234502,,,,,,,\n"
        + "PG3,Birch Inc,,07-12345,,,,,,,\n"
        + "PG4,Birch Inc,,07-1234504,,2900179196,,,,,\n"
        + "PG5,Birch Inc,,07-1234505,,,,closed,,,\n"
        + "PG6,Birch Inc,,07-1234506,,,,,,no address,\n"
        + "PG7,Birch Inc,,07-1234507,,,,,,,org-1\n",
    )  # fmt: skip

    whys = {problem.line: problem.why for problem in found["problems"]}
    assert found[Change.ADDED] == 1
    expected = {
        3: "legal_name",
        4: "tax_id: A Tax ID",
        5: "npi: An NPI",
        6: "status must",
        7: "email",
        8: "another group",
    }
    assert whys.keys() == expected.keys()
    assert all(words in whys[line] for line, words in expected.items()), whys


def test_a_second_load_changes_nothing(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path)

    again = load(session, tmp_path)

    assert (again[Change.UNCHANGED], again[Change.ADDED], again[Change.CHANGED]) == (1, 0, 0)
    assert session.scalars(select(ProviderGroupVersion)).all() == []


def test_what_a_row_said_before_is_kept(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path)

    load(
        session,
        tmp_path,
        text=HEADER + GOOD.replace("Alder Creek PC", "Alder Creek LLC").replace("active", "terminated"),
    )

    before = session.scalars(select(ProviderGroupVersion)).one()
    assert (group(session).legal_name, group(session).status) == ("Alder Creek LLC", GroupStatus.TERMINATED)
    assert (before.content["legal_name"], before.content["status"]) == ("Alder Creek PC", "active")


def test_a_tax_id_that_changed_still_names_the_group(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path)

    load(session, tmp_path, text=HEADER + GOOD.replace("07-1234501", "08-7654321"))

    assert provider_groups.numbers_of(session, group(session), IdKind.TAX_ID) == ["087654321"]
    for number in ("071234501", "087654321"):
        assert reach.groups_with(session, [(IdKind.TAX_ID, number)]) == [group(session)]


def test_a_prior_tax_id_is_kept_as_one_that_ended(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, text=HEADER + GOOD.replace("07-1234501,", "07-1234501,28-1334999"))

    assert provider_groups.numbers_of(session, group(session), IdKind.TAX_ID) == ["071234501"]
    assert reach.groups_with(session, [(IdKind.TAX_ID, "281334999")]) == [group(session)]


def test_a_contact_that_is_replaced_ends_and_the_new_one_is_fresh(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path)

    load(session, tmp_path, text=HEADER + GOOD.replace("pat@", "kim@"))

    assert [one.email for one in provider_groups.contacts_of(session, group(session))] == ["kim@alder.example"]
    assert session.query(ProviderContact).count() == 2


def test_an_address_that_is_outdated_stays_but_is_not_current(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path)
    header = "group_id,use,line,city,state,zip,valid_from,valid_to,is_current\n"
    old, new = (
        "PG1,practice,3 Old Rd,Lowell,MA,01852,2016-01-01,2022-12-31,N\n",
        "PG1,practice,100 Mill Rd,Lowell,MA,01852,2023-01-01,,Y\n",
    )

    found = load(
        session, tmp_path, "provider-addresses.csv", header + old + new + "PG9,practice,1 A St,Lowell,MA,01852,,,Y\n"
    )

    assert [one.line for one in provider_groups.current_addresses(session, group(session))] == ["100 Mill Rd"]
    assert session.query(ProviderAddress).count() == 2
    assert [problem.line for problem in found["problems"]] == [4]


def test_affiliations_need_their_practitioner_first(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path)
    affiliation = "group_id,practitioner_npi,start,end\nPG1,2835376437,2017-01-01,\n"

    before = load(session, tmp_path, "group-affiliations.csv", affiliation)
    load(
        session, tmp_path, "practitioners.csv", "npi,given,family,fhir_practitioner_id\n2835376437,Ignacio,Towne,p-1\n"
    )
    after = load(session, tmp_path, "group-affiliations.csv", affiliation.replace(",\n", ",2026-01-31\n"))

    assert "practitioners.csv" in before["problems"][0].why
    assert after[Change.ADDED] == 1
    assert str(session.scalars(select(PractitionerAffiliation)).one().ends_on) == "2026-01-31"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'a,b\n"never closed'])
def test_a_file_that_is_no_csv_is_refused_whole(session: Session, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "provider-groups.csv").write_bytes(content)
    try:
        summary = provider_files.load(session, tmp_path)
    except UnreadableProviders:
        return
    assert summary.problems and not summary.counts["provider-groups.csv"][Change.ADDED]


def test_a_folder_without_any_of_the_files_is_refused(session: Session, tmp_path: Path) -> None:
    with pytest.raises(UnreadableProviders):
        provider_files.load(session, tmp_path)


@pytest.mark.skipif(SHARED is None, reason="the folder with the shared data is not here (SHARED names it)")
def test_the_real_tables_load_whole(session: Session) -> None:
    assert SHARED is not None

    summary = provider_files.load(session, SHARED / "data" / "providers")

    assert summary.problems == []
    assert session.query(ProviderGroup).count() == 25
    assert session.query(Practitioner).count() == 63
    assert {one.number for one in reach.groups_with(session, [(IdKind.TAX_ID, "082234502")])} == {"PG002", "PG003"}
