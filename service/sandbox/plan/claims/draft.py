"""A claim before the plan has priced it: what the provider sent."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from service.sandbox.plan.clinical.catalogue import Reason
from service.sandbox.plan.codes import (
    ADJUSTMENT_REASON,
    ICD10_CM,
    TERMINOLOGY,
    Resource,
    carin_system,
    concept,
    day,
)
from service.sandbox.plan.coverage import Span
from service.sandbox.plan.providers import Clinician, Group
from service.sandbox.plan.story import Twist

REJECT = f"{TERMINOLOGY}/NCPDPRejectCode"


class Kind(StrEnum):
    """The five kinds of CARIN; the value is the profile."""

    INPATIENT = "C4BB-ExplanationOfBenefit-Inpatient-Institutional"
    OUTPATIENT = "C4BB-ExplanationOfBenefit-Outpatient-Institutional"
    PROFESSIONAL = "C4BB-ExplanationOfBenefit-Professional-NonClinician"
    PHARMACY = "C4BB-ExplanationOfBenefit-Pharmacy"
    ORAL = "C4BB-ExplanationOfBenefit-Oral"

    @property
    def institutional(self) -> bool:
        """Whether a facility bills it."""
        return self in (Kind.INPATIENT, Kind.OUTPATIENT)


@dataclass(frozen=True)
class Denial:
    """Why a line is not paid: a bare code, and words of our own."""

    code: str
    words: str
    system: str = ADJUSTMENT_REASON


NEEDS_APPROVAL = Denial("197", "Not paid: this service needed the plan's approval beforehand. You may appeal.")
NOT_COVERED = Denial("96", "Not paid: your plan does not cover this service.")
SENT_LATE = Denial("29", "Not paid: the provider sent the claim too late. The provider may not bill you for it.")
INCOMPLETE = Denial("16", "Not paid: the claim was incomplete. The provider has been asked to send it again.")
REFILL_TOO_SOON = Denial("79", "Not paid: it was too soon for this refill.", REJECT)
DRUG_NEEDS_APPROVAL = Denial("75", "Not paid: this medicine needs the plan's approval first.", REJECT)


@dataclass(frozen=True)
class Line:
    """One line of a claim; `charge` in cents."""

    charge: int
    service: Resource
    served_on: date
    units: float = 1
    revenue: str | None = None
    modifier: Resource | None = None
    place: str | None = None
    """CMS place of service."""
    words: str | None = None
    """Plain words for a line whose code may not be shown with its text."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Elements only some lines have: bodySite, subSite, detail, informationSequence."""
    denial: Denial | None = None


class Supporting:
    """The supportingInfo of a claim, numbered as it is gathered."""

    def __init__(self) -> None:
        self.entries: list[Resource] = []

    def add(self, category: str, **fields: Any) -> int:
        """Add an entry of a C4BBSupportingInfoType category; its sequence."""
        sequence = len(self.entries) + 1
        kind = concept(carin_system("C4BBSupportingInfoType"), category)
        self.entries.append({"sequence": sequence, "category": kind, **fields})
        return sequence

    def code(self, category: str, system: str, code: str) -> int:
        """Add an entry whose value is a bare code."""
        return self.add(category, code=concept(system, code))


@dataclass(frozen=True)
class Draft:
    """A claim as sent."""

    kind: Kind
    type_code: str
    start: date
    end: date
    span: Span
    group: Group
    lines: tuple[Line, ...]
    supporting: tuple[Resource, ...] = ()
    care_team: tuple[Resource, ...] = ()
    diagnoses: tuple[tuple[Reason, str], ...] = ()
    """Each with its type: principal, admitting, other, secondary, patientreasonforvisit."""
    present_on_admission: bool = False
    procedures: tuple[tuple[str, date], ...] = ()
    """ICD-10-PCS code and day."""
    copay: int = 0
    deductible_counts: bool = True
    encounter: str | None = None
    twists: frozenset[Twist] = frozenset()

    @property
    def received(self) -> date:
        """When it came to the plan; pharmacies send at once."""
        return self.end + timedelta(days=0 if self.kind is Kind.PHARMACY else 4)

    def has(self, twist: Twist) -> bool:
        """Whether the claim has this twist."""
        return twist in self.twists

    def denied(self, denial: Denial) -> "Draft":
        """The same claim with every line refused."""
        return replace(self, lines=tuple(replace(line, denial=denial) for line in self.lines))


def member_of_team(sequence: int, clinician: Clinician, role: str, *, qualified: bool = False) -> Resource:
    """A careTeam entry; the primary doctor's role is of the base code system, the others of CARIN's."""
    system = f"{TERMINOLOGY}/claimcareteamrole" if role == "primary" else carin_system("C4BBClaimCareTeamRole")
    made: Resource = {
        "sequence": sequence,
        "provider": {"reference": clinician.reference, "display": clinician.name},
        "role": concept(system, role),
    }
    if qualified:
        made["qualification"] = concept("http://nucc.org/provider-taxonomy", clinician.taxonomy)
    return made


def diagnosis(sequence: int, reason: Reason, kind: str, *, present: bool = False) -> Resource:
    """A diagnosis entry with plain words."""
    base = kind in ("principal", "admitting")
    system = f"{TERMINOLOGY}/ex-diagnosistype" if base else carin_system("C4BBClaimDiagnosisType")
    made: Resource = {
        "sequence": sequence,
        "diagnosisCodeableConcept": concept(ICD10_CM, reason.icd10, text=reason.words),
        "type": [concept(system, kind)],
    }
    if present:
        made["onAdmission"] = concept("https://www.nubc.org/CodeSystem/PresentOnAdmissionIndicator", "Y")
    return made


def billed_by(supporting: Supporting, received: date, account: str, record: str) -> None:
    """The entries nearly every claim has: when it came, and the provider's own numbers."""
    supporting.add("clmrecvddate", timingDate=day(received))
    supporting.add("medicalrecordnumber", valueString=record)
    supporting.add("patientaccountnumber", valueString=account)
