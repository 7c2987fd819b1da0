"""Pages of a search: none lost, none twice, and each link for its own grant for an hour."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from consent.policy import Access, own_record
from consent.representatives import MemberChoice
from fhir import store
from fhir.answers import paging
from fhir.loading import ingest
from fhir.outcomes import NotFound, PageExpired
from fhir.search.query import MAX_COUNT, Search
from service.db import make_sessions
from service.sealing import SecretKey
from tests.conftest import MovableClock
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, bundle
from tests.oauth.desk import Desk


def next_link(found: dict[str, Any]) -> str:
    """The address of the next page, empty on the last."""
    return next((str(link["url"]) for link in found["link"] if link["relation"] == "next"), "")


def test_pages_follow_each_other_without_loss_or_repetition(api: Api, engine: Engine, system: Access) -> None:
    more = [records.observation(f"o{n}-{api.patient_id}", api.patient_id) for n in range(7)]
    ingest.load_resources(engine, more, access=system)
    first = bundle(api.get("Observation?_count=4&_total=accurate"))
    newer = records.observation("late", api.patient_id, effectiveDateTime="2026-11-01")
    ingest.load_resources(engine, [newer], access=system)

    pages = [first]
    while address := next_link(pages[-1]):
        pages.append(bundle(api.get(address)))

    assert [len(page["entry"]) for page in pages] == [4, 4, 1]
    seen = [one["resource"]["id"] for page in pages for one in page["entry"]]
    assert len(set(seen)) == 9
    assert "late" not in seen


def test_pages_keep_the_order_asked_for(api: Api) -> None:
    for sort in ("_sort=-type,service-date", "_sort=created,-_id", "_sort=status,type,-created"):
        whole = api.ids(f"ExplanationOfBenefit?{sort}")
        found = bundle(api.get(f"ExplanationOfBenefit?{sort}&_count=1"))
        seen = [one["resource"]["id"] for one in found["entry"]]
        while address := next_link(found):
            found = bundle(api.get(address))
            seen += [one["resource"]["id"] for one in found["entry"]]
        assert seen == whole and len(seen) == 3


def test_a_page_link_is_for_its_grant_only(api: Api, connect: Callable[..., Api]) -> None:
    address = next_link(bundle(api.get("Observation?_count=1")))
    stranger = connect()

    assert api.get(address).status_code == 200
    assert stranger.get(address).status_code == 404
    assert api.get(address[:-2] + "AA").status_code == 404
    assert api.get("Observation?_page=***").status_code == 400
    assert api.get(f"{address}&_page=x").status_code == 400
    assert api.get(f"{address}&patient={OTHER}").status_code == 400
    assert api.get(f"{address}&_format=json").status_code == 200
    assert api.get(address.replace("/Observation?", "/ExplanationOfBenefit?")).status_code == 404


def test_a_page_link_ends_after_an_hour(clock: MovableClock, desk: Desk, loaded: str, engine: Engine) -> None:
    with make_sessions(engine)() as session:
        access = own_record(desk.account, MemberChoice(desk.member, None))
        start = store.search(session, access, Search("Observation", count=1)).following
    assert start is not None
    sealed = paging.seal(b"k" * 32, access, "Observation", [("_count", "1")], start)

    assert paging.unseal(b"k" * 32, access, "Observation", sealed).start == start
    changed = SecretKey(b"n" * 32, [b"o" * 32, b"k" * 32])
    assert paging.unseal(changed, access, "Observation", sealed).start == start
    with pytest.raises(NotFound):
        paging.unseal(SecretKey(b"n" * 32, [b"o" * 32]), access, "Observation", sealed)
    clock.advance(3_601)
    with pytest.raises(PageExpired):
        paging.unseal(b"k" * 32, access, "Observation", sealed)


def test_self_tells_how_many_a_page_holds_at_most(api: Api) -> None:
    for asked, done in (("99999999999999999999", MAX_COUNT), ("003", 3)):
        links = {one["relation"]: one["url"] for one in bundle(api.get(f"Observation?_count={asked}"))["link"]}
        assert links["self"].endswith(f"Observation?_count={done}")


def test_only_the_first_code_of_an_element_counts_before_the_next_key(api: Api, engine: Engine, system: Access) -> None:
    second = {"older": "exam", "newer": "vital-signs"}
    made = [
        records.observation(name, api.patient_id, effectiveDateTime=f"202{number}-01-01")
        | {"category": [records.concept(records.CATEGORY, code) for code in ("laboratory", second[name])]}
        for number, name in enumerate(second)
    ]
    ingest.load_resources(engine, made, access=system)

    for count in (1, 50):
        following = f"Observation?_id=older,newer&_sort=category,-date&_count={count}"
        found: list[str] = []
        while following:
            page = bundle(api.get(following))
            found += [one["resource"]["id"] for one in page["entry"]]
            following = next_link(page)
        assert found == ["newer", "older"], count
