"""Pharmacy claims: one for each fill of a medicine."""

from dataclasses import dataclass
from datetime import date

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims.draft import (
    DRUG_NEEDS_APPROVAL,
    REFILL_TOO_SOON,
    Draft,
    Kind,
    Line,
    Supporting,
    member_of_team,
)
from service.sandbox.plan.clinical.formulary import MEDICINES, Medicine
from service.sandbox.plan.codes import NDC, RXNORM, TERMINOLOGY, Resource, carin_system, coding, day
from service.sandbox.plan.providers import Clinician
from service.sandbox.plan.story import Twist

COMPOUND = "compound cream"


@dataclass(frozen=True)
class Fill:
    """One fill of one medicine."""

    key: str
    on: date
    number: int
    """0 is the first."""
    prescriber: Clinician
    twists: frozenset[Twist] = frozenset()

    @property
    def medicine(self) -> Medicine:
        """What was filled."""
        return MEDICINES[self.key]


def draft(chart: Chart, fill: Fill) -> Draft:
    """The claim of a fill."""
    medicine, span = fill.medicine, chart.story.span_on(fill.on)
    mail = medicine.days > 30
    benefits = span.benefits
    made = Draft(
        kind=Kind.PHARMACY,
        type_code="pharmacy",
        start=fill.on,
        end=fill.on,
        span=span,
        group=chart.network.groups["mail pharmacy" if mail else "pharmacy"],
        lines=(_line(fill),),
        supporting=tuple(_supporting(fill).entries),
        care_team=(member_of_team(1, fill.prescriber, "prescribing"),),
        copay=benefits.brand_copay if medicine.brand else benefits.drug_copay,
        deductible_counts=False,
        twists=fill.twists,
    )
    if not made.has(Twist.DENIED):
        return made
    return made.denied(DRUG_NEEDS_APPROVAL if medicine.brand else REFILL_TOO_SOON)


def _supporting(fill: Fill) -> Supporting:
    supporting, medicine = Supporting(), fill.medicine
    supporting.add("clmrecvddate", timingDate=day(fill.on))
    supporting.add("dayssupply", valueQuantity={"value": medicine.days})
    supporting.code("dawcode", f"{TERMINOLOGY}/NCPDPDispensedAsWrittenOrProductSelectionCode", "0")
    supporting.add("refillnum", valueQuantity={"value": fill.number})
    supporting.add("refillsauthorized", valueQuantity={"value": medicine.refills})
    brand = "1" if medicine.brand else "2"
    supporting.code("brandgenericindicator", f"{TERMINOLOGY}/NCPDPBrandGenericIndicator", brand)
    supporting.code("rxorigincode", f"{TERMINOLOGY}/NCPDPPrescriptionOriginCode", "3")
    compound = "2" if fill.key == COMPOUND else "1"
    supporting.code("compoundcode", f"{TERMINOLOGY}/NCPDPCompoundCode", compound)
    return supporting


def _line(fill: Fill) -> Line:
    medicine = fill.medicine
    if fill.key != COMPOUND:
        return Line(medicine.cents, product(medicine), fill.on, medicine.quantity, words=f"{medicine.instruction}.")
    mixed: Resource = {
        "coding": [coding(carin_system("C4BBCompoundLiteral"), "compound")],
        "text": "Cream mixed by the pharmacist",
    }
    return Line(medicine.cents, mixed, fill.on, medicine.quantity, words=f"{medicine.instruction}.",
                fields={"detail": _ingredients(medicine)})  # fmt: skip


def _ingredients(medicine: Medicine) -> list[Resource]:
    base: Resource = {"coding": [coding(NDC, "99999900115")], "text": "Cream base"}
    return [
        {"sequence": 1, "productOrService": product(medicine), "quantity": {"value": 40}},
        {"sequence": 2, "productOrService": base, "quantity": {"value": 20}},
    ]


def product(medicine: Medicine) -> Resource:
    """The NDC, with RxNorm beside it."""
    return {
        "coding": [coding(NDC, medicine.ndc), coding(RXNORM, medicine.rxnorm, medicine.name)],
        "text": medicine.name,
    }
