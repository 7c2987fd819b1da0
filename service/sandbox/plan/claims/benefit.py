"""The ExplanationOfBenefit: a draft, its prices, and the plan's answer in the CARIN BB 2.0.0 profile of its kind."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

from service.sandbox.plan import payments
from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims.adjudication import Price, Purse, amounts, total
from service.sandbox.plan.claims.draft import Denial, Draft, Kind, Line, diagnosis
from service.sandbox.plan.codes import (
    CLAIM_NUMBER,
    CLAIM_TYPE,
    ICD10_PCS,
    PAYMENT_TRACE,
    PLACE_OF_SERVICE,
    TERMINOLOGY,
    Resource,
    carin_profile,
    carin_system,
    concept,
    day,
    money,
    period,
    reference,
)
from service.sandbox.plan.providers import PAYER_NAME
from service.sandbox.plan.story import Twist

_DISCOUNT = "Your provider accepts the plan's price. The rest of the charge is taken off."
_OUTSIDE = "This provider is not in your plan's network and may bill you for the part the plan does not cover."
_CORRECTED = "This claim replaces an earlier one that the provider corrected."
_WITHDRAWN = "This claim was withdrawn. A corrected claim replaces it."
_CONTRACT = Denial("45", _DISCOUNT)


@dataclass(frozen=True)
class _Answer:
    """How the plan answers one claim."""

    number: str
    prices: list[Price]
    created: date
    notes: list[str]
    status: str = "active"
    related: tuple[str, str] | None = None
    """Relationship (prior or replacedby) and claim number."""
    paid_before: int = 0
    """What the claim that this one replaces was paid, in cents: it is taken back with this payment."""

    @cached_property
    def whole(self) -> Price:
        return total(self.prices)


class Desk:
    """The plan's claims desk for one member: numbers claims, keeps the yearly limits, writes the answers."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._purses: dict[tuple[str, int], Purse] = {}
        self._count = 0

    def settle(self, draft: Draft) -> None:
        """Price a claim and write its ExplanationOfBenefit; a replaced claim is written twice, linked both ways."""
        if not draft.has(Twist.REPLACED):
            self._write(draft, self._answer(draft, self._number(draft)))
            return
        old_number, new_number = self._number(draft), self._number(draft)
        first = _as_first_sent(draft)
        aside = Purse(draft.span.benefits)
        old = _Answer(
            old_number, aside.price(first), draft.received + timedelta(days=2), [_WITHDRAWN], "cancelled",
            ("replacedby", new_number),
        )  # fmt: skip
        self._write(first, old)
        new = self._answer(draft, new_number)
        later = replace(
            new, created=new.created + timedelta(days=9), notes=[_CORRECTED], related=("prior", old_number),
            paid_before=old.whole.benefit,
        )  # fmt: skip
        self._write(draft, later)

    def _answer(self, draft: Draft, number: str) -> _Answer:
        key = (draft.span.line_of_business, draft.end.year)
        purse = self._purses.setdefault(key, Purse(draft.span.benefits))
        created = draft.received + timedelta(days=0 if draft.kind is Kind.PHARMACY else 2)
        return _Answer(number, purse.price(draft), created, [])

    def _number(self, draft: Draft) -> str:
        self._count += 1
        return f"{draft.end:%y%m%d}{self._chart.person.index:06d}{self._count:02d}"

    def _write(self, draft: Draft, answer: _Answer) -> None:
        fields = _fields(self._chart, draft, answer)
        paid_on = date.fromisoformat(fields["payment"]["date"])
        made = self._chart.add("ExplanationOfBenefit", paid_on, (carin_profile(draft.kind),), fields)
        self._chart.claims.append(made)


