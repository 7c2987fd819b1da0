"""Claims of the sandbox plan: money balances, every kind and twist is there, nothing owned by others is shown."""

import json
from collections import Counter
from typing import Any

import pytest

from service.sandbox.plan import stream

SEED = 1
_KINDS = {"Inpatient-Institutional", "Outpatient-Institutional", "Professional-NonClinician", "Pharmacy", "Oral"}
_AMOUNTS = {"submitted", "eligible", "discount", "noncovered", "deductible", "copay", "coinsurance", "memberliability",
            "benefit", "paidtoprovider", "paidtopatient"}  # fmt: skip
Claim = dict[str, Any]


@pytest.fixture(scope="module")
def claims() -> list[Claim]:
    """The cast's claims and those of some generated members."""
    return [
        one
        for bundle in stream.members(40, SEED)
        for one in bundle.resources
        if one["resourceType"] == "ExplanationOfBenefit"
    ]


def test_totals_balance_to_the_cent(claims: list[Claim]) -> None:
    for claim in claims:
        whole = _cents(claim["total"])
        _require_balance(whole)
        assert whole["submitted"] == sum(round(line["net"]["value"] * 100) for line in claim["item"])


def test_lines_balance_and_add_up_to_the_totals(claims: list[Claim]) -> None:
    priced = [claim for claim in claims if any("adjudication" in line for line in claim["item"])]
    assert len(priced) > 300
    for claim in priced:
        lines = [_cents(line["adjudication"]) for line in claim["item"]]
        for line in lines:
            _require_balance(line)
        assert sum(lines, Counter()) == +_cents(claim["total"])


def test_an_institutional_claim_is_priced_in_its_header_or_in_its_lines_never_in_both(claims: list[Claim]) -> None:
    facility = [claim for claim in claims if "subType" in claim]
    in_header = [claim for claim in facility if _cents(claim["adjudication"])]

    assert in_header
    for claim in facility:
        lines = any(_cents(line.get("adjudication", [])) for line in claim["item"])
        assert lines is not bool(_cents(claim["adjudication"]))
    for claim in in_header:
        assert _cents(claim["adjudication"]) == _cents(claim["total"])


def test_payment_is_the_benefit_and_names_its_outcome(claims: list[Claim]) -> None:
    for claim in claims:
        whole = _cents(claim["total"])
        status = claim["payment"]["type"]["coding"][0]["code"]
        assert round(claim["payment"]["amount"]["value"] * 100) == whole["benefit"]
        assert (status == "denied") is (whole["eligible"] == 0)


def test_the_first_member_has_claims_of_all_five_kinds() -> None:
    mine = [one for one in stream.member(0, SEED).resources if one["resourceType"] == "ExplanationOfBenefit"]

    assert len(mine) >= 20
    assert {_kind(claim) for claim in mine} == _KINDS


def test_denied_claims_say_why_in_words_and_cost_the_plan_nothing(claims: list[Claim]) -> None:
    denied = [claim for claim in claims if claim["payment"]["type"]["coding"][0]["code"] == "denied"]

    assert {_kind(claim) for claim in denied} == _KINDS
    for claim in denied:
        assert _cents(claim["total"])["memberliability"] == 0
        assert any(note["text"].startswith("Not paid") for note in claim["processNote"])
        assert claim["disposition"] in ("Not paid", "Withdrawn and replaced by a corrected claim")


def test_replaced_claims_of_every_kind_are_linked_both_ways(claims: list[Claim]) -> None:
    by_number = {claim["identifier"][0]["value"]: claim for claim in claims}
    old = [claim for claim in claims if claim["status"] == "cancelled"]

    assert {_kind(claim) for claim in old} == _KINDS
    for claim in old:
        (link,) = claim["related"]
        new = by_number[link["reference"]["value"]]
        assert link["relationship"]["coding"][0]["code"] == "replacedby"
        assert new["status"] == "active"
        (back,) = new["related"]
        assert back["relationship"]["coding"][0]["code"] == "prior"
        assert back["reference"]["value"] == claim["identifier"][0]["value"]
        assert new["created"] > claim["created"]
        assert new["patient"] == claim["patient"]


def test_claim_numbers_stand_once(claims: list[Claim]) -> None:
    numbers = [claim["identifier"][0]["value"] for claim in claims]

    assert len(set(numbers)) == len(numbers)


def test_the_insurer_is_the_payor_of_the_focal_coverage_in_force(claims: list[Claim]) -> None:
    coverages = {
        f"Coverage/{one['id']}": one
        for bundle in stream.members(40, SEED)
        for one in bundle.resources
        if one["resourceType"] == "Coverage"
    }
    for claim in claims:
        (insurance,) = claim["insurance"]
        coverage = coverages[insurance["coverage"]["reference"]]
        assert insurance["focal"] is True
        assert claim["insurer"]["reference"] == coverage["payor"][0]["reference"]
        assert claim["patient"] == coverage["beneficiary"]
        assert coverage["period"]["start"] <= claim["billablePeriod"]["start"]
        assert claim["billablePeriod"]["end"] <= coverage["period"].get("end", "9999")
        assert claim["outcome"] == "complete"


