"""The rules of search, on both databases: prefixes over periods, tokens, strings, references, chains, order, parts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cmp_to_key
from typing import Any
from urllib.parse import parse_qsl

import pytest
import time_machine
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent import policy
from consent.policy import Access, GrantFacts, plan_system
from fhir import store
from fhir.loading import ingest
from fhir.outcomes import FhirProblem
from fhir.search import query as searching
from fhir.storage.results import Page
from oauth.tokens.token_problems import InsufficientScope
from service.db import Base, make_engine
from tests.conftest import new_schema
from tests.fhir import searched
from tests.fhir.records import CATEGORY
from tests.fhir.searched import MEMBER, MEMBER_ID, NPI, TYPES_OF_IDENTIFIER

BASE = "http://localhost/fhir/r4"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The resources of `searched`, loaded once for all tests here."""
    if request.param == "sqlite":
        yield from _loaded(f"sqlite:///{tmp_path_factory.mktemp('searched')}/searched.db")
        return
    with new_schema() as url:
        yield from _loaded(url)


def _loaded(url: str) -> Iterator[Engine]:
    made = make_engine(url)
    Base.metadata.create_all(made)
    summary = ingest.load_resources(made, _plain(searched.everything()), access=plan_system("tests"))
    assert not summary.rejected, summary.problems
    yield made
    made.dispose()


