"""Scopes are values: they meet, narrow and are written back, and never widen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy, scopes
from consent.models import LinkScope
from consent.policy import CLAIMS_TYPES, effective_scopes
from consent.scopes import REMEMBERED, ScopeSet, parse

LAB = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
_TYPES = st.sampled_from(["*", "Patient", "Observation", "Coverage", "ExplanationOfBenefit"])
_LETTERS = st.sampled_from(["r", "s", "rs", "cruds", "cud", "read", "write", "*"])
_SCOPE = st.builds(lambda c, t, s: f"{c}/{t}.{s}", st.sampled_from(["patient", "user", "system"]), _TYPES, _LETTERS)
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_TEXT = st.lists(_SCOPE, max_size=5).map(" ".join)


@pytest.mark.parametrize(
    "text",
    ["patient/*.read", "patient/Observation.rs", "user/Coverage.cruds", f"patient/Observation.rs?category={LAB}",
     "openid fhirUser launch/patient offline_access"],
)  # fmt: skip
def test_what_was_understood_is_written_back_as_it_was_asked(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["patient/Foo.dus", "patient/Foo.reads", "patient/Foo.", "Patient/*.rs", "patient/Observation.rs?foo=bar",
     "patient/Observation.rs?category:not=x", "patient/Coverage.rs?category=x", "patient/*.rs?", "made-up",
     "patient/Observation.rs?category=", "patient/Obsérvation.rs",
     # A whole code system with a blank where the consent screen names the part; words of the app's own making there.
     f"patient/Observation.rs?category={LAB.removesuffix('laboratory')}", "patient/Observation.rs?category=%7C",
     "patient/Observation.rs?category=nothing-at-all\u202e(the-plan-approves)",
     # What would read differently once it is written back.
     "patient/Observation.rs?category=a%2526b", "patient/Observation.rs?category=a%26category%3Db",
     "patient/Observation.rs?category=a%0Ab", "patient/Observation.rs?category=a%5C|b",
     # Left out of a list that is otherwise good, the part that is none would narrow less than was written.
     f"patient/Observation.rs?category={LAB}&", f"patient/Observation.rs?category={LAB}&category",
     f"patient/Observation.rs?category={LAB}&category=",
     "patient/Observation.rs?" + "&".join(f"category=c{number}" for number in range(11))],
)  # fmt: skip
def test_what_was_not_understood_is_dropped_and_never_widened(text: str) -> None:
    assert not parse(text)


def test_ten_values_of_a_type_may_be_named_at_once() -> None:
    values = [f"c{number}" for number in range(10)]
    scope = parse("patient/Observation.rs?" + "&".join(f"category={one}" for one in values))
    assert scope.resources[0].restriction == tuple(("category", one) for one in values)


def test_a_granular_value_may_be_encoded_or_raw() -> None:
    raw = parse(f"patient/Observation.rs?category={LAB}")
    encoded = parse(f"patient/Observation.rs?category={LAB.replace('|', '%7C')}")
    assert raw.resources[0].restriction == encoded.resources[0].restriction == (("category", LAB),)


def test_read_alone_does_not_search_and_search_alone_does_not_read() -> None:
    assert parse("patient/Patient.r").permits("Patient", "r")
    assert not parse("patient/Patient.r").permits("Patient", "s")
    assert not parse("patient/Patient.s").permits("Patient", "r")
    assert not parse("patient/Patient.read").permits("Patient", "d")


def test_a_wider_scope_beside_a_granular_one_lifts_its_restriction() -> None:
    narrow = parse(f"patient/Observation.rs?category={LAB}")
    both = parse(f"patient/Observation.rs?category={LAB} patient/Observation.r")
    assert narrow.restrictions("Observation", "r") == ((("category", LAB),),)
    assert both.restrictions("Observation", "r") == ((),)
    assert both.restrictions("Observation", "s") == ((("category", LAB),),)
    assert both.restrictions("Condition", "s") == ()


def test_meeting_keeps_the_asked_form_and_the_narrower_content() -> None:
    met = parse("openid patient/*.read").meet(parse("openid fhirUser patient/Coverage.cruds patient/Patient.r"))
    assert str(met) == "openid patient/Coverage.read patient/Patient.r"


def test_parts_of_a_type_that_meet_cross_wise_are_not_told_beside_the_parts_themselves() -> None:
    parts = " ".join(f"patient/Observation.rs?category={_CATEGORY}|{one}" for one in ("laboratory", "vital-signs"))
    assert str(parse(parts).meet(parse(parts))) == parts


def test_where_only_what_two_parts_share_is_allowed_that_is_told_whatever_else_is() -> None:
    lab, vital = (f"category={_CATEGORY}|{one}" for one in ("laboratory", "vital-signs"))
    met = parse(f"patient/Observation.rs?{lab} patient/Patient.r").meet(
        parse(f"patient/Observation.rs?{vital} patient/Patient.r")
    )
    assert str(met) == f"patient/Observation.rs?{lab}&{vital} patient/Patient.r"


def test_a_part_asked_for_beside_the_whole_is_answered() -> None:
    asked = f"patient/Observation.rs patient/Observation.rs?category={_CATEGORY}|laboratory"
    assert str(parse(asked).meet(parse("patient/*.rs"))) == asked


def test_a_scope_of_which_no_letter_is_left_disappears() -> None:
    assert str(parse("openid patient/Patient.cruds patient/Coverage.cud").limited_to_letters(frozenset("rs"))) == (
        "openid patient/Patient.rs"
    )


def test_a_word_of_version_1_with_a_part_is_answered_in_letters_since_version_1_has_no_parts() -> None:
    assert str(parse(f"patient/Observation.read?category={_CATEGORY}|laboratory")) == (
        f"patient/Observation.rs?category={_CATEGORY}|laboratory"
    )


def test_unticking_a_type_spells_a_wildcard_out() -> None:
    every = {"Coverage", "Patient", "Observation"}
    assert str(parse("patient/*.rs").limited_to_types({"Coverage", "Patient"}, every)) == (
        "patient/Coverage.rs patient/Patient.rs"
    )
    assert str(parse("patient/*.rs").limited_to_types(every, every)) == "patient/*.rs"


def test_effective_access_reads_only_and_never_takes_a_system_scope() -> None:
    everything = "openid patient/*.cruds user/*.cruds system/*.cruds"
    assert str(effective_scopes(everything, everything, everything, None)) == "openid patient/*.rs user/*.rs"
    assert str(effective_scopes("patient/*.*", "patient/*.*", "patient/*.*", None)) == "patient/*.read"


def test_a_representative_for_claims_only_gets_no_clinical_type() -> None:
    scopes = effective_scopes("patient/*.rs", "patient/*.rs", "patient/*.rs", LinkScope.CLAIMS_ONLY)
    assert scopes.types == CLAIMS_TYPES


@given(_TEXT, _TEXT)
def test_a_meeting_never_allows_more_than_either(one: str, other: str) -> None:
    left, right = parse(one), parse(other)
    met = left.meet(right)
    for side in (left, right):
        assert all(side.permits(scope.resource_type, letter) for scope in met.resources for letter in scope.letters)
    assert met.within(left)
    assert met.within(right)


@given(st.text(max_size=300))
def test_any_text_at_all_is_read_without_a_fault(text: str) -> None:
    scopes = parse(text)
    assert isinstance(scopes, ScopeSet)
    assert parse(str(scopes)) == scopes


def test_a_type_for_itself_is_met_by_its_name_alone() -> None:
    wild, named = parse("patient/*.rs"), parse("patient/AuditEvent.rs")

    assert not wild.permits("AuditEvent", "r") and named.permits("AuditEvent", "r")
    assert not wild.meet(named) and not named.meet(wild) and str(named.meet(named)) == "patient/AuditEvent.rs"
    assert not named.within(wild) and not wild.within(named) and named.within(named)
    assert str(wild.joined(named).without_types({"AuditEvent"})) == "patient/*.rs"
    assert wild.restrictions("AuditEvent", "r") == ()


@pytest.mark.parametrize("scope", list(LinkScope))
def test_who_acts_for_somebody_has_no_type_for_itself(scope: LinkScope) -> None:
    asked = "patient/Patient.r patient/AuditEvent.rs"

    assert effective_scopes(asked, asked, asked, scope).types == {"Patient"}
    assert effective_scopes(asked, asked, asked, None).types == {"Patient", "AuditEvent"}


def test_within_asks_for_the_context_and_every_restriction_too() -> None:
    whole, part = parse("patient/Observation.rs"), parse(f"patient/Observation.rs?category={LAB}")

    assert part.within(whole) and not whole.within(part)
    assert not whole.within(parse("user/Observation.rs"))
    assert not parse("patient/Patient.rs").within(parse("patient/Patient.r"))
    assert parse("openid") and parse("patient/Patient.r") and not parse("")


def test_a_meeting_holds_no_word_and_no_letter_that_is_not_in_both() -> None:
    assert str(parse("openid fhirUser patient/Patient.r").meet(parse("openid patient/Patient.s"))) == "openid"
    assert str(parse("openid fhirUser patient/Patient.r").without("fhirUser")) == "openid patient/Patient.r"


def test_what_a_stranger_sends_at_length_is_worked_out_and_not_remembered() -> None:
    word = "patient/Patient.r"
    for length, grows in ((REMEMBERED, 1), (REMEMBERED + 1, 0)):
        scopes._parse.cache_clear()
        text = word.ljust(length)
        assert str(parse(text)) == word
        assert scopes._parse.cache_info().currsize == grows
    for length, grows in ((REMEMBERED, 1), (REMEMBERED + 1, 0)):
        policy._effective_scopes.cache_clear()
        assert str(effective_scopes(word.ljust(length), word.rjust(REMEMBERED), word, None)) == word
        assert policy._effective_scopes.cache_info().currsize == grows
