"""835 files for tests, built segment by segment with envelopes that count up; and the groups of the shared data."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sqlalchemy.orm import Session

from service.plan.models import GroupStatus, IdKind, ProviderGroup, ProviderIdentifier
from service.plan.providers import numbers
from tests.conftest import SHARED, require

PAYEE_TAX_ID, PAYEE_NPI, PAYEE_VENDOR = "071234501", "2900179195", "V100001"
CLAIM = (
    "CLP*PA1*1*125*72.5*20*HM*CLAIM1*11*1", "NM1*QC*1*LEE*ANN****MI*MEM1", "DTM*232*20260501", "DTM*233*20260501",
    "SVC*HC:T1015*125*72.5**1", "DTM*472*20260501", "CAS*CO*45*32.5", "CAS*PR*1*20", "AMT*B6*92.5",
)  # fmt: skip


def payee(tax_id: str | None = PAYEE_TAX_ID, npi: str | None = PAYEE_NPI, vendor: str | None = None) -> list[str]:
    """The segments that name the payee."""
    head = f"N1*PE*ALDER CREEK*XX*{npi}" if npi else f"N1*PE*ALDER CREEK*FI*{tax_id}"
    return [
        head, "N3*1 MILL RD", "N4*LOWELL*MA*01852", *([f"REF*TJ*{tax_id}"] if npi and tax_id else []),
        *([f"REF*PQ*{vendor}"] if vendor else []),
    ]  # fmt: skip


def transaction(
    *claims: str, number: str = "EFT1", amount: str = "72.5", method: str = "ACH", on: str = "20260615",
    of: Sequence[str] | None = None, after: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """The inner segments of a transaction set; `claims` are segments, CLAIM when none are given."""
    blanks = "*" * 12
    return [
        f"BPR*I*{amount}*C*{method}{blanks}{on}", f"TRN*1*{number}*1999999901", f"DTM*405*{on}",
        "N1*PR*MERIDIAN*XV*99901", "N3*1 PLAZA", "N4*BOSTON*MA*02110", "PER*BL*PROVIDERS*TE*5555550199",
        *(of if of is not None else payee()), "LX*1", *(claims or CLAIM), *after,
    ]  # fmt: skip


@dataclass
class Interchange:
    """An interchange; change a part to make it wrong."""

    sets: Sequence[Sequence[str]] = field(default_factory=lambda: [transaction()])
    control: str = "000000101"
    marks: str = "*:~"
    between: str = "\n"
    version: str = "005010X221A1"

    def text(self) -> str:
        """The file."""
        isa = (
            f"ISA*00*{'':10}*00*{'':10}*ZZ*{'99901':15}*ZZ*{'CLEARINGHSE':15}*260615*0630*^*00501*{self.control}*0*T*:"
        )
        inner = [
            segment
            for place, one in enumerate(self.sets, start=1)
            for segment in (f"ST*835*{place:04}", *one, f"SE*{len(one) + 2}*{place:04}")
        ]
        every = [
            isa, f"GS*HP*99901*CLEARINGHSE*20260615*0630*1*X*{self.version}", *inner, f"GE*{len(self.sets)}*1",
            f"IEA*1*{self.control}",
        ]  # fmt: skip
        element, component, end = self.marks
        swapped = (one.replace("*", "\0").replace(":", component).replace("\0", element) for one in every)
        return "".join(f"{one}{end}{self.between}" for one in swapped)

    def write(self, folder: Path, name: str = "one.edi") -> Path:
        """The file, written."""
        path = folder / name
        path.write_text(self.text(), encoding="utf-8", newline="")
        return path


def shared(*parts: str) -> Path:
    """A path of the shared data; skips where there is none."""
    require(SHARED, "no shared data here: set SHARED to its folder")
    assert SHARED
    return SHARED.joinpath("data", *parts)


def rows(*parts: str) -> list[dict[str, str]]:
    """The lines of a shared CSV file."""
    with shared(*parts).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load_shared_groups(session: Session) -> dict[str, ProviderGroup]:
    """The groups of the shared data by their number."""
    made = {}
    for row in rows("providers", "provider-groups.csv"):
        group = ProviderGroup(
            number=row["group_id"], legal_name=row["legal_name"], dba_name=row["dba_name"],
            status=GroupStatus(row["status"]), organization_id=row["fhir_organization_id"] or None,
        )  # fmt: skip
        session.add(group)
        session.flush()
        ids = [
            (IdKind.TAX_ID, row["tax_id"]), (IdKind.TAX_ID, row["prior_tax_id"]), (IdKind.NPI, row["npi"]),
            (IdKind.VENDOR_NUMBER, row["vendor_number"]),
        ]  # fmt: skip
        readers = {
            IdKind.TAX_ID: numbers.tax_id, IdKind.NPI: numbers.npi, IdKind.VENDOR_NUMBER: numbers.vendor_number,
        }  # fmt: skip
        session.add_all(
            ProviderIdentifier(group_id=group.id, kind=kind, value=readers[kind](value)) for kind, value in ids if value
        )
        made[group.number] = group
    session.flush()
    return made


DAY = date(2026, 6, 15)
