"""What the plan pays for whom and when: benefits by line of business, spans of coverage, Coverage resources."""

from dataclasses import dataclass
from datetime import date

from service.sandbox.plan.codes import (
    IDENTIFIER_TYPE,
    MEMBER_NUMBER,
    TERMINOLOGY,
    Resource,
    concept,
    period,
    reference,
)
from service.sandbox.plan.identifiers import member_number
from service.sandbox.plan.people import Person
from service.sandbox.plan.providers import PAYER_NAME


@dataclass(frozen=True)
class Benefits:
    """The terms of one line of business; amounts in cents, a year's limits per member."""

    line_of_business: str
    plan: tuple[str, str]
    """Code and name."""
    group: tuple[str, str]
    payment_source: tuple[str, str]
    """Code and words of the Source of Payment Typology."""
    deductible: int
    coinsurance: int
    """Per cent of what is left after deductible and copay."""
    visit_copay: int
    emergency_copay: int
    hospital_copay: int
    drug_copay: int
    brand_copay: int
    limit: int
    """Most that a member pays in a year."""
    report_units: tuple[str, ...] = ()
    """Contracts or plans by which it is reported to CMS; none for what CMS does not ask about."""


BENEFITS = {
    "Medicaid": Benefits(
        "Medicaid", ("MCD-CARE", "Meridian Medicaid Care"), ("STATE-MCD", "State Medicaid program"),
        ("211", "Medicaid HMO"), 0, 0, 300, 800, 5000, 100, 400, 30000, ("MCD-CARE",)),
    "CHIP": Benefits(
        "CHIP", ("CHIP-KIDS", "Meridian Kids"), ("STATE-CHIP", "State Children's Health Insurance Program"),
        ("29", "Children's Health Insurance Program"), 0, 0, 500, 1500, 2500, 300, 800, 60000, ("CHIP-KIDS",)),
    "Medicare": Benefits(
        "Medicare", ("MED-ADV-HMO", "Meridian Medicare Advantage"), ("IND-MED", "Individual Medicare members"),
        # In the form of CMS's contract numbers, which end in four digits.
        ("111", "Medicare HMO"), 24000, 20, 1000, 9000, 29500, 500, 4200, 420000, ("H000A", "H000B")),
    "Dental only": Benefits(
        "Dental only", ("DENTAL-1", "Meridian Dental"), ("IND-DEN", "Individual dental members"),
        ("561", "Dental"), 5000, 20, 0, 0, 0, 0, 0, 150000),
}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """One coverage of one member, from and (when it ended) until."""

    line_of_business: str
    start: date
    end: date | None = None

    @property
    def benefits(self) -> Benefits:
        """The terms that rule it."""
        return BENEFITS[self.line_of_business]

    def holds(self, on: date) -> bool:
        """Whether it is in force on that day."""
        return self.start <= on and (self.end is None or on <= self.end)


def report_unit(person: Person) -> str:
    """The contract or plan under which the person is reported: one for four neighbours, as households are."""
    units = BENEFITS[person.line_of_business].report_units
    return units[person.index // 4 % len(units)] if units else ""


def coverage_fields(person: Person, span: Span, patient: str, payer: str) -> Resource:
    """The Coverage resource but for id and meta (C4BB-Coverage and US Core Coverage).

    A dependent's names no subscriber resource: the parent's record must not pull the child's in by reference.
    """
    own = person.subscriber == person.index
    benefits = span.benefits
    fields: Resource = {
        "identifier": [_identifier(person, payer)],
        "status": "active" if span.end is None else "cancelled",
        "type": concept("https://nahdo.org/sopt", *benefits.payment_source, text=benefits.plan[1]),
        "subscriberId": member_number(person.subscriber),
        "beneficiary": reference(patient),
        "dependent": "01" if own else f"{person.index - person.subscriber + 1:02d}",
        "relationship": concept(f"{TERMINOLOGY}/subscriber-relationship", "self" if own else "child"),
        "period": period(span.start, span.end),
        "payor": [reference(payer, PAYER_NAME)],
        "class": [_class("group", *benefits.group), _class("plan", *benefits.plan)],
        "network": "Meridian network",
    }
    if own:
        fields["subscriber"] = reference(patient)
    return fields


def _identifier(person: Person, payer: str) -> Resource:
    kind = concept(IDENTIFIER_TYPE, "MB", text="Member number")
    return {"type": kind, "system": MEMBER_NUMBER, "value": person.number, "assigner": reference(payer)}


def _class(kind: str, value: str, name: str) -> Resource:
    return {"type": concept(f"{TERMINOLOGY}/coverage-class", kind), "value": value, "name": name}
