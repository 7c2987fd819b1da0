"""A claim in facts, made from the stored ExplanationOfBenefit; each audience has words of its own for them.

Only what answers "what became of it": amounts, status, lines, reasons, payment. Diagnoses stay out, since providers
read claims by this too (minimum necessary, 45 CFR 164.502(b)). Amounts are Decimal US dollars; None where the claim
does not say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_CLAIM_NUMBER = "uc"
_BILLED, _ALLOWED, _PAID, _OWED = "submitted", "eligible", "benefit", "memberliability"
_ADJUSTING = frozenset({"adjustmentreason", "rejectreason", "denialreason"})
_REASON_SYSTEM = "https://x12.org/codes/claim-adjustment-reason-codes"
REJECTED = "rejectreason"
"""The category of an adjustment that refuses a prescription at the pharmacy counter."""
ADJUSTMENTS = frozenset({
    "discount", "noncovered", "deductible", "copay", "coinsurance", "paidbypatient", "priorpayerpaid", "penalty",
})  # fmt: skip
"""Categories of amounts by which the plan's payment differs from the charge (CARIN, HL7)."""


class ClaimStatus(StrEnum):
    """What became of a claim."""

    PAID = "paid"
    PARTLY_PAID = "partly_paid"
    DENIED = "denied"
    MEMBER_SHARE = "member_share"
    NOTHING_TO_PAY = "nothing_to_pay"
    IN_PROCESS = "in_process"
    NOT_PROCESSED = "not_processed"
    WITHDRAWN = "withdrawn"
    NOT_FINAL = "not_final"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What was billed, what the plan allows, what it paid, what the member owes."""

    billed: Decimal | None
    allowed: Decimal | None
    paid: Decimal | None
    owed: Decimal | None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Why charge and payment differ: the category, with an amount or the code of a reason where the claim gives it.

    `code` is a claim adjustment reason (CARC), of a REJECTED one the pharmacy's own code.
    """

    category: str
    amount: Decimal | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One service line. `procedure` and `revenue` are bare codes."""

    number: int
    served_from: date | None
    served_to: date | None
    procedure: str
    revenue: str
    units: str
    amounts: Amounts
    adjustments: tuple[Adjustment, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim; `patient_id` is the FHIR id of the member. `related` tells of a claim before or after it."""

    id: str
    patient_id: str
    number: str
    account_number: str
    """The provider's own number for the patient (patient control number)."""
    kind: str
    """The code of the claim's type, such as `pharmacy`."""
    status: ClaimStatus
    organization_id: str
    served_from: date | None
    served_to: date | None
    received: date | None
    amounts: Amounts
    adjustments: tuple[Adjustment, ...]
    lines: tuple[ClaimLine, ...]
    notes: tuple[str, ...]
    payment_number: str
    paid_on: date | None
    replaces: str
    replaced_by: str


def read(body: bytes, *, in_full: bool = True) -> Claim:
    """The claim in the JSON of an ExplanationOfBenefit; for a list without lines, adjustments and notes."""
    return of(decode(body), in_full=in_full)


def decode(body: bytes) -> dict[str, Any]:
    """The JSON of a resource, its numbers as Decimal: dollars are never binary fractions."""
    found: dict[str, Any] = _decoder.decode(body)
    return found


def of(eob: Mapping[str, Any], *, in_full: bool = True) -> Claim:
    """The same of an ExplanationOfBenefit that was decoded."""
    payment = _dict(eob.get("payment"))
    totals = _dicts(eob.get("total"))
    notes = _notes(eob)
    served_from, served_to = _span(eob.get("billablePeriod"))
    # Most of a claim is its lines: a list reads them only where the claim itself has no dates.
    wanted = in_full or served_from is None
    lines = tuple(_line(item, notes) for item in _dicts(eob.get("item"))) if wanted else ()
    amounts = _amounts(totals)
    on_lines = {note for line in lines for note in line.notes}
    return Claim(
        id=str(eob["id"]),
        patient_id=_last(_dict(eob.get("patient")).get("reference")),
        number=_claim_number(eob),
        account_number=_account_number(eob),
        kind=_code(eob.get("type")),
        status=_status(eob, amounts),
        organization_id=_last(_dict(eob.get("provider")).get("reference")),
        served_from=served_from or min((line.served_from for line in lines if line.served_from), default=None),
        served_to=served_to or max((line.served_to for line in lines if line.served_to), default=None),
        received=_day(_supporting(eob, "clmrecvddate").get("timingDate")),
        amounts=amounts,
        adjustments=(*_by_amount(totals), *_by_reason(eob)) if in_full else (),
        lines=lines,
        notes=tuple(note for note in notes.values() if note and note not in on_lines),
        payment_number=str(_dict(payment.get("identifier")).get("value", "")),
        paid_on=_day(payment.get("date")),
        replaces=_related(eob, "prior"),
        replaced_by=_related(eob, "replacedby"),
    )


