"""Attacks on remittances: others' payments (case 134), SQL and templates in fields (152, 153), CSV (154)."""

import csv
from io import StringIO
from pathlib import Path

import pytest
from flask import Flask
from markupsafe import escape
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.plan.models import IdKind, ProviderGroup, ProviderIdentifier, ProviderStaff, Remittance
from service.plan.remittances import remittance_files
from service.spreadsheets import plain_cell
from tests.accounts.visitor import Visitor
from tests.factories import make_entry, make_group, make_portal_staff
from tests.plan.era import Interchange, load_shared_groups, payee, shared, transaction

_FORMS = ("", "/pdf", "/csv", "/835", "/fhir")


def visitor_of(app: Flask, staff: ProviderStaff) -> Visitor:
    made = Visitor(app)
    made.enter(staff.account)
    made.get("/provider/remittances")
    return made


def manager_of(session: Session, **numbers: str) -> ProviderStaff:
    made = make_portal_staff(session)
    make_entry(session, made, **numbers)
    session.commit()
    return made


def without_reference(text: str) -> str:
    """A page without what differs in every answer: its reference number, the token of its forms, the time left."""
    differs = ("reference", "csrf_token", "data-seconds", "data-session-time")
    return "".join(line for line in text.splitlines() if not any(word in line.lower() for word in differs))


def remittance_id(session: Session, key: str) -> str:
    """The id of the remittance of that number; no transaction stays open, for SQLite has one writer."""
    found = session.scalars(select(Remittance.id).where(Remittance.number_key == key)).one()
    session.commit()
    return found


def test_case_134_a_payment_of_another_group_is_not_there(app: Flask, session: Session, tmp_path: Path) -> None:
    make_group(session, tax_id="071234501", npi="2900179195")
    make_group(session, tax_id="082234502", npi="2900258387")
    sets = [transaction(number="MINE"), transaction(number="THEIRS", of=payee("082234502", "2900258387"))]
    remittance_files.load_file(session, Interchange(sets).write(tmp_path))
    visitor = visitor_of(app, manager_of(session, tax_id="071234501"))
    theirs = remittance_id(session, "THEIRS")
    nobodys = "00000000-0000-4000-8000-000000000000"

    for form in _FORMS:
        other, absent = (visitor.get(f"/provider/remittances/{one}{form}") for one in (theirs, nobodys))
        assert other.status_code == absent.status_code == 404
        assert without_reference(other.text).replace(theirs, nobodys) == without_reference(absent.text)
    visitor.get("/provider/remittances")
    for query in ({"number": "THEIRS"}, {"claim_number": "CLAIM1", "paid_to": "2026-06-14"}):
        assert "No results found" in visitor.post("/provider/remittances", **query).text


def test_case_134_groups_of_one_tax_id_are_kept_apart_by_npi(app: Flask, session: Session, tmp_path: Path) -> None:
    make_group(session, tax_id="082234502", npi="2900258387")
    make_group(session, tax_id="082234502", npi="2900337579")
    sets = [
        transaction(number="HOSPITAL", of=payee("082234502", "2900258387")),
        transaction(number="EMERGENCY", of=payee("082234502", "2900337579")),
    ]
    remittance_files.load_file(session, Interchange(sets).write(tmp_path))
    visitor = visitor_of(app, manager_of(session, tax_id="082234502", npi="2900337579"))

    assert "EMERGENCY" in visitor.post("/provider/remittances", number="EMERGENCY", paid_from="2020-01-01").text
    assert "No results found" in visitor.post("/provider/remittances", number="HOSPITAL").text


@pytest.mark.slow
def test_case_134_isolation_matrix_of_the_pages(app: Flask, session: Session) -> None:
    groups = load_shared_groups(session)
    for name in ("835-01-professional-eft.edi", "835-03-reversal-correction.edi", "835-04-two-transactions.edi",
                 "835-05-dental-other-delimiters.edi"):  # fmt: skip
        remittance_files.load_file(session, shared("x12", "835-made-by-us", name))
    chosen: list[ProviderGroup] = [groups[number] for number in ("PG002", "PG003", "PG012", "PG016", "PG017")]
    managers = {}
    for group in chosen:
        own = (ProviderIdentifier.group_id == group.id, ProviderIdentifier.kind == IdKind.NPI)
        npi = session.scalars(select(ProviderIdentifier.value).where(*own)).one()
        managers[group.id] = visitor_of(app, manager_of(session, npi=npi))
    every = session.scalars(select(Remittance)).all()
    session.commit()

    assert {row.group_id for row in every} <= {group.id for group in chosen}
    for group_id, visitor in managers.items():
        for row in every:
            expected = 200 if row.group_id == group_id else 404
            assert visitor.get(f"/provider/remittances/{row.id}/835").status_code == expected


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE remittance; --", "%", "_", "*", "{{7*7}}", "${7*7}", "%s%n", "<script>alert(1)</script>", "\u202e"],
)
def test_case_152_and_153_what_is_typed_is_only_text(app: Flask, session: Session, text: str) -> None:
    make_group(session, tax_id="071234501")
    visitor = visitor_of(app, manager_of(session, tax_id="071234501"))

    for name in ("number", "claim_number", "patient_control_number", "amount", "paid_from"):
        answer = visitor.post("/provider/remittances", **{name: text})
        assert answer.status_code in {200, 400}
        assert "<script>alert" not in answer.text
        assert str(escape(text[:10])) in answer.text
    assert session.scalar(select(func.count()).select_from(Remittance)) == 0


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "|", "%", " =", "\uff1d", "\uff0b"])
def test_case_154_no_cell_of_the_csv_is_a_formula(start: str) -> None:
    assert plain_cell(f"{start}cmd()") == f"'{start}cmd()"
    assert plain_cell("CLAIM1") == "CLAIM1" and plain_cell(None) == ""


def test_case_154_formulas_in_an_835_arrive_as_text(app: Flask, session: Session, tmp_path: Path) -> None:
    make_group(session, tax_id="071234501", npi="2900179195")
    claim = (
        "CLP*=HYPERLINK(1)*1*125*125*0*HM*+CLAIM", "NM1*QC*1*-LEE*@SUM(A1)****MI*=MEM",
        "SVC*=CMD:1*125*125**%1",
    )  # fmt: skip
    summary = remittance_files.load_file(session, Interchange([transaction(*claim, amount="125")]).write(tmp_path))
    assert summary.loaded == 1, summary.refused
    visitor = visitor_of(app, manager_of(session, tax_id="071234501"))
    identifier = remittance_id(session, "EFT1")

    table = list(csv.reader(StringIO(visitor.get(f"/provider/remittances/{identifier}/csv").data.decode("utf-8-sig"))))

    cells = [cell for row in table[1:] for cell in row if cell]
    assert "'=HYPERLINK(1)" in cells and "'+CLAIM" in cells and "'=MEM" in cells and "'@SUM(A1) -LEE" in cells
    assert not [
        cell for cell in cells if cell[0] in "=+@" or (cell[0] == "-" and not cell[1:].replace(".", "").isdigit())
    ]


def test_case_154_a_number_never_breaks_a_header(app: Flask, session: Session, tmp_path: Path) -> None:
    make_group(session, tax_id="071234501", npi="2900179195")
    remittance_files.load_file(session, Interchange([transaction(number='A"; x="/..%0d')]).write(tmp_path))
    visitor = visitor_of(app, manager_of(session, tax_id="071234501"))
    identifier = remittance_id(session, "AX0D")

    answer = visitor.get(f"/provider/remittances/{identifier}/csv")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="remittance-AX0D.csv"'
