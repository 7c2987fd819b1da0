"""A remittance as CSV: a row for each claim, each of its service lines, and each provider adjustment."""

import csv
from collections.abc import Iterable, Mapping
from datetime import date
from io import StringIO
from typing import Any

from service.plan.models import Remittance, RemittanceClaim, RemittanceLine
from service.plan.remittances import adjustment_words
from service.plan.remittances.remittance_search import ClaimDetail, Detail
from service.spreadsheets import plain_cell

HEADER = (
    "Row", "Payment number", "Payment date", "Payment method", "Claim number", "Patient control number",
    "Member number", "Patient", "Claim status", "Service from", "Service to", "Procedure", "Revenue code", "Units",
    "Charge", "Allowed", "Paid", "Patient's part", "Adjustments", "Remarks",
)  # fmt: skip
Cell = str | None


def render(found: Detail) -> str:
    """The whole table with its header; texts that a spreadsheet would take for a formula begin with an apostrophe."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for detail in found.claims:
        writer.writerows(_claim_rows(found.remittance, detail))
    writer.writerows(_provider_rows(found.remittance))
    return out.getvalue()


def _claim_rows(remittance: Remittance, detail: ClaimDetail) -> Iterable[list[str]]:
    claim = detail.claim
    yield _row("claim", remittance, claim, None, claim.adjustments, claim.remarks)
    for line in detail.lines:
        yield _row("line", remittance, claim, line, line.adjustments, line.remarks)


def _row(
    kind: str, remittance: Remittance, claim: RemittanceClaim, line: RemittanceLine | None,
    adjustments: Iterable[Mapping[str, Any]], remarks: Iterable[str],
) -> list[str]:  # fmt: skip
    amounts = line or claim
    return [
        kind, *_payment(remittance), plain_cell(claim.claim_number), plain_cell(claim.patient_control_number),
        plain_cell(claim.member_number), plain_cell(f"{claim.patient_given_name} {claim.patient_family_name}".strip()),
        plain_cell(adjustment_words.claim_status(claim.status, claim.paid_cents)),
        _day(line.service_from if line and line.service_from else claim.service_from),
        _day(line.service_to if line and line.service_to else claim.service_to),
        plain_cell(line.procedure if line else ""), plain_cell(line.revenue_code if line else ""),
        plain_cell(line.units if line else ""), _dollars(amounts.charge_cents),
        _dollars(line.allowed_cents) if line else "", _dollars(amounts.paid_cents),
        "" if line else _dollars(claim.patient_cents), plain_cell("; ".join(_adjustment(one) for one in adjustments)),
        plain_cell("; ".join(f"{code} {adjustment_words.remark(code)}" for code in remarks)),
    ]  # fmt: skip


def _provider_rows(remittance: Remittance) -> Iterable[list[str]]:
    for one in remittance.provider_adjustments:
        words = f"{one['reason']} {adjustment_words.provider_adjustment(one['reason'])} {one['identifier']}".strip()
        yield ["provider adjustment", *_payment(remittance), *[""] * 12, _dollars(-one["cents"]), "",
               plain_cell(words), ""]  # fmt: skip


def _payment(remittance: Remittance) -> list[str]:
    return [plain_cell(remittance.number), _day(remittance.paid_on), remittance.method.value.replace("_", "-")]


def _adjustment(one: Mapping[str, Any]) -> str:
    words = adjustment_words.adjustment(one["group"], one["reason"])
    return f"{one['group']}-{one['reason']} {_dollars(one['cents'])} {words}"


def _dollars(cents: int | None) -> str:
    if cents is None:
        return ""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


def _day(on: date | None) -> str:
    return on.isoformat() if on else ""
