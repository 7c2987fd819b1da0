"""The pages of Remittance Inquiry: search, detail, PDF, CSV, 835 and FHIR, each with its audit row."""

import csv
import json
import re
from datetime import date
from html import unescape
from io import StringIO
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from service.accounts.models import Account
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import OrganizationKind, PortalFunction, ProviderGroup, ProviderStaff, Remittance
from service.plan.remittances import adjustment_words, remittance_files
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_entry, make_group, make_organization, make_portal_staff
from tests.plan.era import CLAIM, Interchange, transaction

REVERSED = (
    "CLP*PA3*22*-125*-72.5**HM*CLAIM3", "SVC*HC:T1015*-125*-72.5", "CAS*CO*45*-52.5",
    "CLP*PA3*1*125*80*20*HM*CLAIM4", "SVC*HC:T1015*125*80", "CAS*CO*45*25", "CAS*PR*1*20", "LQ*HE*N999",
)  # fmt: skip


RECOVERED = "PLB*1*20261231*WO:O1*3"


@pytest.fixture
def group(session: Session, tmp_path: Path) -> ProviderGroup:
    """A group with an EFT, and a check with a reversal, a correction and a provider adjustment."""
    made = make_group(session, dba_name="Alder Creek", tax_id="071234501", npi="2900179195")
    sets = [
        transaction(number="EFT1"),
        transaction(*REVERSED, number="5551", method="CHK", amount="4.5", on="20260105", after=[RECOVERED]),
    ]  # fmt: skip
    remittance_files.load_file(session, Interchange(sets).write(tmp_path))
    session.commit()
    return made


@pytest.fixture
def manager(session: Session, group: ProviderGroup) -> ProviderStaff:
    """An office manager of the group."""
    made = make_portal_staff(session)
    make_entry(session, made, tax_id="071234501", npi="2900179195")
    session.commit()
    return made


@pytest.fixture
def visitor(app: Flask, manager: ProviderStaff) -> Visitor:
    """The manager, signed in."""
    made = Visitor(app)
    made.enter(manager.account)
    made.get("/provider/remittances")
    return made


def id_of(session: Session, key: str) -> str:
    found = session.scalars(select(Remittance.id).where(Remittance.number_key == key)).one()
    session.commit()  # SQLite has one writer: the page must not wait for this transaction
    return found


def events(session: Session) -> list[AuditEvent]:
    session.expire_all()
    tags = AuditEvent.tag.startswith("provider:remittance:")
    found = list(session.scalars(select(AuditEvent).where(tags).order_by(AuditEvent.id)))
    session.commit()
    return found


def test_a_check_is_found_and_opened_with_the_reasons_in_words(session: Session, visitor: Visitor) -> None:
    found = visitor.post("/provider/remittances", number="eft 1", paid_from="2020-01-01")
    assert found.status_code == 200 and "EFT1" in found.text and "Alder Creek" in found.text
    link = re.search(r'href="(/provider/remittances/[0-9a-f-]{36})"', found.text)
    assert link

    page = visitor.get(link[1]).text

    assert "CO-45" in page and "above the price agreed or allowed" in page and "PR-1" in page and "deductible" in page
    assert "CLAIM1" in page and "ANN LEE" in page and "Jun 15, 2026" in page and "$72.50" in page


def test_a_number_of_one_payment_leads_straight_to_it(session: Session, visitor: Visitor) -> None:
    found = visitor.post("/provider/remittances", number="eft 1")

    assert (found.status_code, found.location) == (303, f"/provider/remittances/{id_of(session, 'EFT1')}")
    page = visitor.get(found.location).text
    assert '<li><a href="/provider/remittances">Remittance Inquiry</a></li>' in page
    assert [(row.tag.rpartition(":")[2], row.count) for row in events(session)] == [("search", 1), ("read", 1)]


def test_a_claim_s_status_says_whether_it_was_paid(session: Session, visitor: Visitor) -> None:
    page = visitor.get(f"/provider/remittances/{id_of(session, 'EFT1')}").text

    assert "Processed as first payer: paid" in page
    assert adjustment_words.claim_status("1", 0) == "Processed as first payer: not paid"
    assert adjustment_words.claim_status("4", 0) == "Denied"


def test_reversal_correction_provider_adjustment_and_unknown_code_are_shown(session: Session, visitor: Visitor) -> None:
    page = visitor.get(f"/provider/remittances/{id_of(session, '5551')}").text

    assert "Reversal" in page and "-$72.50" in page and "$80.00" in page
    assert "recovery of an overpayment" in page and "-$3.00" in page and "$4.50" in page
    assert "code N999" in page