def test_dates_of_a_claim_are_in_order(claims: list[Claim]) -> None:
    for claim in claims:
        received = next(one["timingDate"] for one in claim["supportingInfo"] if "timingDate" in one)
        start, end = claim["billablePeriod"]["start"], claim["billablePeriod"]["end"]
        steps = [start, end, received, claim["created"], claim["payment"]["date"], stream.AS_OF.isoformat()]
        assert steps == sorted(steps)
        assert all(start <= line["servicedDate"] <= end for line in claim["item"])


def test_a_year_takes_no_more_deductible_than_the_plan_says(claims: list[Claim]) -> None:
    paid: Counter[tuple[str, str]] = Counter()
    for claim in claims:
        if claim["status"] == "active":
            key = (claim["insurance"][0]["coverage"]["reference"], claim["billablePeriod"]["end"][:4])
            paid[key] += _cents(claim["total"])["deductible"]

    assert max(paid.values()) == 24000


def test_texts_that_belong_to_others_are_not_shown(claims: list[Claim]) -> None:
    owned = ("http://www.ada.org/cdt", "https://www.nubc.org/", "http://nucc.org/", "https://x12.org/")
    codings = [coding for claim in claims for coding in _codings(claim)]

    assert not [one for one in codings if one.get("display") and one["system"].startswith(owned)]
    assert "http://www.ama-assn.org/go/cpt" not in {one["system"] for one in codings}
    dental = [line["productOrService"] for claim in claims if _kind(claim) == "Oral" for line in claim["item"]]
    assert all(set(service) == {"coding"} for service in dental)


def test_drugs_have_an_ndc_of_the_fictitious_labeler_and_rxnorm_beside_it(claims: list[Claim]) -> None:
    lines = [line for claim in claims if _kind(claim) == "Pharmacy" for line in claim["item"]]
    products = [line["productOrService"]["coding"] for line in lines]
    plain = [codings for codings in products if codings[0]["system"].endswith("/ndc")]

    assert plain
    assert len(plain) < len(products), "one is a compound with its ingredients in detail"
    for ndc, rxnorm in plain:
        assert ndc["code"].startswith("99999")
        assert len(ndc["code"]) == 11
        assert rxnorm["system"].endswith("/rxnorm")


def test_oral_body_sites_and_transport_are_linked_from_their_lines(claims: list[Claim]) -> None:
    linked = ("additionalbodysite", "patientweight", "ambulancetransportreason", "transportationdistance",
              "roudtrippurpose", "stretcherpurpose", "pickuplocation", "dropofflocation")  # fmt: skip
    seen = set()
    for claim in claims:
        wanted = {one["sequence"]: _code(one["category"]) for one in claim["supportingInfo"]}
        needed = {sequence for sequence, code in wanted.items() if code in linked}
        named = {sequence for line in claim["item"] for sequence in line.get("informationSequence", [])}
        assert needed <= named
        seen |= {wanted[sequence] for sequence in needed}
        assert all(
            "bodySite" in line for line in claim["item"] if line.get("informationSequence") and _kind(claim) == "Oral"
        )
    assert seen == set(linked)


def test_every_number_of_a_note_leads_to_one_note(claims: list[Claim]) -> None:
    named = 0
    for claim in claims:
        numbers = [note["number"] for note in claim["processNote"]]
        wanted = {number for line in claim["item"] for number in line.get("noteNumber", [])}
        assert len(set(numbers)) == len(numbers)
        assert wanted <= set(numbers)
        named += len(wanted)
    assert named > 500


def test_claims_are_of_the_size_of_real_ones(claims: list[Claim]) -> None:
    sizes = sorted(len(json.dumps(claim, separators=(",", ":"))) for claim in claims)

    assert sizes[0] > 4_000
    assert 5_000 < sizes[len(sizes) // 2] < 11_000
    assert sizes[-1] < 22_000


def _cents(entries: list[dict[str, Any]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in entries:
        if _code(one["category"]) in _AMOUNTS:
            assert _code(one["category"]) not in found
            found[_code(one["category"])] = round(one["amount"]["value"] * 100)
    return found


def _require_balance(amounts: Counter[str]) -> None:
    assert amounts["submitted"] == amounts["eligible"] + amounts["discount"] + amounts["noncovered"]
    assert amounts["eligible"] == amounts["benefit"] + amounts["memberliability"]
    assert amounts["memberliability"] == amounts["deductible"] + amounts["copay"] + amounts["coinsurance"]
    assert amounts["benefit"] == amounts["paidtoprovider"] + amounts["paidtopatient"]
    assert min(amounts.values()) >= 0


def _code(concept: dict[str, Any]) -> str:
    return str(concept["coding"][0]["code"])


def _kind(claim: Claim) -> str:
    return str(claim["meta"]["profile"][0]).partition("Benefit-")[2].removesuffix("|2.0.0")


def _codings(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for one in node for found in _codings(one)]
    if not isinstance(node, dict):
        return []
    own = [node] if {"system", "code"} <= set(node) else []
    return own + [found for one in node.values() for found in _codings(one)]
