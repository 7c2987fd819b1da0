"""What records are to hold whatever their profile (conformance C2, C3, D1, D9, D10, D12)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from service.conformance.guides import stated
from service.conformance.records import member
from service.conformance.records.elements import references, values
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect, expect_status

_JSON = frozenset({"json", "application/json", "application/fhir+json"})
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ABSENT_CODES = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_CATEGORIES = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
_NOTES = ("18842-5", "11488-4", "34117-2", "11506-3", "28570-0")
"""Discharge summary, consultation, history and physical, progress note, procedure note (US Core, Clinical Notes)."""
_REPORTS = ("LP29708-2", "LP7839-6", "LP29684-5")
"""Cardiology, pathology, radiology."""
_SCREENINGS = ("sdoh", "functional-status", "disability-status", "cognitive-status")


def _whole_statement(trial: Trial) -> None:
    told = trial.capability_statement
    expect(told.get("resourceType") == "CapabilityStatement", "a CapabilityStatement", told.get("resourceType"))
    for name, wanted in (("kind", "instance"), ("fhirVersion", "4.0.1")):
        expect(told.get(name) == wanted, f"{name} {wanted}", told.get(name))
    lacking = [name for name in ("status", "date", "format", "rest") if not told.get(name)]
    expect(not lacking, "status, date, format and rest", f"no {', '.join(lacking)}")
    found = set(told.get("format", ()))
    expect(found & _JSON, "JSON among the formats", ", ".join(sorted(found)))


def _instantiates(url: str) -> Check:
    def check(trial: Trial) -> None:
        listed = {str(one).partition("|")[0] for one in trial.capability_statement.get("instantiates", ())}
        expect(url in listed, url, "not instantiated")

    return check


def _profiles_listed(trial: Trial) -> None:
    """US Core Patient and one more at least; and whatever the member's records claim."""
    rest: Mapping[str, Any] = next(iter(trial.capability_statement.get("rest", ())), {})
    listed = {url.partition("|")[0] for one in rest.get("resource", ()) for url in one.get("supportedProfile", ())}
    known = {one.name for one in stated.everything() if one.kind == "profile"}
    patient = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
    expect(patient in listed and len(listed & known) > 1, "us-core-patient and other profiles", len(listed & known))
    claimed = {str(url).partition("|")[0] for one in _all(trial) for url in one.get("meta", {}).get("profile", ())}
    lacking = sorted(claimed & known - listed)
    expect(not lacking, "every profile that records claim", f"not {', '.join(lacking)}")


def _resolving(name: str) -> Check:
    """Whatever a record of this type refers to at this server can be read."""

    def check(trial: Trial) -> None:
        told = sorted({each for one in member.of_type(trial, name) for each in references(one)})
        there = [each.removeprefix(f"{trial.fhir_base}/") for each in told]
        lost = [each for each in there if each.count("/") == 1 and not _is_read(trial, each)]
        expect(not lost, f"all {len(there)} references to be read", f"{len(lost)} that cannot: {_types(lost)}")

    return check


def _is_read(trial: Trial, reference: str) -> bool:
    return reference in _known(trial) or member.read(trial, reference).status == 200


def _known(trial: Trial) -> set[str]:
    def gather() -> set[str]:
        return {f"{one['resourceType']}/{one['id']}" for one in _all(trial)}

    return trial.once("what can be referred to", gather)


def _types(lost: Iterable[str]) -> str:
    return ", ".join(sorted({each.partition("/")[0] for each in lost}))


def _absent_extension(trial: Trial) -> None:
    found = any(one.get("url") == _ABSENT for record in _all(trial) for one in _every(record))
    expect(found, f"a value that is absent with the extension {_ABSENT}", "none")


def _absent_code(trial: Trial) -> None:
    found = any(
        (one.get("system"), one.get("code")) == (_ABSENT_CODES, "unknown")
        for record in _all(trial)
        for one in _every(record)
    )
    expect(found, f"a code that is unknown of {_ABSENT_CODES}", "none")


