"""What comes of a resource is the same whatever was loaded before: in order, backwards, in threads, nothing kept."""

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fhir.compartment import PATIENT_ELEMENT, STORED_TYPES
from fhir.loading import elements, leaves
from fhir.loading.examining import Checks, Outcome, examine
from fhir.loading.faults import Rejected
from fhir.loading.json_texts import encode
from fhir.loading.lines import Line
from fhir.loading.preparation import prepare_resource
from fhir.loading.shapes import choices, definitions
from tests.fhir import records

_CODES = ("F10.20", "I10", "99213", "44255-8", "B20", "R")
_SYSTEMS = (records.ICD, records.LOINC, records.SNOMED, "http://x.example/codes")
_TARGETS = (
    "Patient/p", "Patient/q", "RelatedPerson/r", "Organization/o", "#a", "urn:uuid:1", "Medication/m", "Person/z",
)  # fmt: skip
_ODD: tuple[Any, ...] = (
    None, 1, -0.0, 10**20, True, "2025-02-31", "Canary", [], {}, [{}], ["x"], {"coding": [None]},
    {"reference": "Patient/q", "display": "Canary"}, {"system": records.ICD, "code": "F10.20"},
)  # fmt: skip
_TEXTS = (
    (b'"code"', b'"c\\u006fde"'), (b'"display"', b'"display" '), (b'"code"', b'"code":"B20","code"'),
    (b":1,", b":1.00,"), (b":1,", b":1e400,"), (b"Canary", b"\\ud800"), (b"Canary", b"\\u0000"),
)  # fmt: skip
"""How a text may be written otherwise, or wrongly."""
_PRIMITIVES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False), "decimal": (1, 0.5), "integer": (1, -3), "unsignedInt": (1, 0), "positiveInt": (1, 2),
    "date": ("2026-03-01", "2026"), "dateTime": ("2026-03-01T10:00:00Z", "2026-03"), "time": ("10:00:00",),
    "instant": ("2026-03-01T10:00:00.5Z",), "code": _CODES, "oid": ("urn:oid:2.16",), "base64Binary": ("Q2FuYXJ5",),
}  # fmt: skip
_RESOURCES = 250


class Maker:
    """Makes resources of every stored type whose elements hold few values, so that texts come again."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._made: list[dict[str, Any]] = []

    def lines(self) -> list[bytes]:
        """JSON texts of resources, some of them no good."""
        return [self._text(self._bent(self._resource())) for _ in range(_RESOURCES)]

    def _resource(self) -> dict[str, Any]:
        dice = self._dice
        if self._made and dice.random() < 0.5:
            # The same elements in another member's record, in another order.
            items = list(dice.choice(self._made).items())
            dice.shuffle(items)
            return self._of_somebody(dict(items))
        kind = dice.choice(STORED_TYPES)
        made = self._of_somebody({"resourceType": kind, "id": "o"} | self._object(kind, 0))
        self._made.append(made)
        return made

    def _of_somebody(self, resource: dict[str, Any]) -> dict[str, Any]:
        element = PATIENT_ELEMENT.get(resource["resourceType"], "id")
        if element in {"id", "target"}:
            return resource | {"id": self._dice.choice("pq")}
        return resource | {element: records.to(self._dice.choice(("Patient/p", "Patient/q")), "Canary")}

    def _object(self, kind: str, depth: int) -> dict[str, Any]:
        dice, made = self._dice, {}
        left_out = {name for one in choices(kind) for name in one - {dice.choice(sorted(one))}}
        for name, (below, repeats) in definitions()[kind].items():
            if name not in left_out and name != "id" and dice.random() < 0.5 / (depth + 1):
                many = dice.choice((1, 1, 3))
                made[name] = [self._value(below, depth) for _ in range(many)] if repeats else self._value(below, depth)
        return made or {"id": "e"}

    def _value(self, kind: str, depth: int) -> Any:
        dice = self._dice
        if kind in {"Coding", "CodeableConcept"}:
            coding = {"system": dice.choice(_SYSTEMS), "code": dice.choice(_CODES)}
            return coding if kind == "Coding" else {"coding": [coding]}
        if kind == "Reference":
            return records.to(dice.choice(_TARGETS), dice.choice((None, "Canary")))
        if kind == "Extension":
            told = dice.choice(("CodeableConcept", "Reference", "Coding"))
            return {"url": "http://x.example/why", f"value{told}": self._value(told, depth)}
        if kind == "Resource":
            named = dice.choice(("Organization", "RelatedPerson", "Medication", ["Patient"]))
            return {"resourceType": named, "id": "a", "code": self._value("CodeableConcept", depth)}
        if kind in definitions() and kind[0].isupper():
            return self._object(kind, depth + 1) if depth < 4 else {"id": "e"}
        return dice.choice(_PRIMITIVES.get(kind, ("Canary", "http://loinc.org/44255-8")))

    def _bent(self, resource: dict[str, Any]) -> dict[str, Any]:
        if self._dice.random() < 0.3:
            resource = resource | {self._dice.choice((*resource, "bogus")): self._dice.choice(_ODD)}
        return resource

    def _text(self, resource: dict[str, Any]) -> bytes:
        text = encode(resource)
        return text.replace(*self._dice.choice(_TEXTS)) if self._dice.random() < 0.3 else text


def forget() -> None:
    for one in elements._of_types.values():
        one.forget()


def outcomes(lines: Iterable[bytes], before: Callable[[], None] = lambda: None) -> list[Outcome]:
    found = []
    for line in lines:
        before()
        found += examine([Line(1, line)], Checks())
    return found


@pytest.mark.parametrize("seed", range(4))
def test_what_came_before_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Maker(seed).lines()
    cold = outcomes(lines, before=forget)

    assert sum(one.prepared is not None for one in cold) > _RESOURCES // 5
    assert outcomes(lines) == cold
    assert outcomes(reversed(lines)) == cold[::-1]
    # With so little room that all is forgotten again and again.
    monkeypatch.setattr(elements, "_MOST_KEPT", 30_000)
    assert outcomes(lines) == cold


def test_what_is_looked_at_by_its_leaves_tells_what_it_tells_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for seed in range(5) for line in Maker(seed).lines()]
    forget()
    by_leaves = outcomes(lines)

    asked: list[object] = []
    monkeypatch.setattr(leaves, "read", lambda branches, text: asked.append(text))
    forget()
    assert outcomes(lines) == by_leaves and len(asked) > 500


def test_what_streams_and_merges_brought_unchecked_changes_nothing() -> None:
    maker = Maker(11)
    lines = maker.lines()
    cold = outcomes(lines, before=forget)
    forget()

    for made in maker._made:
        try:
            prepare_resource(made | {"bogus": {"code": "B20", "system": records.ICD}})
        except Rejected:
            continue
    assert outcomes(lines) == cold


def test_threads_that_examine_together_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Maker(12).lines()
    cold = outcomes(lines, before=forget)
    monkeypatch.setattr(elements, "_MOST_KEPT", 30_000)

    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(outcomes, [lines, lines[::-1]] * 2))
    assert together == [cold, cold[::-1]] * 2
