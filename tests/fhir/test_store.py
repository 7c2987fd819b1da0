"""The store alone: what it refuses holds for whoever calls it, not for the routes of today only."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from consent.policy import Access
from consent.scopes import parse
from fhir import store
from fhir.loading import ingest
from fhir.loading.preparation import prepare_resource
from fhir.outcomes import Gone, NotFound, OtherPatient, PreconditionFailed
from fhir.search import query
from fhir.search.clauses import Clause
from fhir.storage import statements, writing
from fhir.storage.results import Sweep
from oauth.tokens.token_problems import InsufficientScope
from tests.fhir import records


def limited(access: Access, scope: str) -> Access:
    return replace(access, scopes=parse(scope))


@pytest.mark.parametrize("scope", ["system/Observation.rs", "system/*.rs"])
def test_a_type_that_is_not_kept_is_not_found_whatever_the_scopes(session: Session, system: Access, scope: str) -> None:
    access = limited(system, scope)

    for name in ("Basic", "Teapot"):
        with pytest.raises(NotFound):
            store.read(session, access, name, "one")
        with pytest.raises(NotFound):
            store.vread(session, access, name, "one", "1")
        with pytest.raises(NotFound):
            store.history(session, access, name, "one")


def test_putting_asks_for_the_right_to_change_even_where_nothing_stands_yet(session: Session, system: Access) -> None:
    with pytest.raises(InsufficientScope) as refused:
        store.put(session, limited(system, "system/*.crs"), records.patient("p"))
    assert refused.value.scope == "system/Patient.u"
    with pytest.raises(NotFound):
        store.read(session, system, "Patient", "p")

    assert store.put(session, limited(system, "system/*.cus"), records.patient("p")).version == 1


def test_replacing_asks_for_the_right_that_fits_what_stands(session: Session, system: Access) -> None:
    creates, changes = limited(system, "system/Patient.c"), limited(system, "system/Patient.u")
    first, second = (prepare_resource(records.patient("p", gender=word)) for word in ("female", "male"))

    for access, prepared, needed in ((changes, first, "c"), (creates, second, "u")):
        with pytest.raises(InsufficientScope) as refused:
            store.replace(session, access, prepared)
        assert refused.value.scope == f"system/Patient.{needed}"
        if needed == "c":
            assert store.replace(session, creates, first).created
    assert not store.replace(session, changes, second).created
    store.delete(session, limited(system, "system/Patient.d"), "Patient", "p")
    with pytest.raises(InsufficientScope):
        store.replace(session, changes, first)
    assert store.replace(session, creates, first).created, "where a deleted one lies there is none"


def test_who_writes_for_some_patients_writes_for_those_alone(session: Session, system: Access) -> None:
    access = replace(system, patient_ids=frozenset({"mine"}))
    for patient_id in ("mine", "other"):
        store.put(session, system, records.patient(patient_id))

    assert store.put(session, access, records.observation("o", "mine")).version == 1
    with pytest.raises(OtherPatient):
        store.put(session, access, records.observation("o2", "other"))


def test_a_version_that_is_asked_for_must_be_the_one_that_stands(session: Session, system: Access) -> None:
    prepared = prepare_resource(records.patient("p"))
    with pytest.raises(PreconditionFailed):
        store.replace(session, system, prepared, if_match=1)
    assert store.replace(session, system, prepared, if_absent=True).resource.version == 1

    with pytest.raises(PreconditionFailed):
        store.replace(session, system, prepared, if_absent=True)
    for version in (0, 2):
        with pytest.raises(PreconditionFailed):
            store.replace(session, system, prepared, if_match=version)
        with pytest.raises(PreconditionFailed):
            store.delete(session, system, "Patient", "p", if_match=version)
    assert store.replace(session, system, prepared, if_match=1).resource.version == 1
    store.delete(session, system, "Patient", "p", if_match=1)
    assert store.replace(session, system, prepared, if_absent=True).created


def test_a_chain_may_be_met_by_as_many_as_are_allowed_and_by_none_more(
    engine: Engine, session: Session, system: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [{"resourceType": "Practitioner", "id": f"p{n}", "name": [{"family": "Zoe"}]} for n in range(3)]
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": records.to("Practitioner/p2")}
    assert ingest.load_resources(engine, [*people, role], access=system).rejected == 0
    wanted = [("practitioner.name", "zoe")]
    asked = query.parse("PractitionerRole", wanted, base="", patient_ids=None, strict=True)

    monkeypatch.setattr(store, "MOST_CHAINED", 3)
    assert [one.id for one in store.search(session, system, asked).matches] == ["r"]
    monkeypatch.setattr(store, "MOST_CHAINED", 2)
    with pytest.raises(store.TooManyChained):
        store.search(session, system, asked)


def test_every_page_tells_of_all_that_match_and_not_of_its_own(session: Session, system: Access) -> None:
    for number in range(5):
        store.put(session, system, records.patient(f"p{number}"))
    wanted = [("_count", "2"), ("_total", "accurate")]
    asked = query.parse("Patient", wanted, base="", patient_ids=None, strict=True)

    pages = [store.search(session, system, asked)]
    while (following := pages[-1].following) is not None:
        pages.append(store.search(session, system, asked, following))
    assert [(len(page.matches), page.total) for page in pages] == [(2, 5), (2, 5), (1, 5)]
    assert len({one.id for page in pages for one in page.matches}) == 5


def test_an_identity_whose_link_is_gone_is_not_found(session: Session, system: Access) -> None:
    access = replace(system, related_person_id="gone", person_id="person", scopes=parse("fhirUser system/*.rs"))

    with pytest.raises(NotFound):
        store.read(session, access, "RelatedPerson", "gone")
    for person_id in ("person", "somebody-else"):
        with pytest.raises(NotFound):
            store.read_person(session, access, person_id)
    with pytest.raises(NotFound):
        store.read_person(session, replace(access, person_id=None), "person")
    with pytest.raises(InsufficientScope) as refused:
        store.read_person(session, limited(access, "system/*.rs"), "person")
    assert refused.value.scope == "fhirUser"


def test_counting_takes_one_type_as_well_as_many_and_each_part_by_itself(session: Session, system: Access) -> None:
    store.put(session, system, records.patient("p"))
    kinds = ["laboratory", "laboratory", "vital-signs", "survey"]
    for number, category in enumerate(kinds):
        store.put(session, system, records.observation(f"o{number}", "p", category))
    lab, vital = (f"{records.CATEGORY}|{word}" for word in ("laboratory", "vital-signs"))
    some = "system/Observation.rs?category="

    for scope, counts, parts in (
        ("system/Patient.rs", {"Patient": 1}, {}),
        ("system/Patient.rs system/Observation.s", {"Patient": 1, "Observation": 4}, {}),
        ("system/Patient.r system/Observation.r", {}, {"Patient": 1, "Observation": 4}),
        (f"{some}{lab}", {"Observation": 2}, {}),
        (f"system/Patient.rs {some}{lab} {some}{vital}", {"Patient": 1, "Observation": 3}, {lab: 2, vital: 1}),
    ):
        access = limited(system, scope)
        assert store.counts(session, access) == counts, scope
        found = {
            dict(part).get("category", kind): one.number for (kind, part), one in store.tally(session, access).items()
        }
        assert found == counts | parts, scope


def swept(session: Session, access: Access, asked: Sweep, limit: int = 9, **given: bool) -> tuple[list[str], bool, int]:
    found = store.sweep(session, access, asked, "", limit, **given)
    return list(found.ids), found.more, len(list(found.bodies))


def test_a_sweep_of_some_patients_takes_theirs_and_all_that_is_nobodys(session: Session, system: Access) -> None:
    for name in ("a", "b", "c"):
        store.put(session, system, records.patient(name))
        store.put(session, system, records.observation(f"o-{name}", name))
    for one in records.shared():
        store.put(session, system, one)
    some = frozenset({"a", "c"})

    assert swept(session, system, Sweep("Observation")) == (["o-a", "o-b", "o-c"], False, 3)
    assert swept(session, system, Sweep("Observation", some)) == (["o-a", "o-c"], False, 2)
    assert swept(session, system, Sweep("Observation", frozenset())) == ([], False, 0)
    assert swept(session, system, Sweep("Organization", some)) == (["clinic", "payer"], False, 2)
    assert swept(session, system, Sweep("Organization")) == (["clinic", "payer"], False, 2)
    for less in ("system/Observation.r", "system/Observation.s", "system/Patient.rs"):
        with pytest.raises(InsufficientScope):
            swept(session, limited(system, less), Sweep("Observation"))


def test_a_sweep_keeps_to_its_times_its_conditions_and_its_size(
    session: Session, system: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(session, system, records.patient("p"))
    for name, category in (("lab", "laboratory"), ("pulse", "vital-signs"), ("other", "survey")):
        stored = store.put(session, system, records.observation(name, "p", category))
    conditions = {
        word: query.parse(
            "Observation", [("category", f"{records.CATEGORY}|{word}")], base="", patient_ids=None, strict=True
        ).conditions
        for word in ("laboratory", "vital-signs")
    }
    made, lab = stored.last_updated, conditions["laboratory"]

    assert swept(session, system, Sweep("Observation", since=made))[0] == []
    assert "other" in swept(session, system, Sweep("Observation", since=made - 1))[0]
    assert "other" not in swept(session, system, Sweep("Observation", until=made - 1))[0]
    assert "other" in swept(session, system, Sweep("Observation", until=made))[0]
    assert swept(session, system, Sweep("Observation", alternatives=(lab,)))[0] == ["lab"]
    both = Sweep("Observation", alternatives=tuple(conditions.values()))
    assert swept(session, system, both) == (["lab", "pulse"], False, 2)
    assert len(swept(session, system, Sweep("Observation", alternatives=(lab, ())))[0]) == 3
    assert swept(session, system, Sweep("Observation"), 3) == (["lab", "other", "pulse"], True, 3)
    assert swept(session, system, Sweep("Observation"), 2) == (["lab", "other"], True, 2)

    sizes = [len(row[2]) for row in statements.sweep(
        session, Clause("type = 'Observation'"), 9, store.SWEEP_BYTES, deleted=False, of_some=False)]  # fmt: skip
    for size, expected in ((sum(sizes), True), (sum(sizes) + 1, False)):
        monkeypatch.setattr(store, "SWEEP_BYTES", size)
        assert swept(session, system, Sweep("Observation")) == (["lab", "other", "pulse"], expected, 3)
    monkeypatch.undo()
    # What is deleted has nothing left that could meet a condition: it is told to whoever asked for some.
    store.delete(session, system, "Observation", "pulse")
    assert swept(session, system, Sweep("Observation", alternatives=(lab,)), deleted=True) == (["pulse"], False, 0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_stands_is_asked_where_nobody_else_writes_any_more(
    session: Session, system: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()")
    asked: list[tuple[str, int | None]] = []
    for name in ("find_standing", "has_records"):
        plain = getattr(writing, name)
        monkeypatch.setattr(
            writing, name,
            lambda *given, name=name, plain=plain: asked.append((name, session.scalar(held))) or plain(*given),
        )  # fmt: skip

    store.put(session, system, records.patient("p"))
    session.commit()
    store.delete(session, system, "Patient", "p")
    assert {name for name, _held in asked} == {"find_standing", "has_records"}
    assert [number for _name, number in asked] == [1] * len(asked)
    session.commit()
    assert session.scalar(held) == 0


def test_a_patient_goes_last_whatever_ids_their_records_have(session: Session, system: Access) -> None:
    store.put(session, system, records.patient("p"))
    for name in ("p", "o"):
        store.put(session, system, records.observation(name, "p"))

    store.delete(session, system, "Observation", "p")
    with pytest.raises(store.RecordsStand):
        store.delete(session, system, "Patient", "p")
    store.delete(session, system, "Observation", "o")
    store.delete(session, system, "Patient", "p")
    with pytest.raises(Gone):
        store.read(session, system, "Patient", "p")


def test_the_planner_is_told_of_searches_by_number_or_reference_and_of_sweeps_of_some(
    session: Session, system: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    plain = {name: getattr(statements, name) for name in ("search", "sweep")}
    for name, word in (("search", "looked_up"), ("sweep", "of_some")):
        monkeypatch.setattr(
            statements, name,
            lambda *given, name=name, word=word, **named: told.append(named[word]) or plain[name](*given, **named),
        )  # fmt: skip

    for kind, asked, value, expected in (
        ("Practitioner", "identifier", "1", True), ("Practitioner", "identifier:not", "1", False),
        ("Practitioner", "name", "x", False), ("PractitionerRole", "practitioner", "Practitioner/d", True),
        ("PractitionerRole", "practitioner.name", "x", True), ("Observation", "category", "x", False),
        ("Observation", "encounter", "Encounter/e", False), ("ExplanationOfBenefit", "identifier", "1", False),
    ):  # fmt: skip
        one = query.parse(kind, [(asked, value)], base="", patient_ids=None, strict=True)
        store.search(session, system, one)
        assert told.pop() is expected, (kind, asked)
    for kind, some, expected in (
        ("Observation", None, False),
        ("Observation", frozenset({"p"}), True),
        ("Organization", frozenset({"p"}), False),
    ):
        swept(session, system, Sweep(kind, some))
        assert told.pop() is expected, kind