def _every(value: Any) -> Iterable[Mapping[str, Any]]:
    """Every object below."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _every(one)


def _notes(trial: Trial) -> None:
    _require_codes(trial, "DocumentReference", "type.coding", _NOTES, "the five common clinical notes")


def _reports(trial: Trial) -> None:
    _require_codes(trial, "DiagnosticReport", "category.coding", _REPORTS, "cardiology, pathology and radiology")


def _screenings(trial: Trial) -> None:
    _require_codes(trial, "Observation", "category.coding", _SCREENINGS, f"the screenings of {_CATEGORIES}")


def _require_codes(trial: Trial, name: str, path: str, wanted: Iterable[str], words: str) -> None:
    told = {one.get("code") for record in member.of_type(trial, name) for one in values(record, path)}
    lacking = [code for code in wanted if code not in told]
    expect(not lacking, words, f"no {', '.join(lacking)}")


def _same_attachment(trial: Trial) -> None:
    """A report that is a text is found as a document too."""
    reports = member.of_type(trial, "DiagnosticReport")
    told = {place for one in reports for place in _attached(one, "presentedForm")}
    if not told:
        raise NotOffered("no DiagnosticReport among the member's records has an attachment")
    documents = member.of_type(trial, "DocumentReference")
    lacking = told - {place for one in documents for place in _attached(one, "content.attachment")}
    expect(not lacking, "each attachment in a DocumentReference too", f"{len(lacking)} of {len(told)} in none")


def _attached(record: Mapping[str, Any], path: str) -> list[str]:
    """Where the attachments lie, or what they hold."""
    return [*values(record, f"{path}.url"), *values(record, f"{path}.data")]


def _claim_type(trial: Trial) -> None:
    for one in _claims(trial):
        codings = values(one, "type.coding")
        absent = [each for each in codings if each.get("system") == _ABSENT_CODES]
        expect(codings and not absent, "a type in every claim", "one that is absent")


def _claim_outcome(trial: Trial) -> None:
    told = {one.get("outcome") for one in _claims(trial)}
    expect(told == {"complete"}, "outcome complete in every claim", ", ".join(sorted(map(str, told))))


def _claim_insurer(trial: Trial) -> None:
    """The insurer pays the coverage that the claim is about, and no other that it names."""
    for one in _claims(trial):
        insurer = one.get("insurer", {}).get("reference")
        for each in one.get("insurance", ()):
            answer = member.read(trial, each["coverage"]["reference"])
            expect_status(answer.status, {200}, "a read of the Coverage of a claim")
            payor = answer.json()["payor"][0].get("reference")
            same = payor == insurer
            expect(same is bool(each.get("focal")), "insurer and payor alike where focal, and only there", "otherwise")


def _claims(trial: Trial) -> list[dict[str, Any]]:
    """The claims; what is only foreseen (prior authorizations) has neither payment nor insurer to compare."""
    found = member.of_type(trial, "ExplanationOfBenefit")
    return [one for one in found if one.get("use") == "claim"]


def _all(trial: Trial) -> Iterable[dict[str, Any]]:
    return (one for ones in member.everything(trial).values() for one in ones)


_US_CORE = "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server"
_CARIN = "http://hl7.org/fhir/us/carin-bb/CapabilityStatement/c4bb"
_PLAIN: tuple[tuple[str, str, str, Callable[[Trial], None]], ...] = (
    ("statement", "C2, D1", "the CapabilityStatement is whole, of R4, with JSON", _whole_statement),
    ("us_core", "D1", "it instantiates us-core-server", _instantiates(_US_CORE)),
    ("carin", "C2", "it instantiates c4bb", _instantiates(_CARIN)),
    ("profiles", "D1", "it lists US Core Patient, and each profile that records claim", _profiles_listed),
    ("absent_extension", "D10", "data that is absent says so by extension", _absent_extension),
    ("absent_code", "D10", "and a code that is absent is unknown", _absent_code),
    ("notes", "D12", "documents of the five common notes", _notes),
    ("reports", "D12", "reports of three categories", _reports),
    ("attachments", "D12", "a report's attachment is found as a document", _same_attachment),
    ("screenings", "D12", "screenings by category", _screenings),
    ("claim_type", "C3", "claims have a type", _claim_type),
    ("claim_outcome", "C3", "claims are complete", _claim_outcome),
    ("claim_insurer", "C3", "the insurer is the payor of the focal coverage", _claim_insurer),
)
_TYPES = sorted({one.resource_type for one in stated.everything() if one.name == "read"})
REQUIREMENTS = (
    *(Requirement(f"records.{key}", source, title, check) for key, source, title, check in _PLAIN),
    *(
        Requirement(f"records.{name}.references", "D9", f"{name}: what it refers to can be read", _resolving(name))
        for name in _TYPES
    ),
)
