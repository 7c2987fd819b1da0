"""A remittance as a PDF: real text in reading order, with title, language and outline, so that it can be read aloud."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from service.days import in_words
from service.papers.paper import SANS, new_sheet
from service.plan.models import PaymentMethod, RemittanceLine
from service.plan.providers.numbers import shown_tax_id
from service.plan.remittances import adjustment_words
from service.plan.remittances.remittance_balance import money
from service.plan.remittances.remittance_search import ClaimDetail, Detail

MOST_CLAIMS = 500
"""More would be a book that nobody prints."""
METHODS = {
    PaymentMethod.CHECK: "Check", PaymentMethod.EFT: "EFT", PaymentMethod.NON_PAYMENT: "Non-payment notice",
}  # fmt: skip
_LINE_WIDTHS = (26, 34, 24, 24, 24, 58)


def is_printable(found: Detail) -> bool:
    """Whether the remittance is short enough to print."""
    return found.totals.claims <= MOST_CLAIMS


def render(found: Detail, plan_name: str) -> bytes:
    """The PDF of a remittance with all of its claims."""
    paper = _Paper(f"Remittance {found.remittance.number}", plan_name)
    paper.heading(f"{plan_name}: remittance {found.remittance.number}", 16)
    paper.facts(_facts(found))
    paper.heading("Totals", 13)
    paper.table(("", "Amount"), _totals(found), (120, 40))
    if found.remittance.provider_adjustments:
        paper.heading("Adjustments of the whole payment", 13)
        paper.table(("Reason", "Reference", "Amount"), _provider_adjustments(found), (80, 70, 40))
    for detail in found.claims:
        _write_claim(paper, detail)
    return paper.finish()


class _Paper:
    """A sheet with headings that make its outline, facts and tables."""

    def __init__(self, title: str, author: str) -> None:
        self._document = document = new_sheet(title, author=author)
        document.set_auto_page_break(True, margin=15)
        document.add_page()
        self._font(10)

    def heading(self, text: str, size: int) -> None:
        self._document.start_section(text, level=0 if size > 11 else 1)
        self._document.ln(2)
        self._font(size, "B")
        self._document.write_lines(size * 0.5, text)
        self._font(10)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        for name, value in rows:
            self._document.write_lines(5, f"{name}: {value}")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> None:
        self._font(9)
        with self._document.table(
            col_widths=widths, width=sum(widths), align="LEFT", line_height=5, text_align="LEFT"
        ) as table:
            for cells in (header, *rows):
                row = table.row()
                for cell in cells:
                    row.cell(cell)
        self._font(10)

    def finish(self) -> bytes:
        return self._document.finish()

    def _font(self, size: int, style: str = "") -> None:
        self._document.set_font(SANS, style, size)


def _write_claim(paper: _Paper, detail: ClaimDetail) -> None:
    claim = detail.claim
    paper.heading(f"Claim {claim.claim_number or claim.patient_control_number}", 11)
    paper.facts((
        ("Patient", f"{claim.patient_given_name} {claim.patient_family_name}, member {claim.member_number}"),
        ("Patient control number", claim.patient_control_number),
        ("Service", _days(claim.service_from, claim.service_to)),
        ("Status", adjustment_words.claim_status(claim.status, claim.paid_cents)),
        ("Charged, paid, patient's part",
         f"{money(claim.charge_cents)}, {money(claim.paid_cents)}, {money(claim.patient_cents)}"),
        *(("Adjustment", text) for text in _adjustments(claim.adjustments)),
        *(("Remark", f"{code} {adjustment_words.remark(code)}") for code in claim.remarks),
    ))  # fmt: skip
    if detail.lines:
        header = ("Service", "Procedure", "Charged", "Allowed", "Paid", "Adjustments and remarks")
        paper.table(header, (_line(line) for line in detail.lines), _LINE_WIDTHS)


def _line(line: RemittanceLine) -> tuple[str, ...]:
    told = [*_adjustments(line.adjustments), *(f"{code} {adjustment_words.remark(code)}" for code in line.remarks)]
    allowed = money(line.allowed_cents) if line.allowed_cents is not None else ""
    code = " ".join(part for part in (line.procedure, line.revenue_code) if part)
    return (
        _days(line.service_from, line.service_to), code, money(line.charge_cents), allowed, money(line.paid_cents),
        "\n".join(told),
    )  # fmt: skip


def _facts(found: Detail) -> Iterable[tuple[str, str]]:
    row = found.remittance
    yield "Paid to", f"{found.group.name} ({row.payee_name})"
    if row.payee_tax_id:
        yield "Tax ID", shown_tax_id(row.payee_tax_id)
    if row.payee_npi:
        yield "NPI", row.payee_npi
    if row.payee_vendor_number:
        yield "Vendor number", row.payee_vendor_number
    yield "Payment", f"{METHODS[row.method]}, {in_words(row.paid_on)}"
    yield "Amount", f"${money(row.amount_cents)}"


def _totals(found: Detail) -> list[tuple[str, str]]:
    totals = found.totals
    claims = "1 claim" if totals.claims == 1 else f"{totals.claims} claims"
    return [
        (f"Charged in {claims}", money(totals.charge)), ("Paid for claims", money(totals.paid)),
        ("Adjustments of the whole payment", money(-totals.adjusted)),
        ("Amount of this payment", money(found.remittance.amount_cents)),
        ("Patients' part", money(totals.patient)),
    ]  # fmt: skip


def _provider_adjustments(found: Detail) -> list[tuple[str, ...]]:
    return [
        (f"{one['reason']} {adjustment_words.provider_adjustment(one['reason'])}", str(one["identifier"]),
         money(-one["cents"]))
        for one in found.remittance.provider_adjustments
    ]  # fmt: skip


def _adjustments(every: Iterable[dict[str, Any]]) -> list[str]:
    return [
        f"{one['group']}-{one['reason']} {money(one['cents'])}: "
        f"{adjustment_words.adjustment(one['group'], one['reason'])}"
        for one in every
    ]


def _days(first: date | None, last: date | None) -> str:
    days = [in_words(on) for on in (first, last) if on]
    return " to ".join(dict.fromkeys(days))
