"""835 files: what is taken, what is refused and where, what is known again."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.models import PaymentMethod, Remittance, RemittanceClaim, RemittanceFile, RemittanceLine
from service.plan.remittances import remittance_files
from service.plan.remittances.remittance_files import FileSummary
from tests.factories import make_group
from tests.plan.era import CLAIM, Interchange, load_shared_groups, payee, rows, shared, transaction

_END = f"SE*{len(transaction()) + 2}*0001"


def load(session: Session, path: Path) -> FileSummary:
    return remittance_files.load_file(session, path)


def told(summary: FileSummary) -> list[str]:
    return [str(fault) for fault in summary.refused]


def count(session: Session, table: type) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_every_made_file_loads_and_its_totals_are_those_of_the_index(session: Session) -> None:
    groups = load_shared_groups(session)
    listed = defaultdict(list)
    for row in rows("x12", "835-made-by-us", "index.csv"):
        listed[row["file"]].append(row)

    for name, wanted in listed.items():
        summary = load(session, shared("x12", "835-made-by-us", name))
        of_file = select(RemittanceFile.id).where(RemittanceFile.name == name)
        stored = session.scalars(select(Remittance).where(Remittance.file_id.in_(of_file))).all()

        assert told(summary) == [] and summary.warnings == [], name
        assert (summary.loaded, summary.duplicates, summary.unknown_payees) == (len(wanted), 0, 0), name
        assert summary.claims == sum(int(row["claims"]) for row in wanted)
        assert sum(row.amount_cents for row in stored) == sum(Decimal(row["payment_amount"]) * 100 for row in wanted)
        by_number = {row.number_key: row for row in stored}
        for row in wanted:
            found = by_number[row["trace_number"].replace("NON", "NP")]
            assert found.group_id == groups[row["group_id"]].id
            assert found.paid_on.isoformat() == row["payment_date"]
            assert found.method == {"ACH": "eft", "CHK": "check", "NON": "non_payment"}[row["payment_method"]]
            assert found.amount_cents == Decimal(row["payment_amount"]) * 100


def test_claims_and_lines_are_kept_as_sent(session: Session, tmp_path: Path) -> None:
    make_group(session, tax_id="071234501", npi="2900179195")

    load(session, Interchange().write(tmp_path))

    claim = session.scalars(select(RemittanceClaim)).one()
    line = session.scalars(select(RemittanceLine)).one()
    assert (claim.claim_number, claim.patient_control_number, claim.member_number) == ("CLAIM1", "PA1", "MEM1")
    assert (claim.charge_cents, claim.paid_cents, claim.patient_cents) == (12500, 7250, 2000)
    assert (line.procedure, line.allowed_cents, line.units) == ("HC:T1015", 9250, "1")
    assert [(one["group"], one["reason"], one["cents"]) for one in line.adjustments] == [
        ("CO", "45", 3250), ("PR", "1", 2000),
    ]  # fmt: skip
    row = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:remittance:load")).one()
    assert row.count == 1


def test_other_delimiters_without_line_breaks_are_the_same_payment(session: Session, tmp_path: Path) -> None:
    load(session, Interchange().write(tmp_path))

    again = load(session, Interchange(marks="|>!", between="", control="000000777").write(tmp_path, "two.edi"))

    assert (again.loaded, again.duplicates, again.refused, again.seen_before) == (0, 1, [], False)
    assert count(session, Remittance) == 1 and count(session, RemittanceFile) == 1


def test_the_same_file_is_known_again(session: Session, tmp_path: Path) -> None:
    path = Interchange().write(tmp_path)
    load(session, path)

    again = load(session, path)

    assert (again.loaded, again.duplicates, again.seen_before) == (0, 1, True)


def test_two_loads_of_one_file_at_the_same_time_keep_each_payment_once(
    engine: Engine, session: Session, tmp_path: Path
) -> None:
    path = Interchange([transaction(number=f"EFT{number}") for number in range(5)]).write(tmp_path)
    together, summaries = Barrier(2), []

    def load_it() -> None:
        together.wait()
        with make_sessions(engine).begin() as own:
            summaries.append(load(own, path))

    threads = [Thread(target=load_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted((one.loaded, one.duplicates) for one in summaries) == [(0, 5), (5, 0)]
    assert count(session, Remittance) == count(session, RemittanceClaim) == 5 and count(session, RemittanceFile) == 1


def test_a_bad_set_does_not_lose_the_good_ones(session: Session, tmp_path: Path) -> None:
    bad = transaction(number="EFT2", amount="72.51")
    path = Interchange([transaction(), bad, transaction(number="EFT3")]).write(tmp_path)

    summary = load(session, path)

    assert summary.loaded == 2
    at = 2 + len(transaction()) + 2 + 2
    assert told(summary) == [
        f"segment {at} (BPR): the claims less the provider adjustments come to 72.50, but 72.51 is paid"
    ]
    assert set(session.scalars(select(Remittance.number_key))) == {"EFT1", "EFT3"}


def test_what_was_refused_is_told_again_and_loaded_once_it_is_right(session: Session, tmp_path: Path) -> None:
    path = Interchange([transaction(), transaction(number="EFT2", amount="1")]).write(tmp_path)
    first, second = load(session, path), load(session, path)
    assert told(first) == told(second) != []

    mended = load(session, Interchange([transaction(), transaction(number="EFT2")]).write(tmp_path))

    assert (mended.loaded, mended.duplicates, mended.refused) == (1, 1, [])


def change(segment: str, into: str | None) -> list[str]:
    found = transaction()
    place = next(number for number, one in enumerate(found) if one.startswith(segment))
    found[place : place + 1] = [] if into is None else [into]
    return found


@pytest.mark.parametrize(
    ("inner", "why"),
    [
        (change("SVC", "SVC*HC:T1015*125*72.4**1"), "(SVC): the charge less its adjustments is 72.50, but 72.40"),
        (change("CLP", "CLP*PA1*1*126*72.5*20*HM*CLAIM1"), "(CLP): the charge less all adjustments is 73.50, but"),
        (change("BPR", "BPR*I*72.5*C*WIRE************20260615"), "(BPR): BPR04 is none of CHK"),
        (change("BPR", "BPR*I*-72.5*C*ACH************20260615"), "(BPR): BPR02 is less than nothing"),
        (change("BPR", "BPR*I*72.5*C*NON************20260615"), "(BPR): BPR04 says no payment"),
        (change("BPR", "BPR*I*seventy*C*ACH************20260615"), "(BPR): BPR02 is no amount of money"),
        (change("BPR", None), "(ST): the set has no BPR"),
        (change("TRN", None), "(ST): the set has no TRN"),
        (change("TRN", f"TRN*1*{'9' * 51}*1"), "(TRN): TRN02 is longer than 50 characters"),
        (change("TRN", "TRN*1*---*1"), "(TRN): TRN02 holds no letter or digit"),
        (change("CLP", "CLP**1*125*72.5*20*HM*CLAIM1"), "(CLP): CLP01 is missing"),
        (change("CLP", "CLP*PA1*1*125*72.505*20*HM*CLAIM1"), "(CLP): CLP04 is no amount of money"),
        (change("CLP", "CLP*PA1*1*125**20*HM*CLAIM1"), "(CLP): CLP04 holds no amount"),
        (change("CLP", "CLP*P\x01A1*1*125*72.5*20*HM*CLAIM1"), "(CLP): CLP01 holds a control character"),
        (change("CAS*CO", "CAS*CO**32.5"), "(CAS): CAS02 is missing"),
        (change("CAS*CO", "CAS*CO*=1+1*32.5"), "(CAS): CAS02 is no code"),
        (change("DTM*472", "DTM*472*20260231"), "(DTM): DTM02 is no date"),
        (change("LX", "CAS*CO*45*1"), "(CAS): it stands before any claim"),
        (change("LX", "SVC*HC:T1*1*1"), "(SVC): it stands before any claim"),
    ],
)  # fmt: skip
def test_a_set_that_cannot_be_used_is_refused_at_its_segment(
    session: Session, tmp_path: Path, inner: list[str], why: str
) -> None:
    summary = load(session, Interchange([inner]).write(tmp_path))

    assert summary.loaded == 0 and count(session, Remittance) == 0
    assert any(why in line and line.startswith("segment ") for line in told(summary)), told(summary)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it does not begin with ISA"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "it does not begin with ISA"),
        (b"ISA*00*", "its ISA segment is cut off"),
        (b"ISA" + b"A" * 5_000, "no version we read"),
        (Interchange().text().replace("*00501*", "*00801*").encode(), "no version we read"),
        (Interchange().text().replace("ST*835", "ST*837").encode(), "this is no 835"),
        (Interchange(version="004010X091A1").text().encode(), "its version (GS08) is not 005010X221A1"),
        (Interchange().text().encode()[:400], "it is cut off"),
        (Interchange().text().replace(_END, "SE*99*0001").encode(), "SE count of 99"),
        (Interchange().text().replace("GE*1*1~", "GE*4*1~").encode(), "GE count of 4"),
        (Interchange().text().replace("IEA*1*", "IEA*2*").encode(), "IEA count"),
        (Interchange().text().replace("IEA*1*000000101~\n", "").encode(), "the file ends without IEA"),
        (Interchange().text().replace("ST*835*0001~", "").encode(), "stands outside of any transaction set"),
        (Interchange().text().replace("ST*835*0001~", "~ ~SE*1*0001~").encode(), "closes or opens nothing"),
        (Interchange().text().encode() + b"A" * 300_000, "no '~' ends it"),
    ],
)  # fmt: skip
def test_a_file_that_is_broken_is_told_in_clear_lines(
    session: Session, tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "broken.edi").write_bytes(content)

    summary = load(session, tmp_path / "broken.edi")

    assert any(why in line for line in told(summary)), told(summary)


def test_a_wrong_count_of_the_envelope_keeps_the_sets_that_are_whole(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "one.edi"
    path.write_text(Interchange().text().replace("GE*1*1~", "GE*2*1~"), newline="")

    summary = load(session, path)

    assert summary.loaded == 1 and len(summary.refused) == 1


def test_a_set_without_its_end_does_not_swallow_the_next(session: Session, tmp_path: Path) -> None:
    text = Interchange([transaction(), transaction(number="EFT2")]).text().replace(f"{_END}~\n", "", 1)
    (tmp_path / "one.edi").write_text(text, newline="")

    summary = load(session, tmp_path / "one.edi")

    assert list(session.scalars(select(Remittance.number_key))) == ["EFT2"]
    assert "the set before it has no SE" in told(summary)[0]


def test_several_functional_groups_and_interchanges_in_one_file(session: Session, tmp_path: Path) -> None:
    text = Interchange().text() + Interchange([transaction(number="EFT2")], control="000000102").text()
    (tmp_path / "one.edi").write_text(text, newline="")

    summary = load(session, tmp_path / "one.edi")

    assert (summary.loaded, told(summary)) == (2, [])


def test_a_line_of_a_hundred_megabytes_is_told_and_not_kept_in_memory(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "long.edi"
    with path.open("wb") as file:
        file.write(Interchange().text().encode()[:300])
        for _ in range(100):
            file.write(b"A" * 1_000_000)

    summary = load(session, path)

    assert any("no '~' ends it" in line for line in told(summary))


def test_a_folder_gives_its_835_files_and_nothing_from_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    wanted = Interchange().write(inside, "b.835")
    (inside / "index.csv").write_text("file\n")
    (inside / "link.edi").symlink_to(Interchange().write(outside, "secret.edi"))

    assert remittance_files.files_of([inside]) == [wanted]
    (tmp_path / "empty").mkdir()
    with pytest.raises(remittance_files.NothingToLoad):
        remittance_files.files_of([tmp_path / "empty"])


def test_looser_public_samples_load_with_warnings_or_are_refused_by_segment(session: Session) -> None:
    found = {
        path.name: load(session, path) for path in sorted(shared("x12", "835-linuxforhealth").glob("*.835"))
    }  # fmt: skip

    assert {name: summary.loaded for name, summary in found.items()} == {
        "cob-contractural-adjustment.835": 1, "managed-care.835": 1, "medicare-part-a.835": 1,
        "secondary-payment.835": 1, "tertiary-payment.835": 0,
    }  # fmt: skip
    assert told(found["tertiary-payment.835"])[0].startswith("segment 20 (SVC): the charge less its adjustments")
    assert all(summary.warnings for name, summary in found.items() if summary.loaded)
    assert not list(session.scalars(select(Remittance.group_id).where(Remittance.group_id.is_not(None))))


def test_reversal_and_correction_stand_beside_each_other(session: Session) -> None:
    load(session, shared("x12", "835-made-by-us", "835-03-reversal-correction.edi"))

    old, new = session.scalars(select(RemittanceClaim).order_by(RemittanceClaim.position))
    assert (old.reversal, old.paid_cents, new.reversal, new.paid_cents) == (True, -14095, False, 16185)
    assert old.patient_control_number == new.patient_control_number


def test_provider_adjustments_count_against_the_payment(session: Session, tmp_path: Path) -> None:
    with_plb = transaction(amount="60", after=["PLB*2900179195*20261231*WO:OVP1*15*L6:INT*-2.5"])

    assert told(load(session, Interchange([with_plb]).write(tmp_path))) == []

    assert session.scalars(select(Remittance)).one().provider_adjustments == [
        {"reason": "WO", "identifier": "OVP1", "cents": 1500}, {"reason": "L6", "identifier": "INT", "cents": -250},
    ]  # fmt: skip


@pytest.mark.parametrize("trace", ["NON835000004", "NP835000004", "835000004", "non-835 000004"])
def test_a_notice_is_known_by_np_and_its_digits(session: Session, tmp_path: Path, trace: str) -> None:
    denied = ["CLP*PA1*4*125*0*0*HM*CLAIM1", "SVC*HC:T1015*125*0", "CAS*CO*50*125"]

    load(session, Interchange([transaction(*denied, number=trace, amount="0", method="NON")]).write(tmp_path))

    found = session.scalars(select(Remittance)).one()
    assert (found.method, found.number, found.number_key) == (PaymentMethod.NON_PAYMENT, "NP835000004", "NP835000004")


def test_the_same_number_with_other_content_is_told(session: Session, tmp_path: Path) -> None:
    load(session, Interchange().write(tmp_path))

    again = load(session, Interchange([transaction(on="20260616")]).write(tmp_path, "two.edi"))

    assert again.loaded == 1
    assert any("the same number, with other content" in str(one) for one in again.warnings)


def test_the_stored_document_is_a_whole_interchange(session: Session, tmp_path: Path) -> None:
    path = Interchange([transaction(), transaction(number="EFT2")], marks="|>!", between="").write(tmp_path)
    load(session, path)
    second = session.scalars(select(Remittance).where(Remittance.number_key == "EFT2")).one()
    (tmp_path / "again.835").write_bytes(second.document)

    again = load(session, tmp_path / "again.835")

    assert second.document.startswith(b"ISA|00|") and b"EFT1" not in second.document
    assert (again.loaded, again.duplicates, told(again)) == (0, 1, [])


@pytest.mark.parametrize(
    ("numbers", "known"),
    [
        ({"tax_id": "071234501", "npi": "2900179195"}, True),
        ({"tax_id": "071234501", "npi": "2900179195", "vendor": "V100001"}, True),
        ({"tax_id": "071234501", "npi": None, "vendor": "V100001"}, True),
        ({"tax_id": "071234501", "npi": None}, False),  # two groups have this Tax ID
        ({"tax_id": "071234501", "npi": "2900258387"}, False),  # the NPI is another group's
        ({"tax_id": "071234501", "npi": "2900179195", "vendor": "V999999"}, False),
        ({"tax_id": "071234501", "npi": "2900179194"}, False),  # the check digit does not fit
        ({"tax_id": None, "npi": "2900258387"}, True),
    ],
)
def test_a_payee_is_known_by_all_its_numbers_and_never_by_its_name(
    session: Session, tmp_path: Path, numbers: dict[str, str | None], known: bool
) -> None:
    make_group(session, legal_name="ALDER CREEK", tax_id="071234501", npi="2900179195", vendor_number="V100001")
    make_group(session, legal_name="ALDER CREEK", tax_id="071234501", npi=None, vendor_number="V100009")
    make_group(session, legal_name="ALDER CREEK", tax_id="082234502", npi="2900258387", vendor_number="V100002")

    summary = load(session, Interchange([transaction(of=payee(**numbers))]).write(tmp_path))

    found = session.scalars(select(Remittance)).one()
    assert (found.group_id is not None, summary.unknown_payees) == (known, 0 if known else 1)


def test_latin_1_and_a_byte_order_mark_are_read(session: Session, tmp_path: Path) -> None:
    named = [one.replace("LEE*ANN", "PEÑA*ANN") for one in CLAIM]
    text = Interchange([transaction(*named)]).text()
    (tmp_path / "latin.edi").write_bytes(text.encode("latin-1"))
    (tmp_path / "bom.edi").write_bytes(text.encode("utf-8-sig"))

    assert load(session, tmp_path / "latin.edi").loaded == 1
    assert load(session, tmp_path / "bom.edi").duplicates == 1
    assert session.scalars(select(RemittanceClaim.patient_family_name)).one() == "PEÑA"


_WHOLE = (
    Interchange([transaction(after=["PLB*1*20261231*WO:1*0"]), transaction(number="EFT2")]).text().split("~\n")[:-1]
)
_HOW = ("put", "drop", "swap", "cut")
_PIECES = st.sampled_from(
    ["", "~", "ISA", "ST*835*0001", "SE*1*0001", "GE*1*1", "IEA*1*000000101", "CLP", "CAS*CO", "SVC", "PLB*1*2*WO",
     "HL*1**20", "HL*x*y*z", "LS*1", "LX", " ", "\n", "\x00", "é*ü", "NM1*QC", "BPR*I*1*C*NON", "***", "N1*PE**XX*1"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(_WHOLE)), st.sampled_from(_HOW), _PIECES), max_size=6),
    st.text(max_size=12),
)  # fmt: skip
def test_mutated_files_are_told_and_never_break(
    session: Session, tmp_path: Path, changes: list[tuple[int, str, str]], noise: str
) -> None:
    found = list(_WHOLE)
    for place, how, piece in changes:
        place = min(place, len(found) - 1)
        if how == "put":
            found.insert(place, piece)
        elif how == "drop" and len(found) > 1:
            del found[place]
        elif how == "swap":
            found[place] = piece
        else:
            found[place] = found[place][: len(found[place]) // 2] + noise
    path = tmp_path / "mutated.edi"
    path.write_bytes("~\n".join([*found, ""]).encode("utf-8", "surrogatepass"))

    summary = load(session, path)
    session.rollback()

    assert summary.loaded + summary.duplicates + len(summary.refused) > 0
    assert all(fault.why for fault in summary.refused)
