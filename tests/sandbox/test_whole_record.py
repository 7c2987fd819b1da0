"""The member whose record holds something of every profile of US Core and CARIN."""

from collections import defaultdict
from typing import Any

import pytest

from fhir.loading import profiles
from service.conformance.guides import stated
from service.sandbox.plan import cast, stream
from service.sandbox.plan.codes import Resource

GUIDES = ("US Core 6.1.0", "CARIN BB 2.0.0")
ELSEWHERE = {"sdc-questionnaire"}
"""Of a guide of its own."""


@pytest.fixture(scope="module")
def records() -> list[Resource]:
    index = next(one for one in range(cast.SIZE) if cast.story(one, stream.AS_OF).whole)
    return [*stream.shared(1), *stream.member(index, 1).resources]


def test_every_profile_of_us_core_and_carin_is_claimed_by_a_record_that_keeps_it(records: list[Resource]) -> None:
    claimed: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in records:
        for url in one["meta"].get("profile", ()):
            claimed[url.partition("|")[0]].append(one)
    wanted = {
        one.name
        for one in stated.everything()
        if one.kind == "profile" and set(GUIDES) & one.guides.keys() and one.name.rpartition("/")[2] not in ELSEWHERE
    }
    # These two are claimed by narrower ones.
    abstract = {url for url in wanted if url.endswith(("/C4BB-ExplanationOfBenefit", "/us-core-vital-signs"))}

    assert len(abstract) == 2
    assert wanted - abstract - claimed.keys() == set()
    assert [found for ones in claimed.values() for one in ones for found in profiles.findings(one)] == []