def _plain(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if value is not None} for one in resources]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on them."""
    with Session(engine) as made:
        yield made


def member(scope: str = "patient/*.rs") -> Access:
    """An app's access to the member's record."""
    return policy.access_for_grant(GrantFacts("g", "a", "c", "m", MEMBER, scope, scope, scope, frozenset()))


def page_of(session: Session, resource_type: str, query: str, access: Access | None = None) -> Page:
    """The first page of a search, strictly handled."""
    access = access or member()
    given = parse_qsl(query, keep_blank_values=True)
    asked = searching.parse(resource_type, given, base=BASE, patient_ids=access.patient_ids, strict=True)
    return store.search(session, access, asked)


def ids(session: Session, resource_type: str, query: str, access: Access | None = None) -> list[str]:
    """The ids of all matches in order, page by page."""
    access = access or member()
    asked = searching.parse(
        resource_type, parse_qsl(query), base=BASE, patient_ids=access.patient_ids, strict=True
    )  # fmt: skip
    page = store.search(session, access, asked)
    found = [one.id for one in page.matches]
    while page.following:
        page = store.search(session, access, asked, page.following)
        found += [one.id for one in page.matches]
    assert len(found) == len(set(found))
    return found


def check(session: Session, resource_type: str, expected: dict[str, str]) -> None:
    """Each query finds the ids named in one text."""
    for query, names in expected.items():
        assert set(ids(session, resource_type, query)) == set(names.split()), query


def test_prefixes_compare_ranges_with_ranges(session: Session) -> None:
    with time_machine.travel(datetime(2026, 11, 26, tzinfo=UTC), tick=False):
        check(session, "Encounter", {
            "date=2024": "closed",
            "date=2023-12": "",
            "date=eq2024-03": "closed",
            "date=ne2024": "open-end open-start new-year",
            "date=gt2024-01-10": "closed open-end open-start",
            "date=ge2024-01-10": "closed open-end open-start new-year",
            "date=ge2024-05-01": "open-end",
            "date=lt2024-01-01": "new-year open-start",
            "date=le2024-03-10": "closed new-year open-start",
            "date=lt2024-03-10": "new-year open-start",
            "date=sa2024-01-10": "closed open-end",
            "date=sa2024-03-10": "open-end",
            "date=eb2024-03-10": "new-year open-start",
            "date=eb2024-01-10": "",
            "date=ap2024-03": "closed open-end open-start new-year",
            "date=ge2024-03-10T08:00:00-05:00&date=le2024-03-12T10:00:00-05:00": "closed",
            "date=gt2024-03-12T10:00:00-05:00": "open-end",
            "date=gt2024-03-12T09:59:59-05:00": "closed open-end",
            "date=lt2024-03-10T13:00:00Z": "new-year open-start",
            "date=le2024-03-10T13:00:00Z": "closed new-year open-start",
            "date=ge2024-03-12T15:00:00%2B00:00": "closed open-end",
            "date=2024,2023-12": "closed",
            "date=gt9999": "open-end",
            "date=lt0001": "open-start",
            "date:missing=true": "undated",
            "date:missing=false": "closed open-end open-start new-year",
        })  # fmt: skip


def test_precision_and_zone_of_instants(session: Session) -> None:
    check(session, "Observation", {
        "date=2026-01-02": "by-logical by-literal by-plan",
        "date=2026-01-02T04:30:00Z": "by-logical",
        "date=2026-01-02T04:30Z": "by-logical",
        "date=2026-01-01T23:30:00-05:00": "by-logical",
        "date=2026-01-01T23:30:00%2005:00": "",
        "date=gt2026-01-02": "two-codes",
        "date=lt2026-01-02T04:30:00Z": "by-literal by-plan",
        "date=sa2026-01-02T04:30:00Z": "two-codes",
    })  # fmt: skip


def test_dates_of_service_are_each_looked_at(session: Session) -> None:
    check(session, "ExplanationOfBenefit", {
        "service-date=2026-03-02": "",
        "service-date=2026-03": "c3 c4",
        "service-date=2026-02-12": "c3",
        "service-date=sa2026-02-20": "c3 c4",
        "service-date=eb2026-02-11": "c1 c2",
        "service-start-date=2026-03-01": "c3",
        "billable-period-start=2026-02-10": "c2 c3",
        "billable-period-start=gt2026-02-09T00:00:00-05:00&use=claim": "c2 c3",
        "use=preauthorization": "c4",
        "created:missing=true": "c4",
    })  # fmt: skip


def test_tokens_by_system_code_and_both(session: Session) -> None:
    loinc, vitals = "http://loinc.org", "http://terminology.hl7.org/CodeSystem/observation-category"
    check(session, "Observation", {
        "code=8867-4": "two-codes",
        f"code={loinc}%7C8867-4": "two-codes",
        "code=%7C8867-4": "",
        "code=%7Clocal": "two-codes",
        f"code={loinc}%7Clocal": "",
        f"code={loinc}%7C": "by-logical by-literal by-plan two-codes uncategorised",
        "code=local,2339-0": "by-logical by-literal by-plan two-codes uncategorised",
        f"category={vitals}%7Cvital-signs": "two-codes",
        "category:not=laboratory": "two-codes uncategorised",
        "category:not=laboratory,vital-signs": "uncategorised",
        "category:missing=true": "uncategorised",
        "status=amended,preliminary": "by-logical uncategorised",
        "status:not=final": "by-logical uncategorised",
        "category=laboratory&code=2339-0&date=2026-01-02&status=final": "by-literal by-plan",
        "_id=by-plan,nobody": "by-plan",
        "_id:missing=false&status=amended": "by-logical",
        "patient:missing=true": "",
        "subject:missing=false&code=local": "two-codes",
    })  # fmt: skip


def test_identifiers_by_their_type(session: Session) -> None:
    check(session, "Patient", {
        f"identifier={MEMBER_ID}%7CM\\%7C1\\,2": MEMBER,
        f"identifier:of-type={TYPES_OF_IDENTIFIER}%7CMB%7CM\\%7C1\\,2": MEMBER,
        f"identifier:of-type={TYPES_OF_IDENTIFIER}%7CMB%7CU-1": "",
        f"identifier:of-type={TYPES_OF_IDENTIFIER}%7CUMB%7CU-1": MEMBER,
        "identifier:of-type=urn:other%7CMB%7CU-1": "",
        "identifier=of-type": "",
    })  # fmt: skip


def test_strings_whatever_their_case_and_accents(session: Session) -> None:
    check(session, "Patient", {
        "name=garcia": MEMBER, "name=JOSÉ": MEMBER, "name=maria": MEMBER, "name=arc": "", "family=GARCÍA": MEMBER,
        "given=garcia": "", "name:exact=García": MEMBER, "name:exact=garcia": "", "name:exact=Garc": "",
        "name:contains=ARC": MEMBER, "family:contains=jos": "", "given:contains=ÁRI": MEMBER, "name=x,jose": MEMBER,
        "birthdate=1956-04-30&name=garcia": MEMBER, "gender=female&name=jose": MEMBER, "gender=male&name=jose": "",
        "birthdate=1956-04-30&family=garcia": MEMBER, "death-date:missing=true&family=garcia": MEMBER,
    })  # fmt: skip
    check(session, "Practitioner", {
        "name=nunez strasse": "zoe", "name:contains=str": "zoe", "name:exact=Núñez Straße": "zoe", "name=dr.": "zoe",
        'name:contains=slash "q': "quoted", "name:contains=\\\\u001f": "quoted", "name=back\\\\slash": "quoted",
        "name:contains={brace}": "quoted", "name:contains=\\\\\\\\": "", "name:missing=true": "nameless",
        "name:contains=o": "zoe quoted",
    })  # fmt: skip
    check(session, "Organization", {
        "address=spring": "clinic", "address=ma": "clinic", "address=12 main": "clinic", "address=main": "",
        "address:contains=main": "clinic", "name=corner": "", "name=the c": "clinic", "name:contains=paulo": "clinic",
        "name=clinic of sao": "clinic",
    })  # fmt: skip
    check(
        session,
        "Location",
        {"address-city=spring": "ward", "address-state:exact=MA": "ward", "address-postalcode=0": ""},
    )
    check(session, "RelatedPerson", {"name=agren": "aunt", f"patient={MEMBER}&name=Å": "aunt"})


def test_references_by_id_type_address_and_identifier(session: Session) -> None:
    check(session, "Observation", {
        "performer=zoe": "by-literal",
        "performer=Practitioner/zoe": "by-literal",
        f"performer={BASE}/Practitioner/zoe": "by-literal",
        "performer=https://elsewhere.example/fhir/Practitioner/zoe": "",
        "performer:Practitioner=zoe": "by-literal",
        "performer:Organization=zoe": "",
        "performer:Organization=clinic,zoe": "by-plan",
        "performer:identifier=2000000009": "by-logical",
        f"performer:identifier={NPI}%7C2000000009": "by-logical",
        f"performer:identifier={NPI}%7C": "by-logical",
        "performer:identifier=%7C2000000009": "",
        "performer:identifier=2000000001": "",
        "performer:missing=true": "two-codes uncategorised",
        "performer:missing=false": "by-logical by-literal by-plan",
        "encounter=Encounter/closed": "by-plan",
        "performer=urn:uuid:6f0e8f7e-0000-4000-8000-000000000000": "",
    })  # fmt: skip
    check(session, "QuestionnaireResponse", {
        "questionnaire=http://example.org/q/phq": "answers", "questionnaire=http://example.org/q/phq|2.0": "answers",
        "questionnaire=http://example.org/q/phq|1.0": "", f"patient={MEMBER}&authored=ge2026-01-06": "answers",
    })  # fmt: skip
    check(
        session,
        "Questionnaire",
        {"url=http://example.org/q/phq": "phq", "url=http://example.org/q": "", "title=mood": "phq"},
    )


def test_chains_go_where_the_guides_say(session: Session) -> None:
    check(session, "PractitionerRole", {
        f"practitioner.identifier={NPI}%7C2000000001": "role-zoe",
        "practitioner.identifier=2000000001,2000000002": "role-zoe role-quoted",
        "practitioner.name=zoe": "role-zoe",
        "practitioner.name=z,back": "role-zoe role-quoted",
        "practitioner:Practitioner.name:exact=Zoë": "role-zoe",
        "practitioner.name:contains=uot": "role-quoted",
        "practitioner.name=nobody": "",
        "practitioner.name=zoe&specialty=207Q00000X": "role-zoe",
        "practitioner=Practitioner/zoe": "role-zoe",
    })  # fmt: skip
    with pytest.raises(InsufficientScope):
        ids(session, "PractitionerRole", "practitioner.name=zoe", member("patient/PractitionerRole.rs"))
    with pytest.raises(FhirProblem):
        ids(session, "PractitionerRole", "practitioner.gender=male")
    with pytest.raises(FhirProblem):
        ids(session, "Observation", "performer.name=zoe")


def test_matches_come_in_the_order_asked_for(session: Session) -> None:
    claims = {
        "c1": {"status": "cancelled", "type": "pharmacy", "created": "2026-01-10", "service-date": "2026-01-10"},
        "c2": {"status": "active", "type": "pharmacy", "created": "2026-03-01", "service-date": "2026-02-10"},
        "c3": {"status": "active", "type": "institutional", "created": "2026-02-20", "service-date": "2026-02-10"},
        "c4": {"status": "active", "type": "professional", "created": "", "service-date": "2026-03-10"},
    }
    for text in (
        "status,-service-date", "-service-date,created", "service-date,-created,type", "created", "-created",
        "type,status",
        "-type,-status,_id", "-_id", "_id", "-service-date,-_id,status", "identifier", "_lastUpdated,-type",
    ):  # fmt: skip
        expected = sorted(claims, key=cmp_to_key(lambda one, two, text=text: _compared(claims, text, one, two)))
        for count in (1, 2, 50):
            assert ids(session, "ExplanationOfBenefit", f"_sort={text}&_count={count}") == expected, (text, count)
    with pytest.raises(FhirProblem):
        ids(session, "ExplanationOfBenefit", "_sort=provider")


def _compared(claims: dict[str, dict[str, str]], text: str, one: str, two: str) -> int:
    for part in [*text.split(","), "_id"]:
        name = part.removeprefix("-")
        left, right = claims[one].get(name, one), claims[two].get(name, two)
        if name == "_lastUpdated":
            continue
        if left != right:
            return (-1 if left < right else 1) * (-1 if part.startswith("-") else 1)
    return 0


def test_includes_follow_what_is_asked_and_what_that_refers_to(session: Session) -> None:
    def included(resource_type: str, query: str, scope: str = "patient/*.rs") -> set[str]:
        page = page_of(session, resource_type, query, member(scope))
        return {f"{one.type}/{one.id}" for one in page.included}

    team = "_include=CareTeam:participant"
    everyone = {"Practitioner/zoe", "RelatedPerson/aunt", f"Patient/{MEMBER}", "PractitionerRole/role-zoe"}
    assert included("CareTeam", team) == everyone
    assert included("CareTeam", f"{team}:Practitioner") == {"Practitioner/zoe"}
    assert included("CareTeam", f"{team}:Patient&{team}:RelatedPerson") == {f"Patient/{MEMBER}", "RelatedPerson/aunt"}
    assert included("CareTeam", f"{team}&_include:iterate=PractitionerRole:endpoint") == {*everyone, "Endpoint/e1"}
    assert included("CareTeam", team, "patient/CareTeam.rs patient/Practitioner.r") == {"Practitioner/zoe"}
    assert included("MedicationRequest", "_include=MedicationRequest:medication") == {"Medication/pill"}
    assert included("MedicationDispense", "_include=MedicationDispense:medication") == {"Medication/pill"}
    assert included("PractitionerRole", "_include=PractitionerRole:*") == {
        "Practitioner/zoe", "Practitioner/quoted", "Endpoint/e1",
    }  # fmt: skip
    assert included("ExplanationOfBenefit", "_id=c2&_include=ExplanationOfBenefit:payee") == {"Organization/clinic"}
    assert included("MedicationRequest", "_include=MedicationRequest:*", "patient/MedicationRequest.rs") == set()
    claims = "_id=c1&_revinclude=Provenance:target"
    assert included("ExplanationOfBenefit", claims) == {"Provenance/of-claim"}
    assert included("ExplanationOfBenefit", claims, "patient/ExplanationOfBenefit.rs") == set()
    iterated = "_id=c1&_include=ExplanationOfBenefit:patient&_revinclude:iterate=Provenance:target"
    assert included("ExplanationOfBenefit", iterated) == {
        f"Patient/{MEMBER}", "Provenance/of-claim", "Provenance/of-member", "Provenance/of-sensitive",
    }  # fmt: skip
    everything = included("ExplanationOfBenefit", "_include=*")
    assert f"Patient/{MEMBER}" in everything and "Organization/clinic" in everything


def test_what_refers_to_a_match_needs_the_scope_of_its_own_type(session: Session) -> None:
    def brought(scope: str) -> set[str]:
        query = "_id=zoe&_revinclude=PractitionerRole:practitioner"
        return {f"{one.type}/{one.id}" for one in page_of(session, "Practitioner", query, member(scope)).included}

    assert brought("patient/*.rs") == {"PractitionerRole/role-zoe"}
    assert brought("patient/Practitioner.rs patient/PractitionerRole.r") == {"PractitionerRole/role-zoe"}
    assert brought("patient/Practitioner.rs") == set()


def test_what_comes_along_is_filtered_like_what_is_found(session: Session) -> None:
    def included(access: Access) -> set[str]:
        page = page_of(session, "Provenance", "_id=of-sensitive&_include=Provenance:target", access)
        return {f"{one.type}/{one.id}" for one in page.included}

    scope = "patient/*.rs"
    facts = GrantFacts("g", "a", "c", "m", MEMBER, scope, scope, scope, frozenset({"substance_use"}))
    ordinary = {f"Patient/{MEMBER}", "Observation/by-plan"}
    assert included(member()) == ordinary
    assert included(policy.access_for_grant(facts)) == ordinary | {"ExplanationOfBenefit/sensitive"}
    granular = f"patient/Provenance.rs patient/Patient.s patient/Observation.rs?category={CATEGORY}|"
    assert included(member(f"{granular}vital-signs")) == set()
    assert included(member(f"{granular}laboratory")) == {"Observation/by-plan"}
    assert page_of(session, "ExplanationOfBenefit", "_count=0").total == 4


def test_totals_and_counts(session: Session) -> None:
    for query, total in {
        "_count=2": None, "_count=2&_total=none": None, "_count=2&_total=accurate": 4, "_count=2&_total=estimate": 4,
        "_count=0": 4, "_count=000": 4, "_summary=count": 4, "_count=4": 4, "_count=99999999999999999999": 4,
    }.items():  # fmt: skip
        assert page_of(session, "ExplanationOfBenefit", query).total == total, query
    first = page_of(session, "ExplanationOfBenefit", "_count=3&_total=accurate&_include=*")
    assert len(first.matches) == 3 and first.total == 4