def _as_first_sent(draft: Draft) -> Draft:
    """The claim as it was before the correction: the first line charged half as much again."""
    first, *rest = draft.lines
    wrong = replace(first, charge=first.charge + first.charge // 2)
    return replace(draft, lines=(wrong, *rest))


def _fields(chart: Chart, draft: Draft, answer: _Answer) -> Resource:
    notes = list(answer.notes)
    items = [
        _item(draft, place, line, price, notes)
        for place, (line, price) in enumerate(zip(draft.lines, answer.prices, strict=True), start=1)
    ]
    if draft.has(Twist.WHOLE_PRICE) and draft.kind.institutional:
        notes.append(_DISCOUNT)
    fields: Resource = {
        **_head(chart, draft, answer),
        "insurer": reference(chart.network.payer, PAYER_NAME),
        "provider": reference(draft.group.reference, draft.group.name),
        "payee": _payee(chart, draft),
        "outcome": "complete",
        "disposition": _disposition(answer),
        "careTeam": list(draft.care_team),
        "supportingInfo": list(draft.supporting),
        "diagnosis": [
            diagnosis(place, reason, kind, present=draft.present_on_admission)
            for place, (reason, kind) in enumerate(draft.diagnoses, start=1)
        ],
        "procedure": [_procedure(place, code, on) for place, (code, on) in enumerate(draft.procedures, start=1)],
        "insurance": [{"focal": True, "coverage": reference(chart.coverage(draft.span))}],
        "item": items,
        "adjudication": _header(draft, answer),
        "total": amounts(answer.whole, to_family=draft.has(Twist.PAID_TO_FAMILY)),
        "payment": _payment(chart, draft, answer),
        "processNote": [{"number": place, "type": "print", "text": text} for place, text in enumerate(notes, start=1)],
    }
    if answer.related is not None:
        fields["related"] = [_related(*answer.related)]
    return {name: value for name, value in fields.items() if value != []}


def _head(chart: Chart, draft: Draft, answer: _Answer) -> Resource:
    head: Resource = {
        "identifier": [_claim_number(answer.number)],
        "status": answer.status,
        "type": concept(CLAIM_TYPE, draft.type_code),
        "use": "claim",
        "patient": chart.subject,
        "billablePeriod": period(draft.start, draft.end),
        "created": day(answer.created),
    }
    if draft.kind.institutional:
        subtype = "inpatient" if draft.kind is Kind.INPATIENT else "outpatient"
        head["subType"] = concept(carin_system("C4BBInstitutionalClaimSubType"), subtype)
    return head


def _claim_number(number: str) -> Resource:
    return {"type": concept(carin_system("C4BBIdentifierType"), "uc"), "system": CLAIM_NUMBER, "value": number}


def _related(relationship: str, number: str) -> Resource:
    prior = relationship == "prior"
    system = (
        f"{TERMINOLOGY}/ex-relatedclaimrelationship" if prior else carin_system("C4BBRelatedClaimRelationshipCodes")
    )
    return {"relationship": concept(system, relationship), "reference": _claim_number(number)}


def _payee(chart: Chart, draft: Draft) -> Resource:
    kinds = f"{TERMINOLOGY}/payeetype"
    if not draft.has(Twist.PAID_TO_FAMILY):
        return {"type": concept(kinds, "provider"), "party": reference(draft.group.reference)}
    if chart.kin is not None:
        return {"type": concept(kinds, "other"), "party": reference(chart.kin)}
    return {"type": concept(carin_system("C4BBPayeeType"), "beneficiary"), "party": chart.subject}


def _procedure(place: int, code: str, on: date) -> Resource:
    kind = concept(carin_system("C4BBClaimProcedureType"), "principal" if place == 1 else "other")
    return {
        "sequence": place,
        "type": [kind],
        "date": day(on),
        "procedureCodeableConcept": concept(ICD10_PCS, code),
    }


def _item(draft: Draft, place: int, line: Line, price: Price, notes: list[str]) -> Resource:
    item: Resource = {"sequence": place, "productOrService": line.service, "servicedDate": day(line.served_on)}
    if draft.diagnoses:
        item["diagnosisSequence"] = [1]
    if line.revenue is not None:
        item["revenue"] = concept("https://www.nubc.org/CodeSystem/RevenueCodes", line.revenue)
    if line.modifier is not None:
        item["modifier"] = [line.modifier]
    if line.place is not None:
        item["locationCodeableConcept"] = concept(PLACE_OF_SERVICE, line.place)
    item |= {"quantity": {"value": line.units}, "net": money(line.charge), **line.fields}
    if draft.encounter is not None:
        item["encounter"] = [reference(draft.encounter)]
    numbers = _note_numbers(draft, line, notes)
    if numbers:
        item["noteNumber"] = numbers
    adjudication = _line_adjudication(draft, line, price)
    if adjudication:
        item["adjudication"] = adjudication
    return item


def _note_numbers(draft: Draft, line: Line, notes: list[str]) -> list[int]:
    """The numbers of the line's notes, added to the claim's list unless they stand there already."""
    wanted = [line.words] if line.words else []
    if line.denial is not None:
        wanted.append(line.denial.words)
    elif draft.has(Twist.OUT_OF_NETWORK):
        wanted.append(_OUTSIDE)
    elif not draft.has(Twist.WHOLE_PRICE) and draft.kind is not Kind.PHARMACY:
        wanted.append(_DISCOUNT)
    notes.extend(text for text in wanted if text not in notes)
    return [notes.index(text) + 1 for text in wanted]


def _line_adjudication(draft: Draft, line: Line, price: Price) -> list[Resource]:
    # An institutional claim carries amounts either in its header or in its lines, never in both (CARIN
    # EOB-institutional-item-or-header-adjudication); a line without amounts has no adjudication at all.
    if draft.kind.institutional and draft.has(Twist.WHOLE_PRICE):
        return []
    made = amounts(price, to_family=draft.has(Twist.PAID_TO_FAMILY))
    if draft.kind in (Kind.PROFESSIONAL, Kind.ORAL):
        made.insert(0, _status("benefitpaymentstatus", draft))
    if draft.kind is Kind.PHARMACY:
        return made if line.denial is None else [*made, _reason("rejectreason", line.denial)]
    made.append(_reason("adjustmentreason", line.denial or _CONTRACT))
    units = {"category": _discriminator("allowedunits"), "value": 0 if line.denial else line.units}
    return [*made, units]


def _header(draft: Draft, answer: _Answer) -> list[Resource]:
    made = [_status("billingnetworkstatus", draft)]
    if draft.kind in (Kind.PROFESSIONAL, Kind.ORAL):
        made.append(_status("renderingnetworkstatus", draft))
    if draft.kind is not Kind.PROFESSIONAL:
        made.append(_status("benefitpaymentstatus", draft))
    if draft.kind.institutional and draft.has(Twist.WHOLE_PRICE):
        made.extend(amounts(answer.whole, to_family=draft.has(Twist.PAID_TO_FAMILY)))
        made.append(_reason("adjustmentreason", draft.lines[0].denial or _CONTRACT))
    return made


def _status(discriminator: str, draft: Draft) -> Resource:
    network = "outofnetwork" if draft.has(Twist.OUT_OF_NETWORK) else "innetwork"
    return {
        "category": _discriminator(discriminator),
        "reason": concept(carin_system("C4BBPayerAdjudicationStatus"), network),
    }


def _reason(discriminator: str, denial: Denial) -> Resource:
    return {"category": _discriminator(discriminator), "reason": concept(denial.system, denial.code)}


def _discriminator(code: str) -> Resource:
    return concept(carin_system("C4BBAdjudicationDiscriminator"), code)


def _payment(chart: Chart, draft: Draft, answer: _Answer) -> Resource:
    whole = answer.whole
    status = "denied" if whole.eligible == 0 else "partiallypaid" if whole.noncovered else "paid"
    # Payments run on the second Friday after the decision.
    paid_on = min(answer.created + timedelta(days=7 + (4 - answer.created.weekday()) % 7), chart.as_of)
    return {
        "type": concept(carin_system("C4BBPayerAdjudicationStatus"), status),
        "date": day(paid_on),
        "amount": money(whole.benefit),
        "identifier": {"system": PAYMENT_TRACE, "value": _trace(chart, draft, answer, paid_on)},
    }


def _trace(chart: Chart, draft: Draft, answer: _Answer, paid_on: date) -> str:
    paid = answer.whole.benefit > answer.paid_before
    if draft.kind is Kind.PHARMACY or draft.has(Twist.PAID_TO_FAMILY):
        return f"{'EFT' if paid else 'NP'}{answer.number}"
    if answer.related is not None and answer.related[0] == "prior":
        return payments.corrected(draft.group, answer.number, paid=paid)
    return payments.weekly(draft.group, paid_on, chart.person.index, paid=paid)


def _disposition(answer: _Answer) -> str:
    whole = answer.whole
    if answer.status == "cancelled":
        return "Withdrawn and replaced by a corrected claim"
    if whole.eligible == 0:
        return "Not paid"
    return f"The plan paid ${whole.benefit / 100:,.2f}. The member's share is ${whole.member / 100:,.2f}."
