"""The search parameters as data: for each type its rows of name, kind, column, path and where it is defined.

A path names elements from the resource's root; `|` joins alternatives, `extension[url]` picks an extension.
"""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """The FHIR type of a search parameter.

    `CODE` is a token whose element has no system beside it, `CANONICAL` a reference by canonical URL.
    """

    TOKEN = "token"
    CODE = "code"
    DATE = "date"
    REFERENCE = "reference"
    STRING = "string"
    URI = "uri"
    CANONICAL = "canonical"

    @property
    def declared(self) -> str:
        """The type as the CapabilityStatement says it."""
        return {Kind.CODE: "token", Kind.CANONICAL: "reference"}.get(self, self.value)


class Column(StrEnum):
    """Where the index keeps the values of a parameter."""

    ID = "id"
    LAST_UPDATED = "last_updated"
    PATIENT = "patient_id"
    DATE1 = "date1"
    DATE2 = "date2"
    DATE3 = "date3"
    DATE4 = "date4"
    STATUS = "status"
    CATEGORY = "category"
    CODE = "code"
    IDENTIFIER = "identifier"
    TOKENS = "tokens"
    TEXTS = "texts"
    REFS = "refs"
    CLAIM_NUMBER = "claim_number"
    """Of no parameter: Claims Inquiry asks by it."""


DATES = (Column.DATE1, Column.DATE2, Column.DATE3, Column.DATE4)
ARRAYS = (Column.STATUS, Column.CATEGORY, Column.CODE, Column.IDENTIFIER, Column.TOKENS, Column.REFS)
"""Columns that hold several values a row."""
NAMED = frozenset({Column.TOKENS, Column.TEXTS, Column.REFS})
"""Columns that several parameters share: each value there is led by the parameter's name."""

R4 = "http://hl7.org/fhir/SearchParameter/"
US_CORE = "http://hl7.org/fhir/us/core/SearchParameter/us-core-"
CARIN = "http://hl7.org/fhir/us/carin-bb/SearchParameter/"
PLAN_NET = "http://hl7.org/fhir/us/davinci-pdex-plan-net/SearchParameter/"


_C, _T, _D, _R, _S, _U = Kind.CODE, Kind.TOKEN, Kind.DATE, Kind.REFERENCE, Kind.STRING, Kind.URI
_CANONICAL = Kind.CANONICAL
_ASSERTED = "extension[http://hl7.org/fhir/StructureDefinition/condition-assertedDate].valueDateTime"
_SERVICED = "item.servicedDate|item.servicedPeriod"
_SERVICE_START = "billablePeriod.start|item.servicedDate|item.servicedPeriod.start"

