"""The sandbox plan against the published profiles, CARIN BB 2.0.0 and US Core 6.1.0, where these are present."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.plan import stream
from tests.conftest import SHARED, require
from tests.sandbox.profile_checker import Profiles, must_supports

SEED = 1
_GUIDES = {"carin-bb": "carin-bb-2.0.0", "core": "us-core-6.1.0"}


@pytest.fixture(scope="module")
def guides() -> dict[str, Profiles]:
    return {name: Profiles(_shared() / "data" / "definitions" / folder) for name, folder in _GUIDES.items()}


@pytest.fixture(scope="module")
def cast() -> list[dict[str, Any]]:
    return [*stream.shared(SEED), *(one for bundle in stream.members(12, SEED) for one in bundle.resources)]


def test_every_claimed_profile_is_held(guides: dict[str, Profiles], cast: list[dict[str, Any]]) -> None:
    others = [one for index in range(12, 22) for one in stream.member(index, SEED).resources]
    found = [
        f"{profile}: {problem}"
        for one in [*cast, *others]
        for profile in one["meta"].get("profile", [])
        for problem in _problems(guides, one, profile)
    ]

    assert sorted(set(found)) == []


def test_the_checker_sees_what_is_wrong(guides: dict[str, Profiles], cast: list[dict[str, Any]]) -> None:
    claims = {one["meta"]["profile"][0]: one for one in cast if one["resourceType"] == "ExplanationOfBenefit"}
    assert len(claims) == 5
    for profile, claim in claims.items():
        for name in ("total", "identifier", "insurer", "billablePeriod"):
            broken = {key: value for key, value in claim.items() if key != name}
            assert _problems(guides, broken, profile)
        broken = deepcopy(claim)
        broken["payment"]["type"]["coding"][0]["code"] = "complete"
        assert _problems(guides, broken, profile)
    pressure = next(one for one in cast if "blood-pressure" in one["meta"].get("profile", [""])[0])
    assert _problems(guides, {**pressure, "component": pressure["component"][:1]}, pressure["meta"]["profile"][0])


def test_every_must_support_element_of_carin_is_shown_by_the_cast(cast: list[dict[str, Any]]) -> None:
    lists = _must_support_lists()
    assert len(lists) == 11
    missing = [
        f"{profile}: {path}"
        for profile, paths in lists.items()
        for path in paths
        if not any(must_supports(one, path) for one in cast if _is_about(one, profile))
    ]

    assert missing == []


def _problems(guides: dict[str, Profiles], resource: dict[str, Any], profile: str) -> list[str]:
    url = profile.partition("|")[0]
    return guides["carin-bb" if "carin-bb" in url else "core"].problems(resource, url)


def _must_support_lists() -> dict[str, list[str]]:
    """The lists of the Inferno test kit: `- **Profile**: element, element; slices: …; extensions: …`."""
    text = (_shared() / "spec" / "conformance.md").read_text(encoding="utf-8")
    part = text[text.index("### CARIN 2.0.0 must-support") : text.index("## F. Bulk")]
    lists = {}
    for profile, elements in re.findall(r"^- \*\*(\S+)\*\*: (.*)$", part, re.MULTILINE):
        names = re.sub(r"; (slices|extensions): ", ", ", elements).split(", ")
        lists[profile] = [_path(name) for name in names]
    return lists


def _path(name: str) -> str:
    return name.strip().replace("extension:race", "extension:us-core-race")


def _is_about(resource: dict[str, Any], profile: str) -> bool:
    if profile == "C4BB-ExplanationOfBenefit":
        return bool(resource["resourceType"] == "ExplanationOfBenefit")
    return any(name.partition("|")[0].endswith(f"/{profile}") for name in resource["meta"].get("profile", []))


def _shared() -> Path:
    require(SHARED is not None, "the published definitions are not here (set SHARED)")
    assert SHARED
    return SHARED
