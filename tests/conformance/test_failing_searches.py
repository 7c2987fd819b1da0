"""Searches, reads and records can fail too: a server that does one thing wrong fails what speaks of it alone."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from service.conformance import runner
from service.conformance.report import Verdict
from service.conformance.sections import REQUIREMENTS
from service.conformance.trial import Trial
from tests.conformance.misdeeds import Changes, after, asked, at, before, changed, instead
from tests.conformance.proxy import Call, Misdeed, Proxy, Reply

JSON = [("Content-Type", "application/fhir+json")]
NOTHING = Reply(200, JSON, b'{"resourceType": "Bundle", "type": "searchset", "entry": []}')
GONE = Reply(404, JSON, b'{"resourceType": "OperationOutcome"}')
CONDITIONS = at("/fhir/r4/Condition")


def ignoring(name: str, path: str = "/fhir/r4/Condition") -> Misdeed:
    """Leave a parameter out of searches."""

    def alter(call: Call) -> Call:
        parts = urlsplit(call.path)
        query = [(key, value) for key, value in parse_qsl(parts.query) if key != name]
        return replace(call, path=urlunsplit(parts._replace(query=urlencode(query))))

    return before(at(path), alter)


def each_entry(change: Changes) -> Misdeed:
    """Change every Condition that a search finds."""

    def alter(bundle: dict[str, Any]) -> None:
        for entry in bundle.get("entry", ()):
            change(entry["resource"])

    return after(CONDITIONS, changed(alter))


def _without_next(bundle: dict[str, Any]) -> None:
    bundle["link"] = [link for link in bundle.get("link", ()) if link["relation"] != "next"]


def _without_included(bundle: dict[str, Any]) -> None:
    bundle["entry"] = [one for one in bundle.get("entry", ()) if one["search"]["mode"] != "include"]


def _without_category(query: dict[str, str]) -> None:
    query["scope"] = " ".join(scope.partition("?")[0] for scope in query.get("scope", "").split())


# What the server does wrong, which requirements are looked at (a regular expression), and which of them must fail.
CASES: dict[str, tuple[Misdeed, str, set[str]]] = {
    "a parameter ignored": (
        ignoring("clinical-status"), r"searching\.Condition\..*",
        {f"searching.Condition.{name}clinical-status" for name in ("", "patient+", "patient+category+")},
    ),
    "a comparator that finds nothing": (
        lambda call, send: NOTHING if "onset-date=ge" in call.path else send(call), r"searching\.Condition\..*",
        {"searching.Condition.onset-date.ge"},
    ),
    "the first page alone": (
        after(CONDITIONS, changed(_without_next)), r"searching\.Condition\..*", {"searching.Condition.pages"},
    ),
    "nothing by POST": (
        instead(at("/fhir/r4/Condition/_search", "POST"), NOTHING), r"searching\.Condition\..*",
        {"searching.Condition.forms"},
    ),
    "nothing included": (
        after(at("/fhir/r4/MedicationRequest"), changed(_without_included)), r"following\.MedicationRequest\..*",
        {"following.MedicationRequest.MedicationRequest:medication", "following.MedicationRequest.Provenance:target"},
    ),
    "a version of another time": (
        after(at("/fhir/r4/Condition/.*/_history/.*"), changed(lambda told: told.pop("recordedDate"))),
        r"following\.Condition\..*", {"following.Condition.vread"},
    ),
    "medications that cannot be read": (
        instead(at("/fhir/r4/Medication/.*"), GONE), r"records\.MedicationRequest\..*",
        {"records.MedicationRequest.references"},
    ),
    "an element left out": (
        each_entry(lambda told: told.pop("recordedDate")), r"profiles\.Condition\..*",
        {f"profiles.Condition.us-core-condition-{name}.must_support" for name in (
            "encounter-diagnosis", "problems-health-concerns")},
    ),
    "a code that is demanded left out": (
        each_entry(lambda told: told.pop("category")), r"profiles\.Condition\.us-core-condition-encounter-diagnosis",
        {"profiles.Condition.us-core-condition-encounter-diagnosis"},
    ),
    "claims that are not complete": (
        after(at("/fhir/r4/ExplanationOfBenefit"), changed(
            lambda told: [one["resource"].update(outcome="queued") for one in told.get("entry", ())])),
        r"records\.claim_.*", {"records.claim_outcome"},
    ),
    "a category that is ignored": (
        asked(_without_category), r"replays\.Condition\.(read|patient\+code)",
        {"replays.Condition.read", "replays.Condition.patient+code"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_thing_wrong_fails_what_speaks_of_it_and_nothing_else(name: str, trial: Trial, proxy: Proxy) -> None:
    proxy.misdeed, pattern, expected = CASES[name]
    looked_at = [one for one in REQUIREMENTS if re.fullmatch(pattern, one.key)]

    report = runner.run(trial, looked_at)

    assert {outcome.key for outcome in report.outcomes if outcome.verdict is Verdict.FAIL} == expected
