"""Small records of members for tests, each with a canary that must never be seen by anybody else."""

from typing import Any

CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CLAIM_NUMBER = "https://payer.example.org/fhir/claim-number"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


def concept(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def to(target: str, display: str | None = None) -> dict[str, Any]:
    """A literal reference."""
    return {"reference": target} | ({"display": display} if display else {})


def patient(patient_id: str, **given: Any) -> dict[str, Any]:
    """A Patient."""
    return {
        "resourceType": "Patient", "id": patient_id, "birthDate": "1956-04-30", "gender": "female",
        "name": [{"family": f"Canary-{patient_id}", "given": ["Zoë"]}],
        "identifier": [{"system": "https://payer.example.org/fhir/member-id", "value": f"MEM-{patient_id}"}],
    } | given  # fmt: skip


def claim(claim_id: str, patient_id: str, day: str = "2026-03-01", kind: str = "professional", **given: Any) -> Any:
    """An ExplanationOfBenefit."""
    return {
        "resourceType": "ExplanationOfBenefit", "id": claim_id, "status": "active", "use": "claim",
        "outcome": "complete", "type": concept(CLAIM_TYPE, kind), "patient": to(f"Patient/{patient_id}"),
        "created": day, "billablePeriod": {"start": day, "end": day},
        "identifier": [{"system": CLAIM_NUMBER, "value": f"CN-{claim_id}"}],
        "insurer": to("Organization/payer", "The Plan"), "provider": to("Organization/clinic"),
        "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": concept(ICD, "I10")}],
        "careTeam": [{"sequence": 1, "provider": to("Practitioner/doctor")}],
        "insurance": [{"focal": True, "coverage": to(f"Coverage/cov-{patient_id}")}],
        "total": [{"category": concept("http://terminology.hl7.org/CodeSystem/adjudication", "submitted"),
                   "amount": {"value": 120.50, "currency": "USD"}}],
    } | given  # fmt: skip


def coverage(patient_id: str) -> dict[str, Any]:
    """A Coverage."""
    return {
        "resourceType": "Coverage", "id": f"cov-{patient_id}", "status": "active",
        "beneficiary": to(f"Patient/{patient_id}"), "payor": [to("Organization/payer")],
        "period": {"start": "2024-01-01"}, "subscriberId": f"SUB-{patient_id}",
    }  # fmt: skip


def observation(observation_id: str, patient_id: str, category: str = "laboratory", **given: Any) -> dict[str, Any]:
    """An Observation."""
    return {
        "resourceType": "Observation", "id": observation_id, "status": "final",
        "category": [concept(CATEGORY, category)], "code": concept(LOINC, "2339-0"),
        "subject": to(f"Patient/{patient_id}"), "effectiveDateTime": "2026-02-03T10:11:12.345Z",
        "valueQuantity": {"value": 6.30, "unit": "mmol/L"},
    } | given  # fmt: skip


def provenance(provenance_id: str, *targets: str) -> dict[str, Any]:
    """A Provenance."""
    return {
        "resourceType": "Provenance", "id": provenance_id, "recorded": "2026-04-01T00:00:00Z",
        "target": [to(target) for target in targets], "agent": [{"who": to("Organization/payer")}],
    }  # fmt: skip


def shared() -> list[dict[str, Any]]:
    """The people and places that records name."""
    return [
        {"resourceType": "Organization", "id": "payer", "active": True, "name": "The Plan"},
        {"resourceType": "Organization", "id": "clinic", "active": True, "name": "Clinic"},
        {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Doctor"}]},
    ]


def record_of(patient_id: str) -> list[dict[str, Any]]:
    """A whole small record: four claims, two results, a sensitive one, Coverage and Provenance."""
    return [
        patient(patient_id),
        coverage(patient_id),
        claim(f"eob-1-{patient_id}", patient_id, "2026-01-10"),
        claim(f"eob-2-{patient_id}", patient_id, "2026-02-10", "pharmacy"),
        claim(f"eob-3-{patient_id}", patient_id, "2026-03-10", "institutional",
              billablePeriod={"start": "2026-03-10", "end": "2026-03-20"},
              item=[{"sequence": 1, "servicedDate": "2026-03-12"}, {"sequence": 2, "servicedDate": "2026-03-18"}]),
        claim(f"eob-s-{patient_id}", patient_id, "2026-04-10",
              diagnosis=[{"sequence": 1, "diagnosisCodeableConcept": concept(ICD, "F10.20")}]),
        observation(f"lab-{patient_id}", patient_id),
        observation(f"pulse-{patient_id}", patient_id, "vital-signs", code=concept(LOINC, "8867-4")),
        provenance(f"prov-{patient_id}", f"Patient/{patient_id}", f"ExplanationOfBenefit/eob-1-{patient_id}"),
    ]  # fmt: skip
