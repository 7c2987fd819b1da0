"""Claims as the member reads them, and what they come to: by year, by month and by kind.

Only claims that stand count: what was withdrawn or replaced, is not final, or asks for approval ahead, is shown and
adds nothing. Amounts are Decimal US dollars.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from service.member.information import record_words as words
from service.member.information.cost_words import CostWords
from service.member.information.elements import Names, Node, nodes, text_of
from service.plan.claims import claim_view
from service.plan.claims.claim_view import Claim, ClaimLine, ClaimStatus

_UNCOUNTED = frozenset({
    ClaimStatus.WITHDRAWN, ClaimStatus.NOT_FINAL, ClaimStatus.IN_PROCESS, ClaimStatus.NOT_PROCESSED,
})  # fmt: skip
_ZERO = Decimal()


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One line of a claim, with what was done in words."""

    line: ClaimLine
    service: str
    reasons: tuple[tuple[str, Decimal | None], ...]


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """One claim with the names and words that the member reads. `counts` tells whether it is in the sums."""

    claim: Claim
    provider: str
    kind: str
    state: str
    counts: bool
    is_approval: bool
    diagnoses: tuple[str, ...] = ()
    care_team: tuple[str, ...] = ()
    reasons: tuple[tuple[str, Decimal | None], ...] = ()
    lines: tuple[ShownLine, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def day(self) -> date | None:
        """When the care began."""
        return self.claim.served_from


@dataclass(frozen=True, slots=True)
class Sums:
    """What some claims come to."""

    number: int = 0
    billed: Decimal = _ZERO
    paid: Decimal = _ZERO
    owed: Decimal = _ZERO

    def plus(self, claim: Claim) -> "Sums":
        """With one claim more; what it does not say counts as nothing."""
        amounts = claim.amounts
        return Sums(
            self.number + 1, self.billed + (amounts.billed or _ZERO), self.paid + (amounts.paid or _ZERO),
            self.owed + (amounts.owed or _ZERO),
        )  # fmt: skip


def read(body: bytes, names: Names, costs: CostWords, *, in_full: bool = False) -> ShownClaim:
    """The claim in the JSON of an ExplanationOfBenefit; for a list without lines, diagnoses and reasons."""
    eob = claim_view.decode(body)
    claim = claim_view.of(eob, in_full=in_full)
    is_approval = eob.get("use") in {"preauthorization", "predetermination"}
    return ShownClaim(
        claim=claim,
        provider=names.of_reference(eob.get("provider")) or (_care_team(eob, names) or ("",))[0],
        kind=claim.kind if claim.kind in words.CLAIM_KINDS else "other",
        state=str(costs.statuses[claim.status]),
        counts=claim.status not in _UNCOUNTED and not is_approval,
        is_approval=is_approval,
        **_in_full(eob, claim, names, costs) if in_full else {},
    )


def by_year(found: Iterable[ShownClaim]) -> dict[int, Sums]:
    """Sums of each year with claims, the newest first."""
    sums = _sums(found, lambda one: one.day.year if one.day else None)
    return {year: sums[year] for year in sorted(sums, reverse=True)}


def by_month(found: Iterable[ShownClaim]) -> dict[int, Sums]:
    """Sums of the twelve months of one year's claims."""
    sums = _sums(found, lambda one: one.day.month if one.day else None)
    return {month: sums.get(month, Sums()) for month in range(1, 13)}


def by_kind(found: Iterable[ShownClaim]) -> dict[str, Sums]:
    """Sums by kind of claim, in the order of the words; kinds without claims are left out."""
    sums = _sums(found, lambda one: one.kind)
    return {kind: sums[kind] for kind in (*words.CLAIM_KINDS, "other") if kind in sums}


def total(found: Iterable[ShownClaim]) -> Sums:
    """What all of them come to."""
    return _sums(found, lambda _one: "all").get("all", Sums())


def kind_name(kind: str) -> str:
    """The words for a kind of claim."""
    return str(words.CLAIM_KINDS.get(kind, words.OTHER_KIND))


def _sums(found: Iterable[ShownClaim], key_of: Callable[[ShownClaim], Any]) -> dict[Any, Sums]:
    sums: dict[Any, Sums] = {}
    for one in found:
        key = key_of(one)
        if one.counts and key is not None:
            sums[key] = sums.get(key, Sums()).plus(one.claim)
    return sums


def _in_full(eob: Node, claim: Claim, names: Names, costs: CostWords) -> dict[str, Any]:
    items = {item.get("sequence"): item for item in nodes(eob.get("item"))}
    notes = [str(note.get("text") or "") for note in nodes(eob.get("processNote"))]
    diagnoses = (text_of(one.get("diagnosisCodeableConcept")) for one in nodes(eob.get("diagnosis")))
    return {
        "diagnoses": tuple(dict.fromkeys(filter(None, diagnoses))),
        "care_team": _care_team(eob, names),
        "reasons": _reasons(claim, costs),
        "lines": tuple(
            ShownLine(line, _service(items.get(line.number, {}), line), _reasons(line, costs)) for line in claim.lines
        ),
        "notes": tuple(dict.fromkeys(filter(None, [*notes, str(eob.get("disposition") or "")]))),
    }


def _care_team(eob: Node, names: Names) -> tuple[str, ...]:
    every = (names.of_reference(one.get("provider")) for one in nodes(eob.get("careTeam")))
    return tuple(dict.fromkeys(filter(None, every)))


def _service(item: Mapping[str, Any], line: ClaimLine) -> str:
    return text_of(item.get("productOrService")) or text_of(item.get("revenue")) or line.procedure


def _reasons(priced: Claim | ClaimLine, costs: CostWords) -> tuple[tuple[str, Decimal | None], ...]:
    told = []
    for one in priced.adjustments:
        if one.category in costs.reductions:
            told.append((str(costs.reductions[one.category]), one.amount))
        elif said := words.refusal(one.code):
            told.append((said, None))
    return tuple(dict.fromkeys(told))
