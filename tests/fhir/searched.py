"""Resources that try what searches may ask: periods with open ends, names with accents, logical references."""

from typing import Any

from tests.fhir.records import CATEGORY, ICD, LOINC, claim, concept, observation, patient, provenance, to

MEMBER, NEIGHBOUR = "member", "neighbour"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NPI = "http://hl7.org/fhir/sid/us-npi"
TYPES_OF_IDENTIFIER = "http://terminology.hl7.org/CodeSystem/v2-0203"
TO_MEMBER = to(f"Patient/{MEMBER}")
MEMBER_ID = "https://payer.example.org/fhir/member-id"


def everything() -> list[dict[str, Any]]:
    """All of it."""
    return [*_people(), *_encounters(), *_observations(), *_of_member(), *_of_neighbour()]


def _people() -> list[dict[str, Any]]:
    return [
        {"resourceType": "Practitioner", "id": "zoe", "active": True,
         "name": [{"family": "Núñez  Straße", "given": ["Zoë"], "prefix": ["Dr."]}],
         "identifier": [{"system": NPI, "value": "2000000001"}]},
        {"resourceType": "Practitioner", "id": "quoted", "active": False,
         "name": [{"text": 'Back\\slash "Quote" \\u001f {brace}'}], "identifier": [{"value": "2000000002"}]},
        {"resourceType": "Practitioner", "id": "nameless"},
        {"resourceType": "PractitionerRole", "id": "role-zoe", "practitioner": to("Practitioner/zoe"),
         "specialty": [concept("http://nucc.org/provider-taxonomy", "207Q00000X")], "endpoint": [to("Endpoint/e1")]},
        {"resourceType": "PractitionerRole", "id": "role-quoted", "practitioner": to("Practitioner/quoted")},
        {"resourceType": "PractitionerRole", "id": "role-nobody"},
        {"resourceType": "Endpoint", "id": "e1", "status": "active", "name": "Direct"},
        {"resourceType": "Organization", "id": "clinic", "name": "Clinic of São Paulo", "alias": ["The Corner"],
         "address": [{"line": ["12 Main St"], "city": "Springfield", "state": "MA", "postalCode": "01101"}]},
        {"resourceType": "Location", "id": "ward", "name": "Ward", "address": {"city": "Springfield", "state": "MA"}},
        {"resourceType": "Medication", "id": "pill", "code": concept(RXNORM, "313782")},
        {"resourceType": "Questionnaire", "id": "phq", "status": "active", "url": "http://example.org/q/phq",
         "title": "Mood"},
    ]  # fmt: skip


def _encounters() -> list[dict[str, Any]]:
    periods: dict[str, dict[str, str] | None] = {
        "closed": {"start": "2024-03-10T08:00:00-05:00", "end": "2024-03-12T10:00:00-05:00"},
        "open-end": {"start": "2024-05-01"},
        "open-start": {"end": "2024-01-15"},
        "new-year": {"start": "2023-12-20", "end": "2024-01-10"},
        "undated": None,
    }
    return [
        {"resourceType": "Encounter", "id": name, "status": "finished", "subject": TO_MEMBER,
         "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
         "type": [concept("http://snomed.info/sct", "185349003")],
         "location": [{"location": to("Location/ward")}]} | ({"period": period} if period else {})
        for name, period in periods.items()
    ]  # fmt: skip


def _observations() -> list[dict[str, Any]]:
    def one(name: str, **given: Any) -> dict[str, Any]:
        return observation(name, MEMBER) | given

    return [
        one("by-logical", performer=[{"identifier": {"system": NPI, "value": "2000000009"}}], status="amended",
            effectiveDateTime="2026-01-01T23:30:00-05:00"),
        one("by-literal", performer=[to("Practitioner/zoe/_history/2")], effectiveDateTime="2026-01-02"),
        one("by-plan", performer=[to("Organization/clinic")], effectiveDateTime="2026-01-02",
            encounter=to("Encounter/closed")),
        one("two-codes", code={"coding": [{"system": LOINC, "code": "8867-4"}, {"code": "local"}], "text": "Pulse"},
            category=[concept(CATEGORY, "vital-signs")], effectivePeriod={"start": "2026-01-03"},
            effectiveDateTime=None),
        one("uncategorised", category=None, effectiveDateTime=None, status="preliminary"),
    ]  # fmt: skip


def _of_member() -> list[dict[str, Any]]:
    identifiers = [
        {"type": concept(TYPES_OF_IDENTIFIER, "MB"), "system": MEMBER_ID, "value": "M|1,2"},
        {"type": concept(TYPES_OF_IDENTIFIER, "UMB"), "system": "urn:unique", "value": "U-1"},
    ]
    return [
        patient(MEMBER, identifier=identifiers, name=[{"family": "García", "given": ["José", "María"]}]),
        {"resourceType": "RelatedPerson", "id": "aunt", "patient": TO_MEMBER, "name": [{"family": "Ågren"}]},
        {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": TO_MEMBER,
         "participant": [{"member": to("Practitioner/zoe"), "role": [concept("http://snomed.info/sct", "17561000")]},
                         {"member": to("RelatedPerson/aunt")}, {"member": TO_MEMBER},
                         {"member": to("PractitionerRole/role-zoe")}]},
        {"resourceType": "MedicationRequest", "id": "order", "status": "active", "intent": "order",
         "subject": TO_MEMBER, "medicationReference": to("Medication/pill"), "authoredOn": "2026-01-05"},
        {"resourceType": "MedicationDispense", "id": "dispense", "status": "completed", "subject": TO_MEMBER,
         "medicationReference": to("Medication/pill"), "type": concept("http://example.org", "FF")},
        {"resourceType": "QuestionnaireResponse", "id": "answers", "status": "completed", "subject": TO_MEMBER,
         "questionnaire": "http://example.org/q/phq|2.0", "authored": "2026-01-06T10:00:00Z",
         "item": [{"linkId": "/8302-2", "text": "Height"}]},
        claim("c1", MEMBER, "2026-01-10", "pharmacy", status="cancelled"),
        claim("c2", MEMBER, "2026-02-10", "pharmacy", created="2026-03-01", payee={"party": to("Organization/clinic")}),
        claim("c3", MEMBER, "2026-02-10", "institutional", created="2026-02-20",
              billablePeriod={"start": "2026-02-10", "end": "2026-02-20"},
              item=[{"sequence": 1, "servicedDate": "2026-02-12"},
                    {"sequence": 2, "servicedPeriod": {"start": "2026-03-01", "end": "2026-03-03"}}]),
        claim("c4", MEMBER, "2026-03-10", use="preauthorization", created=None),
        claim("sensitive", MEMBER, diagnosis=[{"sequence": 1, "diagnosisCodeableConcept": concept(ICD, "F10.20")}]),
        provenance("of-sensitive", f"Patient/{MEMBER}", "ExplanationOfBenefit/sensitive", "Observation/by-plan"),
        provenance("of-claim", f"Patient/{MEMBER}", "ExplanationOfBenefit/c1"),
        provenance("of-member", f"Patient/{MEMBER}"),
    ]  # fmt: skip


def _of_neighbour() -> list[dict[str, Any]]:
    return [patient(NEIGHBOUR), claim("n1", NEIGHBOUR), observation("n-by-literal", NEIGHBOUR)]
