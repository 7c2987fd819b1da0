"""From scopes to what a member reads, and back from ticks to scopes."""

import pytest
from flask import Flask
from flask_babel import force_locale

from consent import data_types
from consent.data_types import DATA_TYPES, EVERY_TYPE
from consent.models import SensitiveClass
from consent.policy import CLAIMS_TYPES
from consent.scopes import BY_NAME, parse


def keys(scopes: str) -> list[str]:
    return [kind.key for kind in data_types.asked(parse(scopes))]


def test_each_fhir_type_belongs_to_one_data_type() -> None:
    named = [name for kind in DATA_TYPES for name in kind.resource_types]

    assert len(named) == len(set(named))
    assert CLAIMS_TYPES <= EVERY_TYPE


def test_every_sensitive_class_can_be_ticked() -> None:
    assert {kind.key for kind in data_types.SENSITIVE_TYPES} == set(SensitiveClass)


def test_only_what_is_asked_is_shown() -> None:
    assert keys("openid patient/ExplanationOfBenefit.rs patient/Encounter.s") == ["claims", "visits"]


def test_writing_alone_is_no_data_type() -> None:
    assert keys("patient/Observation.cud") == []


def test_a_wildcard_shows_every_data_type() -> None:
    assert keys("patient/*.read") == [kind.key for kind in DATA_TYPES if kind.key != "looks"]
    assert keys("patient/*.read patient/AuditEvent.rs") == [kind.key for kind in DATA_TYPES]


def test_a_wildcard_stays_one_when_everything_is_ticked() -> None:
    scopes = parse("openid launch/patient patient/*.read")

    assert str(data_types.ticked(scopes, keys("patient/*.read"))) == "openid launch/patient patient/*.read"


def test_an_unticked_type_narrows_a_wildcard_to_the_others() -> None:
    ticked = [key for key in keys("patient/*.rs") if key != "results"]

    left = data_types.ticked(parse("openid patient/*.rs"), ticked)

    assert "openid" in left
    assert not left.permits("Observation", "r")
    assert all(left.permits(name, "s") for name in EVERY_TYPE - BY_NAME - {"Observation", "Specimen"})
    assert "*" not in left.types and not left.permits("AuditEvent", "r")


def test_a_type_that_no_wildcard_speaks_of_is_ticked_by_itself() -> None:
    scopes = parse("patient/*.rs patient/AuditEvent.rs")

    assert str(data_types.ticked(scopes, keys("patient/*.rs"))) == "patient/*.rs"
    assert str(data_types.ticked(scopes, ["looks", "coverage"])) == "patient/Coverage.rs patient/AuditEvent.rs"
    assert data_types.ticked(scopes, keys(str(scopes))) == scopes


def test_an_unticked_type_takes_its_narrow_scopes_away_too() -> None:
    asked = parse("patient/Observation.rs?category=laboratory patient/Condition.rs")

    assert str(data_types.ticked(asked, ["conditions"])) == "patient/Condition.rs"


def test_a_tick_for_what_was_not_asked_adds_nothing() -> None:
    assert str(data_types.ticked(parse("patient/Condition.rs"), ["conditions", "claims"])) == "patient/Condition.rs"


@pytest.mark.parametrize(("language", "part"), [("en", "lab results"), ("es", "resultados de laboratorio")])
def test_a_part_of_a_type_is_named(app: Flask, language: str, part: str) -> None:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    results = next(kind for kind in DATA_TYPES if kind.key == "results")

    with app.test_request_context(), force_locale(language):
        named = data_types.parts(parse(f"patient/Observation.rs?category={system}|laboratory"), results)
        assert [one.name for one in named] == [part]
        assert (
            data_types.parts(parse("patient/Observation.rs?category=x|laboratory patient/Observation.s"), results) == ()
        )


def test_sensitive_topics_are_asked_only_where_care_is_reached() -> None:
    assert data_types.sensitive_matter(parse("patient/ExplanationOfBenefit.rs"))
    assert not data_types.sensitive_matter(parse("openid patient/Patient.rs patient/Coverage.rs"))


_LAB = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
_CONCERN = "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern"


def boxes_of(scopes: str) -> set[str]:
    asked = parse(scopes)
    return {part for kind in data_types.asked(asked) for part in data_types.boxes(asked, kind)}


def test_the_whole_of_a_type_is_ticked_by_its_categories_too() -> None:
    every = {
        "Condition-encounter-diagnosis", "Condition-problem-list-item", "Condition-health-concern",
        "Observation-laboratory", "Observation-social-history", "Observation-vital-signs", "Observation-survey",
        "Observation-sdoh",
    }  # fmt: skip
    for scopes in ("patient/*.rs", "patient/*.read", "patient/Condition.rs user/Observation.r"):
        asked = parse(scopes)
        assert boxes_of(scopes) == every
        assert data_types.ticked(asked, keys(scopes), every) == asked, "the whole is more than its parts"
    assert boxes_of("patient/Coverage.rs") == set()


def test_a_part_that_is_not_ticked_is_in_no_scope_that_is_left() -> None:
    asked = parse(f"patient/*.read patient/Observation.rs?category={_LAB} user/Observation.r patient/Specimen.r")
    left = data_types.ticked(asked, keys(str(asked)), boxes_of(str(asked)) - {"Observation-laboratory"})

    assert not any("laboratory" in str(scope) for scope in left.resources), "not if asked for beside the whole"
    assert () not in left.restrictions("Observation", "r") and not left.permits("Specimen", "r")
    assert len(left.restrictions("Observation", "s")) == 4
    assert left.permits("Condition", "s") and () in left.restrictions("Condition", "s"), "of that, nothing was unticked"
    assert left.within(asked)
    assert parse(str(left)) == left, "v1 has no form for a part of a type"


def test_a_type_of_which_no_part_is_ticked_is_left_out() -> None:
    asked = parse("patient/Observation.read patient/Condition.rs patient/Coverage.rs")
    left = data_types.ticked(asked, keys(str(asked)), {"Condition-health-concern"})
    assert str(left) == f"patient/Coverage.rs patient/Condition.rs?category={_CONCERN}"


@pytest.mark.parametrize("kept", [set(), {"Condition-health-concern"}])
def test_illnesses_in_the_family_stay_out_with_any_part_of_the_health_problems(kept: set[str]) -> None:
    asked = parse("patient/*.rs")
    others = {part for part in boxes_of("patient/*.rs") if not part.startswith("Condition-")}
    left = data_types.ticked(asked, keys(str(asked)), others | kept)
    assert not left.permits("FamilyMemberHistory", "r") and not left.permits("FamilyMemberHistory", "s")
    assert left.permits("Condition", "s") == bool(kept)


def test_a_type_is_named_with_its_parts_where_something_else_of_it_is_whole(app: Flask) -> None:
    asked = parse("patient/*.rs")
    left = data_types.ticked(asked, keys(str(asked)), boxes_of("patient/*.rs") - {"Observation-vital-signs"})
    with app.test_request_context():
        (named,) = [name for name in data_types.names(left) if name.startswith("Test results")]
    assert named.startswith("Test results and measurements (lab results") and "vital signs" not in named


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("patient/Condition.rs?category=problem-list-item patient/FamilyMemberHistory.rs", "Health problems"),
        ("patient/DocumentReference.rs?category=clinical-note patient/DiagnosticReport.rs", "Reports and notes"),
    ],
)
def test_parts_are_not_named_where_they_would_tell_less_than_is_shared(app: Flask, asked: str, named: str) -> None:
    with app.test_request_context():
        assert data_types.names(parse(asked)) == [named]