def _status(eob: Mapping[str, Any], amounts: Amounts) -> ClaimStatus:
    if eob.get("status") in {"cancelled", "entered-in-error"}:
        return ClaimStatus.WITHDRAWN
    if eob.get("status") == "draft":
        return ClaimStatus.NOT_FINAL
    if eob.get("outcome") == "queued":
        return ClaimStatus.IN_PROCESS
    if eob.get("outcome") == "error":
        return ClaimStatus.NOT_PROCESSED
    kind = _code(_dict(eob.get("payment")).get("type"))
    if kind == "denied" or (not amounts.allowed and not amounts.paid):
        return ClaimStatus.DENIED
    if not amounts.paid:
        return ClaimStatus.MEMBER_SHARE if amounts.owed else ClaimStatus.NOTHING_TO_PAY
    return ClaimStatus.PARTLY_PAID if kind == "partiallypaid" else ClaimStatus.PAID


def _line(item: Mapping[str, Any], notes: Mapping[Any, str]) -> ClaimLine:
    adjudication = _dicts(item.get("adjudication"))
    amounts = _amounts(adjudication)
    served_from, served_to = _span(item.get("servicedPeriod") or item.get("servicedDate"))
    net = _money(item.get("net"))
    return ClaimLine(
        number=int(item.get("sequence", 0)),
        served_from=served_from,
        served_to=served_to,
        procedure=" ".join([_code(item.get("productOrService")), *map(_code, _dicts(item.get("modifier")))]).strip(),
        revenue=_code(item.get("revenue")),
        units=str(_dict(item.get("quantity")).get("value", "")),
        amounts=Amounts(net if amounts.billed is None else amounts.billed, amounts.allowed, amounts.paid, amounts.owed),
        adjustments=(*_by_amount(adjudication), *_by_reason(item)),
        notes=tuple(notes[number] for number in item.get("noteNumber") or () if notes.get(number)),
    )


def _amounts(adjudication: Iterable[Mapping[str, Any]]) -> Amounts:
    found = {_code(one.get("category")): _money(one.get("amount")) for one in adjudication}
    return Amounts(found.get(_BILLED), found.get(_ALLOWED), found.get(_PAID), found.get(_OWED))


def _by_amount(adjudication: Iterable[Mapping[str, Any]]) -> Iterator[Adjustment]:
    for one in adjudication:
        category, amount = _code(one.get("category")), _money(one.get("amount"))
        if category in ADJUSTMENTS and amount:
            yield Adjustment(category, amount)


def _by_reason(node: Mapping[str, Any]) -> Iterator[Adjustment]:
    for one in _dicts(node.get("adjudication")):
        category = _code(one.get("category"))
        if category not in _ADJUSTING:
            continue
        for coding in _dicts(_dict(one.get("reason")).get("coding")):
            code = str(coding.get("code", ""))
            if coding.get("system") == _REASON_SYSTEM:
                yield Adjustment("adjustmentreason", code=code)
            elif category == REJECTED:
                yield Adjustment(REJECTED, code=code)


def _notes(eob: Mapping[str, Any]) -> dict[Any, str]:
    """The notes by number. Those of type *print* are for the form that the member gets, and speak to the member."""
    every = (note for note in _dicts(eob.get("processNote")) if note.get("type") != "print")
    return {note.get("number"): str(note.get("text", "")) for note in every}


def _claim_number(eob: Mapping[str, Any]) -> str:
    identifiers = _dicts(eob.get("identifier"))
    named = [one for one in identifiers if _code(one.get("type")) == _CLAIM_NUMBER]
    return str((named or identifiers or [{}])[0].get("value", ""))


def _account_number(eob: Mapping[str, Any]) -> str:
    return str(_supporting(eob, "patientaccountnumber").get("valueString", ""))


def _supporting(eob: Mapping[str, Any], category: str) -> Mapping[str, Any]:
    entries = _dicts(eob.get("supportingInfo"))
    return next((one for one in entries if _code(one.get("category")) == category), {})


def _related(eob: Mapping[str, Any], relationship: str) -> str:
    for one in _dicts(eob.get("related")):
        if _code(one.get("relationship")) == relationship:
            return str(_dict(one.get("reference")).get("value", ""))
    return ""


def _span(value: Any) -> tuple[date | None, date | None]:
    if isinstance(value, str):
        return _day(value), _day(value)
    period = _dict(value)
    start, end = _day(period.get("start")), _day(period.get("end"))
    return start or end, end or start


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


def _money(value: Any) -> Decimal | None:
    amount = _dict(value).get("value")
    return None if amount is None else Decimal(amount)


def _code(concept: Any) -> str:
    # Asked hundreds of times for a page of claims: generators would take most of its time.
    for coding in _dicts(_dict(concept).get("coding")):
        if "code" in coding:
            return str(coding["code"])
    return ""


def _last(reference: Any) -> str:
    return str(reference or "").rpartition("/")[2]


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else ()
