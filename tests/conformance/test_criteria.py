"""Values taken from records, and which records they are to find."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.conformance.guides.stated import Stated
from service.conformance.records import criteria, times
from service.conformance.records.elements import references, values

CONDITION: dict[str, Any] = {
    "extension": [{"url": "http://x.example/other"}, {"url": "http://x.example/on", "valueDateTime": "2026-01-02"}],
    "code": {"coding": [{"system": "http://s.example", "code": "a,b"}, {"code": "c"}], "text": "words"},
    "subject": {"reference": "Patient/p1"},
    "onsetPeriod": {"start": "2026-03-01", "end": "2026-03-31"},
    "statusReason": "none",
}


def parameter(kind: str, *paths: str) -> Stated:
    return Stated("Condition", "search-param", "it", {}, kind, paths)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("onset", [CONDITION["onsetPeriod"]]),
        ("extension[http://x.example/on].value", ["2026-01-02"]),
        ("code.coding.code", ["a,b", "c"]),
        ("status", []),
    ],
)
def test_values_are_found_by_path(path: str, found: list[Any]) -> None:
    assert values(CONDITION, path) == found


def test_references_to_what_is_contained_are_left_out() -> None:
    assert list(references([{"reference": "#a"}, {"deep": [{"reference": "Patient/1"}]}])) == ["Patient/1"]


def test_a_code_is_asked_for_alone_and_with_its_system_and_commas_are_escaped() -> None:
    found = criteria.spellings(parameter("token", "code"), CONDITION)

    assert [one.text for one in found] == [r"a\,b", r"http://s.example|a\,b", "c"]
    assert all(one.holds(CONDITION) for one in found)
    assert not found[1].holds({"code": {"coding": [{"system": "http://other.example", "code": "a,b"}]}})


def test_a_patient_is_asked_for_by_id_and_by_reference() -> None:
    found = criteria.spellings(parameter("reference", "subject"), CONDITION)

    assert [one.text for one in found] == ["p1", "Patient/p1"]


def test_a_period_is_asked_for_from_the_day_before_it_begins() -> None:
    (found,) = criteria.spellings(parameter("date", "onsetPeriod"), CONDITION)

    assert found.text == "gt2026-02-28T00:00:00.000+00:00"
    assert found.holds(CONDITION) and not found.holds({"onsetPeriod": {"end": "2026-02-27"}})


def test_several_values_find_whatever_fits_one_of_them() -> None:
    both = criteria.any_of(criteria.spellings(parameter("token", "code"), CONDITION)[::2])

    assert both.text == r"a\,b,c" and both.holds({"code": {"coding": [{"code": "c"}]}})


@pytest.mark.parametrize(
    ("comparator", "finds"),
    [("gt", "2026-03-02"), ("ge", "2026-03-01"), ("lt", "2026-02-28"), ("le", "2026-03-01T00:00:00Z")],
)
def test_comparators_keep_to_their_side(comparator: str, finds: str) -> None:
    asked = datetime(2026, 3, 1, tzinfo=UTC)
    told = times.span(finds)

    assert told and times.holds(comparator, asked, told)
    opposite = {"gt": "lt", "ge": "lt", "lt": "gt", "le": "lt"}[comparator]
    assert not times.holds(opposite, asked, told)


def test_an_instant_is_neither_before_nor_after_itself() -> None:
    told = times.span("2026-03-01T00:00:00.000Z")
    assert told

    asked = told[0]
    assert [times.holds(one, asked, told) for one in ("gt", "ge", "lt", "le")] == [False, True, False, True]


def test_what_is_no_date_has_no_span() -> None:
    assert times.span("yesterday") is times.span({}) is times.span(3) is None