def test_each_look_leaves_its_row_before_the_body_leaves(
    session: Session, visitor: Visitor, manager: ProviderStaff, group: ProviderGroup
) -> None:
    identifier = id_of(session, "EFT1")
    visitor.post("/provider/remittances", number="EFT1")
    for suffix in ("", "/pdf", "/csv", "/835", "/fhir"):
        assert visitor.get(f"/provider/remittances/{identifier}{suffix}").status_code == 200

    rows = events(session)

    assert [row.tag.rpartition(":")[2] for row in rows] == ["search", "read", *["download"] * 4]
    assert {row.account_id for row in rows} == {manager.account_id} and {row.reason for row in rows} == {"payment"}
    assert all(row.detail and row.detail["groups"] == [group.id] and row.count == 1 for row in rows)
    assert [row.detail["form"] for row in rows if row.detail and "form" in row.detail] == ["pdf", "csv", "835", "fhir"]
    assert rows[1].detail and rows[1].detail["members"] == 1
    assert all("MEM1" not in str(row.detail) and "CLAIM1" not in str(row.detail) for row in rows)


def test_nothing_found_offers_another_search_and_the_access_page(visitor: Visitor) -> None:
    page = unescape(visitor.post("/provider/remittances", number="999999").text)

    assert "No results found" in page
    assert "Try another search or view/add your Tax ID & NPI access</a>" in page


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "Please fill in at least one of the fields."),
        ({"number": "  "}, "Please fill in at least one of the fields."),
        ({"number": "12/34"}, "Please enter the number as it stands on the check"),
        ({"number": "9" * 61}, "Please shorten this."),
        ({"paid_from": "yesterday"}, "Please enter the date as month/day/year"),
        ({"paid_from": "2026-02-30"}, "Please enter the date as month/day/year"),
        ({"paid_from": "2026-02-02", "paid_to": "02/01/2026"}, "The last day is before the first."),
        ({"amount": "1.234"}, "Please enter an amount in dollars"),
        ({"amount": "-5"}, "Please enter an amount in dollars"),
    ],
)
def test_what_cannot_be_looked_for_is_told_beside_the_field(
    session: Session, visitor: Visitor, form: dict[str, str], sentence: str
) -> None:
    answer = visitor.post("/provider/remittances", **form)

    assert answer.status_code == 400 and sentence in answer.text
    assert events(session) == []


def test_dates_and_amounts_are_read_as_people_type_them(visitor: Visitor) -> None:
    form = {"paid_from": "06/01/2026", "paid_to": "2026-06-30", "amount": "$ 72.5"}

    assert "EFT1" in visitor.post("/provider/remittances", **form).text


def test_the_next_page_goes_on_where_the_first_ended(session: Session, visitor: Visitor, tmp_path: Path) -> None:
    sets = [transaction(number=f"MANY{number}", on="20260501") for number in range(30)]
    remittance_files.load_file(session, Interchange(sets).write(tmp_path, "many.edi"))
    session.commit()
    first = visitor.post("/provider/remittances", paid_from="2026-05-01", paid_to="2026-05-01").text
    after = re.search(r'name="after" value="([^"]+)"', first)
    assert after

    second = visitor.post("/provider/remittances", paid_from="2026-05-01", paid_to="2026-05-01", after=after[1]).text

    shown = [set(re.findall(r"EFT (MANY\d+)<", page)) for page in (first, second)]
    assert [len(one) for one in shown] == [25, 5] and not shown[0] & shown[1]
    assert 'name="after"' not in second


def test_the_835_is_handed_out_as_it_came(session: Session, visitor: Visitor) -> None:
    answer = visitor.get(f"/provider/remittances/{id_of(session, 'EFT1')}/835")

    assert answer.data.startswith(b"ISA*00*") and answer.data.rstrip().endswith(b"IEA*1*000000101~")
    assert b"5551" not in answer.data
    assert answer.headers["Content-Disposition"] == 'attachment; filename="remittance-EFT1.835"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and "no-store" in answer.headers["Cache-Control"]


def test_the_csv_tells_claims_lines_and_provider_adjustments(session: Session, visitor: Visitor) -> None:
    answer = visitor.get(f"/provider/remittances/{id_of(session, '5551')}/csv")
    table = list(csv.DictReader(StringIO(answer.data.decode("utf-8-sig"))))

    assert [row["Row"] for row in table] == ["claim", "line", "claim", "line", "provider adjustment"]
    assert [row["Paid"] for row in table] == ["-72.50", "-72.50", "80.00", "80.00", "-3.00"]
    assert table[3]["Adjustments"].startswith("CO-45 25.00 above the price agreed")
    assert table[0]["Claim status"] == "Reversal of an earlier payment"