# type: rows of name, kind, column, path, where it is defined (a bare name is R4's own)
DECLARED: Mapping[str, tuple[tuple[str, Kind, Column, str, str], ...]] = {
    "AllergyIntolerance": (
        ("clinical-status", _T, Column.STATUS, "clinicalStatus", US_CORE),
        ("category", _C, Column.CATEGORY, "category", R4),
        ("code", _T, Column.CODE, "code|reaction.substance", "clinical-code"),
        ("date", _D, Column.DATE1, "recordedDate", "clinical-date"),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
    ),
    "AuditEvent": (
        ("date", _D, Column.DATE1, "recorded", R4),
        ("type", _T, Column.TOKENS, "type", R4),
        ("subtype", _T, Column.TOKENS, "subtype", R4),
        ("action", _C, Column.TOKENS, "action", R4),
        ("outcome", _C, Column.TOKENS, "outcome", R4),
        ("altid", _C, Column.TOKENS, "agent.altId", R4),
        ("entity-type", _T, Column.TOKENS, "entity.type", R4),
    ),
    "CarePlan": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("category", _T, Column.CATEGORY, "category", US_CORE),
        ("date", _D, Column.DATE1, "period", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", R4),
        ("care-team", _R, Column.REFS, "careTeam", R4),
        ("condition", _R, Column.REFS, "addresses", R4),
        ("goal", _R, Column.REFS, "goal", R4),
    ),
    "CareTeam": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("category", _T, Column.CATEGORY, "category", R4),
        ("role", _T, Column.CODE, "participant.role", US_CORE),
        ("date", _D, Column.DATE1, "period", "clinical-date"),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", R4),
        ("participant", _R, Column.REFS, "participant.member", R4),
    ),
    "Condition": (
        ("clinical-status", _T, Column.STATUS, "clinicalStatus", US_CORE),
        ("category", _T, Column.CATEGORY, "category", US_CORE),
        ("code", _T, Column.CODE, "code", US_CORE),
        ("onset-date", _D, Column.DATE1, "onsetDateTime|onsetPeriod", US_CORE),
        ("recorded-date", _D, Column.DATE2, "recordedDate", US_CORE),
        ("asserted-date", _D, Column.DATE3, _ASSERTED, US_CORE),
        ("abatement-date", _D, Column.DATE4, "abatementDateTime|abatementPeriod", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", US_CORE),
    ),
    "Consent": (
        ("status", _C, Column.STATUS, "status", R4),
        ("category", _T, Column.CATEGORY, "category", R4),
        ("scope", _T, Column.CODE, "scope", R4),
        ("date", _D, Column.DATE1, "dateTime", "clinical-date"),
        ("period", _D, Column.DATE2, "provision.period", R4),
    ),
    "Coverage": (
        ("status", _C, Column.STATUS, "status", R4),
        ("type", _T, Column.CATEGORY, "type", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("payor", _R, Column.REFS, "payor", CARIN),
    ),
    "Device": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("type", _T, Column.CATEGORY, "type", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
    ),
    "DiagnosticReport": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("category", _T, Column.CATEGORY, "category", US_CORE),
        ("code", _T, Column.CODE, "code", US_CORE),
        ("date", _D, Column.DATE1, "effectiveDateTime|effectivePeriod", US_CORE),
        ("issued", _D, Column.DATE2, "issued", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", "clinical-encounter"),
        ("result", _R, Column.REFS, "result", R4),
        ("performer", _R, Column.REFS, "performer", R4),
    ),
    "DocumentReference": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("category", _T, Column.CATEGORY, "category", US_CORE),
        ("type", _T, Column.CODE, "type", US_CORE),
        ("date", _D, Column.DATE1, "date", US_CORE),
        ("period", _D, Column.DATE2, "context.period", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "masterIdentifier|identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "context.encounter", "clinical-encounter"),
        ("author", _R, Column.REFS, "author", R4),
        ("custodian", _R, Column.REFS, "custodian", R4),
    ),
    "Encounter": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("class", _T, Column.CATEGORY, "class", US_CORE),
        ("type", _T, Column.CODE, "type", US_CORE),
        ("discharge-disposition", _T, Column.TOKENS, "hospitalization.dischargeDisposition", US_CORE),
        ("date", _D, Column.DATE1, "period", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", US_CORE),
        ("location", _R, Column.REFS, "location.location", US_CORE),
        ("participant", _R, Column.REFS, "participant.individual", R4),
        ("service-provider", _R, Column.REFS, "serviceProvider", R4),
    ),
    "ExplanationOfBenefit": (
        ("type", _T, Column.CATEGORY, "type", CARIN),
        ("status", _C, Column.STATUS, "status", R4),
        ("use", _C, Column.CODE, "use", "http://hl7.org/fhir/us/davinci-pdex/SearchParameter/explanationofbenefit-use"),
        ("identifier", _T, Column.IDENTIFIER, "identifier", CARIN),
        ("service-date", _D, Column.DATE1, "billablePeriod|" + _SERVICED, CARIN),
        ("service-start-date", _D, Column.DATE2, _SERVICE_START, CARIN),
        ("billable-period-start", _D, Column.DATE3, "billablePeriod.start", CARIN),
        ("created", _D, Column.DATE4, "created", R4),
        ("provider", _R, Column.REFS, "provider", CARIN),
        ("care-team", _R, Column.REFS, "careTeam.provider", CARIN),
        ("coverage", _R, Column.REFS, "insurance.coverage", CARIN),
        ("insurer", _R, Column.REFS, "insurer", CARIN),
        ("payee", _R, Column.REFS, "payee.party", R4),
        ("encounter", _R, Column.REFS, "item.encounter", R4),
    ),
    "Goal": (
        ("lifecycle-status", _C, Column.STATUS, "lifecycleStatus", US_CORE),
        ("category", _T, Column.CATEGORY, "category", R4),
        ("description", _T, Column.CODE, "description", US_CORE),
        ("target-date", _D, Column.DATE1, "target.dueDate", US_CORE),
        ("start-date", _D, Column.DATE2, "startDate", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
    ),
    "Immunization": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("vaccine-code", _T, Column.CODE, "vaccineCode", R4),
        ("date", _D, Column.DATE1, "occurrenceDateTime", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("location", _R, Column.REFS, "location", R4),
    ),
    "Media": (
        ("status", _C, Column.STATUS, "status", R4),
        ("type", _T, Column.CATEGORY, "type", R4),
        ("created", _D, Column.DATE1, "createdDateTime|createdPeriod", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
    ),
    "Medication": (
        ("status", _C, Column.STATUS, "status", R4),
        ("code", _T, Column.CODE, "code", "clinical-code"),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
    ),
    "MedicationDispense": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("type", _T, Column.CATEGORY, "type", US_CORE),
        ("code", _T, Column.CODE, "medicationCodeableConcept", "clinical-code"),
        ("whenhandedover", _D, Column.DATE1, "whenHandedOver", R4),
        ("whenprepared", _D, Column.DATE2, "whenPrepared", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("medication", _R, Column.REFS, "medicationReference", "medications-medication"),
        ("prescription", _R, Column.REFS, "authorizingPrescription", "medications-prescription"),
        ("performer", _R, Column.REFS, "performer.actor", R4),
    ),
    "MedicationRequest": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("intent", _C, Column.CATEGORY, "intent", US_CORE),
        ("category", _T, Column.TOKENS, "category", R4),
        ("code", _T, Column.CODE, "medicationCodeableConcept", "clinical-code"),
        ("authoredon", _D, Column.DATE1, "authoredOn", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", US_CORE),
        ("medication", _R, Column.REFS, "medicationReference", "medications-medication"),
        ("requester", _R, Column.REFS, "requester", R4),
    ),
    "Observation": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("category", _T, Column.CATEGORY, "category", US_CORE),
        ("code", _T, Column.CODE, "code", US_CORE),
        ("date", _D, Column.DATE1, "effectiveDateTime|effectivePeriod|effectiveInstant", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", "clinical-encounter"),
        ("performer", _R, Column.REFS, "performer", R4),
        ("specimen", _R, Column.REFS, "specimen", R4),
        ("derived-from", _R, Column.REFS, "derivedFrom", R4),
        ("has-member", _R, Column.REFS, "hasMember", R4),
    ),
    "Patient": (
        ("identifier", _T, Column.IDENTIFIER, "identifier", US_CORE),
        ("gender", _C, Column.CATEGORY, "gender", US_CORE),
        ("birthdate", _D, Column.DATE1, "birthDate", US_CORE),
        ("death-date", _D, Column.DATE2, "deceasedDateTime", US_CORE),
        ("name", _S, Column.TEXTS, "name", US_CORE),
        ("family", _S, Column.TEXTS, "name.family", US_CORE),
        ("given", _S, Column.TEXTS, "name.given", US_CORE),
        ("general-practitioner", _R, Column.REFS, "generalPractitioner", R4),
        ("organization", _R, Column.REFS, "managingOrganization", R4),
    ),
    "Practitioner": (
        ("active", _C, Column.STATUS, "active", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", US_CORE),
        ("name", _S, Column.TEXTS, "name", US_CORE),
        ("family", _S, Column.TEXTS, "name.family", "individual-family"),
        ("given", _S, Column.TEXTS, "name.given", "individual-given"),
    ),
    "Procedure": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("category", _T, Column.CATEGORY, "category", R4),
        ("code", _T, Column.CODE, "code", US_CORE),
        ("date", _D, Column.DATE1, "performedDateTime|performedPeriod", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", "clinical-encounter"),
        ("performer", _R, Column.REFS, "performer.actor", R4),
        ("location", _R, Column.REFS, "location", R4),
    ),
    "Provenance": (
        ("recorded", _D, Column.DATE1, "recorded", R4),
        ("target", _R, Column.REFS, "target", R4),
        ("agent", _R, Column.REFS, "agent.who", R4),
    ),
    "Questionnaire": (
        ("status", _C, Column.STATUS, "status", R4),
        ("date", _D, Column.DATE1, "date", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("url", _U, Column.TOKENS, "url", R4),
        ("name", _S, Column.TEXTS, "name", R4),
        ("title", _S, Column.TEXTS, "title", R4),
    ),
    "QuestionnaireResponse": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("authored", _D, Column.DATE1, "authored", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("questionnaire", _CANONICAL, Column.TOKENS, "questionnaire", US_CORE),
        ("author", _R, Column.REFS, "author", R4),
    ),
    "RelatedPerson": (
        ("active", _C, Column.STATUS, "active", R4),
        ("relationship", _T, Column.CATEGORY, "relationship", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("name", _S, Column.TEXTS, "name", US_CORE),
    ),
    "ServiceRequest": (
        ("status", _C, Column.STATUS, "status", US_CORE),
        ("category", _T, Column.CATEGORY, "category", US_CORE),
        ("code", _T, Column.CODE, "code", US_CORE),
        ("authored", _D, Column.DATE1, "authoredOn", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", "clinical-identifier"),
        ("encounter", _R, Column.REFS, "encounter", "clinical-encounter"),
        ("requester", _R, Column.REFS, "requester", R4),
    ),
    "Specimen": (
        ("status", _C, Column.STATUS, "status", R4),
        ("type", _T, Column.CATEGORY, "type", R4),
        ("collected", _D, Column.DATE1, "collection.collectedDateTime|collection.collectedPeriod", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
    ),
}  # fmt: skip

PRIMARY_DATES: Mapping[str, str] = {"Coverage": "period"}
"""Types that R4 gives no date parameter: the element by which they are put in order of time."""

PATIENT_DEFINITIONS: Mapping[str, str] = {
    "AuditEvent": R4 + "AuditEvent-patient",
    "Consent": R4 + "clinical-patient",
    "ExplanationOfBenefit": CARIN + "explanationofbenefit-patient",
    "Media": R4 + "Media-patient",
    "Provenance": R4 + "Provenance-patient",
}
"""Where `patient` is defined for types that US Core does not give it."""

MODIFIERS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TOKEN: ("not",),
    Kind.CODE: ("not",),
    Kind.STRING: ("exact", "contains"),
    Kind.REFERENCE: ("identifier",),
}
"""What each kind takes besides `missing`; a reference also a type it may point to, an identifier `of-type`."""
