"""What comes along with the matches of a search, and the scopes that it needs."""

from collections.abc import Callable

from tests.fhir.conftest import Api, entries, ids


def test_what_claims_refer_to_comes_along(api: Api) -> None:
    def included(query: str) -> set[str]:
        answer = api.get(f"ExplanationOfBenefit?_id=eob-1-{api.patient_id}&{query}")
        assert ids(answer) == [f"eob-1-{api.patient_id}"]
        return {f"{one['resourceType']}/{one['id']}" for one in entries(answer, "include")}

    mine, cov = f"Patient/{api.patient_id}", f"Coverage/cov-{api.patient_id}"
    assert included("_include=ExplanationOfBenefit:patient") == {mine}
    assert included("_include=ExplanationOfBenefit:provider") == {"Organization/clinic"}
    assert included("_include=ExplanationOfBenefit:care-team") == {"Practitioner/doctor"}
    assert included("_include=ExplanationOfBenefit:insurer") == {"Organization/payer"}
    assert included("_include=ExplanationOfBenefit:coverage") == {cov}
    everything = {mine, cov, "Organization/clinic", "Organization/payer", "Practitioner/doctor"}
    assert included("_include=ExplanationOfBenefit:*") == everything
    assert included("_include=*") == everything
    chained = "_include=ExplanationOfBenefit:coverage&_include:iterate=Coverage:payor"
    assert included(chained) == {cov, "Organization/payer"}
    assert included("_revinclude=Provenance:target") == {f"Provenance/prov-{api.patient_id}"}
    assert included("_include=ExplanationOfBenefit:nothing") == set()


def test_included_resources_need_their_own_scope(connect: Callable[..., Api]) -> None:
    api = connect("launch/patient patient/ExplanationOfBenefit.rs patient/Organization.s")

    answer = api.get("ExplanationOfBenefit?_include=*&_revinclude=Provenance:target")

    assert ids(answer)
    assert entries(answer, "include") == []


def test_a_granular_scope_holds_for_what_comes_along(connect: Callable[..., Api]) -> None:
    claims = "patient/ExplanationOfBenefit.rs?type=http://terminology.hl7.org/CodeSystem/claim-type"

    def included(scope: str) -> int:
        answer = connect(f"launch/patient patient/Provenance.rs {scope}").get("Provenance?_include=Provenance:target")
        assert ids(answer)
        return len(entries(answer, "include"))

    whole = included("patient/ExplanationOfBenefit.rs")
    parts = [included(f"{claims}|{kind}") for kind in ("professional", "pharmacy", "institutional", "oral", "vision")]
    assert whole == sum(parts) == 1 and parts.count(0) == 4
