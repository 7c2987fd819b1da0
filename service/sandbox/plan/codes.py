"""Code systems, profile names and the smallest FHIR pieces the generator is made of.

Only codes that are free to show carry words: ICD-10-CM, HCPCS level II, RxNorm, CVX, LOINC, SNOMED CT.
CDT, revenue, type of bill, taxonomy and adjustment codes stand bare: their texts belong to others.
"""

from datetime import date
from functools import cache
from typing import Any

Resource = dict[str, Any]

CARIN = "http://hl7.org/fhir/us/carin-bb"
US_CORE = "http://hl7.org/fhir/us/core"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
PLAN_NET = "http://hl7.org/fhir/us/davinci-pdex-plan-net"
MERIDIAN = "https://meridian.example/fhir"

ACT_CODE = f"{TERMINOLOGY}/v3-ActCode"
ADJUDICATION = f"{TERMINOLOGY}/adjudication"
ADJUSTMENT_REASON = "https://x12.org/codes/claim-adjustment-reason-codes"
AMBULANCE_REASON = "https://x12.org/codesystem.x12.org/ambulance-transport-reason-codes"
CDT = "http://www.ada.org/cdt"
CLAIM_TYPE = f"{TERMINOLOGY}/claim-type"
CVX = "http://hl7.org/fhir/sid/cvx"
DATA_ABSENT = f"{TERMINOLOGY}/data-absent-reason"
DATA_ABSENT_EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
DRG = (
    "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/"
    "AcuteInpatientPPS/MS-DRG-Classifications-and-Software"
)
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
ICD10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10_PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
IDENTIFIER_TYPE = f"{TERMINOLOGY}/v2-0203"
LOINC = "http://loinc.org"
NDC = "http://hl7.org/fhir/sid/ndc"
NPI = "http://hl7.org/fhir/sid/us-npi"
NUBC = "https://www.nubc.org/CodeSystem"
OBSERVATION_CATEGORY = f"{TERMINOLOGY}/observation-category"
PLACE_OF_SERVICE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
TAXONOMY = "http://nucc.org/provider-taxonomy"
TAX_ID = "urn:oid:2.16.840.1.113883.4.4"
TOOTH = f"{TERMINOLOGY}/ADAUniversalToothDesignationSystem"
MOUTH_AREA = f"{TERMINOLOGY}/ADAAreaOralCavitySystem"
UCUM = "http://unitsofmeasure.org"

MEMBER_NUMBER = f"{MERIDIAN}/member-number"
UNIQUE_MEMBER_ID = f"{MERIDIAN}/unique-member-id"
CLAIM_NUMBER = f"{MERIDIAN}/claim-number"
PAYMENT_TRACE = f"{MERIDIAN}/payment-trace-number"
DOCUMENT_ID = f"{MERIDIAN}/document-id"
VISIT_NUMBER = f"{MERIDIAN}/visit-number"
VENDOR_NUMBER = f"{MERIDIAN}/vendor-number"
PAYER_ID = f"{MERIDIAN}/payer-id"


@cache
def carin_system(name: str) -> str:
    """A code system of the CARIN guide, such as `C4BBAdjudication`."""
    return f"{CARIN}/CodeSystem/{name}"


@cache
def carin_profile(name: str) -> str:
    """A CARIN BB 2.0.0 profile with its version, which the guide's invariants demand in meta.profile."""
    return f"{CARIN}/StructureDefinition/{name}|2.0.0"


@cache
def us_core_profile(name: str) -> str:
    """A US Core 6.1.0 profile with its version."""
    return f"{US_CORE}/StructureDefinition/us-core-{name}|6.1.0"


def coding(system: str, code: str, display: str | None = None) -> Resource:
    """A FHIR Coding."""
    made: Resource = {"system": system, "code": code}
    if display is not None:
        made["display"] = display
    return made


def concept(system: str, code: str, display: str | None = None, text: str | None = None) -> Resource:
    """A CodeableConcept of one coding."""
    # Some hundreds for each member: the coding is written out here rather than called for.
    only: Resource = {"system": system, "code": code}
    if display is not None:
        only["display"] = display
    return {"coding": [only]} if text is None else {"coding": [only], "text": text}


def not_applicable(words: str) -> Resource:
    """What stands where a line has no procedure code, only a bare revenue code; the words are our own."""
    return concept(DATA_ABSENT, "not-applicable", "Not Applicable", words)


def reference(target: str, display: str | None = None) -> Resource:
    """A literal reference `Type/id`."""
    return {"reference": target} if display is None else {"reference": target, "display": display}


def quantity(value: float, unit: str, code: str | None = None) -> Resource:
    """A UCUM quantity."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit}


def money(cents: int) -> Resource:
    """An amount in US dollars, reckoned in whole cents."""
    return {"value": cents / 100, "currency": "USD"}


def day(on: date) -> str:
    """A date as FHIR writes it."""
    return on.isoformat()


def moment(on: date, minutes: int) -> str:
    """A time on that day, minutes after midnight, UTC."""
    return f"{on.isoformat()}T{minutes // 60:02d}:{minutes % 60:02d}:00Z"


def period(start: date, end: date | None = None) -> Resource:
    """A Period of whole days."""
    return {"start": day(start)} if end is None else {"start": day(start), "end": day(end)}