def test_the_pdf_holds_title_language_and_text(session: Session, visitor: Visitor) -> None:
    answer = visitor.get(f"/provider/remittances/{id_of(session, '5551')}/pdf")

    assert answer.mimetype == "application/pdf" and answer.data.startswith(b"%PDF-")
    assert b"/Lang (en-US)" in answer.data and b"/Title" in answer.data and b"/Outlines" in answer.data


def test_a_remittance_too_long_to_print_is_not_offered_as_pdf(
    session: Session, visitor: Visitor, tmp_path: Path
) -> None:
    claims = [segment for _ in range(501) for segment in CLAIM]
    text = Interchange([transaction(*claims, number="BOOK", amount=str(72.5 * 501))]).text()
    (tmp_path / "book.edi").write_text(text, newline="")
    assert remittance_files.load_file(session, tmp_path / "book.edi").refused == []
    session.commit()
    identifier = id_of(session, "BOOK")

    page = visitor.get(f"/provider/remittances/{identifier}").text

    assert "PDF to print" not in page and "More claims" in page
    refused = visitor.get(f"/provider/remittances/{identifier}/pdf")
    assert refused.status_code == 413 and "too long for a PDF" in refused.text
    assert visitor.get(f"/provider/remittances/{identifier}/csv").data.count(b"\r\n") == 501 * 2 + 1


def test_fhir_is_a_payment_reconciliation(session: Session, visitor: Visitor) -> None:
    answer = visitor.get(f"/provider/remittances/{id_of(session, 'EFT1')}/fhir")

    assert answer.mimetype == "application/fhir+json"
    assert json.loads(answer.data)["paymentAmount"] == {"value": 72.5, "currency": "USD"}


@pytest.mark.parametrize("after", ["-1", "x", "99999999999999999999", "1"])
def test_an_impossible_place_in_the_claims_gives_a_page(session: Session, visitor: Visitor, after: str) -> None:
    page = visitor.get(f"/provider/remittances/{id_of(session, 'EFT1')}?after={after}")

    assert page.status_code == 200


def test_a_login_without_the_application_is_told_whom_to_ask(app: Flask, session: Session) -> None:
    clerk = make_portal_staff(session, functions=[PortalFunction.CLAIMS.value])
    session.commit()
    visitor = Visitor(app)
    visitor.enter(clerk.account)

    page = visitor.get("/provider/remittances")

    assert page.status_code == 403 and "You do not have this application" in page.text


def test_a_billing_firm_sees_its_client_s_payments_until_the_permission_ends(
    app: Flask, session: Session, group: ProviderGroup
) -> None:
    firm = make_organization(session, kind=OrganizationKind.BILLING)
    clerk = make_portal_staff(session, firm)
    asked = AuthorizationRequest(
        organization_id=firm.id, group_id=group.id, asked_by_account_id=clerk.account_id, contact_name="Pat Moss",
        contact_email="pat@clinic.example", contact_key="pat@clinic.example", functions=["remittances"],
        status=AuthorizationStatus.APPROVED, asked_at=now(), expires_at=now(),
    )  # fmt: skip
    session.add(asked)
    session.flush()
    given = BillingAuthorization(
        request_id=asked.id, organization_id=firm.id, group_id=group.id, functions=["remittances"],
        covers_from=date(2026, 2, 1), given_at=now(),
    )  # fmt: skip
    session.add(given)
    session.commit()
    visitor = Visitor(app)
    visitor.enter(clerk.account)
    visitor.get("/provider/remittances")
    reached, earlier = id_of(session, "EFT1"), id_of(session, "5551")

    assert visitor.post("/provider/remittances", number="EFT1").status_code == 303
    assert visitor.get(f"/provider/remittances/{reached}").status_code == 200
    assert visitor.get(f"/provider/remittances/{earlier}").status_code == 404
    given.ended_at = now()
    session.commit()
    assert visitor.get(f"/provider/remittances/{reached}").status_code == 404
    visitor.get("/provider/remittances")
    assert "No results found" in visitor.post("/provider/remittances", number="EFT1").text


def test_a_stranger_and_a_member_are_kept_out(app: Flask, session: Session, group: ProviderGroup) -> None:
    identifier = id_of(session, "EFT1")
    visitor = Visitor(app)
    assert visitor.get(f"/provider/remittances/{identifier}/csv").status_code == 303
    visitor.sign_in(make_and_commit(session))

    assert visitor.get("/provider/remittances").status_code == 404
    assert visitor.get(f"/provider/remittances/{identifier}").status_code == 404


def make_and_commit(session: Session) -> Account:
    account = make_account(session)
    session.commit()
    return account
