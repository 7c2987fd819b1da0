"""A remittance as rows: payment, claims and lines."""

from dataclasses import asdict, dataclass
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from service.db import new_id
from service.plan.models import Remittance, RemittanceClaim, RemittanceLine
from service.plan.remittances.remittance_content import Claim, Line, ReadRemittance

# The tables and not their classes: the ORM's own bulk insert takes half as long again.
_INSERT_PAYMENT, _INSERT_CLAIMS, _INSERT_LINES = (
    insert(cast(Table, made.__table__)) for made in (Remittance, RemittanceClaim, RemittanceLine)
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a remittance comes from and whose it is: file, group (None while unknown), hash, interchange."""

    file_id: str
    group_id: str | None
    content_hash: str
    document: str


def write(session: Session, made: ReadRemittance, origin: Origin) -> None:
    """The rows of one remittance, in three statements: as objects of the ORM they would take several times as long."""
    remittance_id, payee = new_id(), made.payee
    values = {
        "id": remittance_id, "file_id": origin.file_id, "group_id": origin.group_id,
        "content_hash": origin.content_hash,
        "number": made.number, "number_key": made.number_key, "method": made.method, "amount_cents": made.amount,
        "paid_on": made.paid_on, "payer_name": made.payer_name, "payer_id": made.payer_id, "payee_name": payee.name,
        "payee_tax_id": payee.tax_id, "payee_npi": payee.npi, "payee_vendor_number": payee.vendor_number,
        "provider_adjustments": [asdict(one) for one in made.provider_adjustments],
        "warnings": [str(one) for one in made.warnings], "document": origin.document.encode(),
    }  # fmt: skip
    session.execute(_INSERT_PAYMENT, [values])
    claims = [_claim_values(remittance_id, place, claim) for place, claim in enumerate(made.claims, start=1)]
    if not claims:
        return
    session.execute(_INSERT_CLAIMS, claims)
    lines = [
        _line_values(values["id"], place, line)
        for values, claim in zip(claims, made.claims, strict=True)
        for place, line in enumerate(claim.lines, start=1)
    ]
    if lines:
        session.execute(_INSERT_LINES, lines)


def _claim_values(remittance_id: str, place: int, claim: Claim) -> dict[str, Any]:
    return {
        "id": new_id(), "remittance_id": remittance_id, "position": place, "claim_number": claim.claim_number,
        "patient_control_number": claim.patient_control_number, "status": claim.status, "reversal": claim.reversal,
        "charge_cents": claim.charge, "paid_cents": claim.paid, "patient_cents": claim.patient,
        "member_number": claim.member_number, "patient_given_name": claim.given_name,
        "patient_family_name": claim.family_name, "service_from": claim.service_from, "service_to": claim.service_to,
        "rendering_npi": claim.rendering_npi, "adjustments": [asdict(one) for one in claim.adjustments],
        "remarks": claim.remarks,
    }  # fmt: skip


def _line_values(claim_id: str, place: int, line: Line) -> dict[str, Any]:
    return {
        "id": new_id(), "claim_id": claim_id, "position": place, "procedure": line.procedure,
        "revenue_code": line.revenue_code, "units": line.units, "service_from": line.service_from,
        "service_to": line.service_to, "charge_cents": line.charge, "paid_cents": line.paid,
        "allowed_cents": line.allowed, "adjustments": [asdict(one) for one in line.adjustments],
        "remarks": line.remarks,
    }  # fmt: skip
