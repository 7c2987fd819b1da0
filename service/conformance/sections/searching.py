"""Searches as the guides state them (conformance C3, D), each with values of records that the member has.

Whatever the server finds is compared with the records that an app gathered before: every one that the values fit, and
no other. Codes are asked for alone and with their system, up to five different values each.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from service.conformance.guides import stated
from service.conformance.guides.stated import Stated
from service.conformance.records import comparing, criteria, member
from service.conformance.records.elements import values
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect, expect_status


def _alone(one: Stated) -> Check:
    """A parameter by itself: a member's token means their records without saying so."""
    return lambda trial: _search(trial, one, [one.name])


def _together(one: Stated) -> Check:
    return lambda trial: _search(trial, one, one.name.split("+"))


def _any_of(one: Stated) -> Check:
    """Every value there is, as one list: it finds what all of them find."""

    def check(trial: Trial) -> None:
        comparing.require_declared(trial, one, [one.name])
        every = {each.text: each for record in member.of_type(trial, one.resource_type)
                 for each in criteria.spellings(one, record)}  # fmt: skip
        bare = [each for text, each in sorted(every.items()) if "|" not in text]
        if not bare:
            raise NotOffered(f"the member's {one.resource_type} records have no {one.name}")
        comparing.compare(trial, one.resource_type, [*comparing.of_patient(trial, one), criteria.any_of(bare)])

    return check


def _compared(one: Stated, comparator: str) -> Check:
    """Dates before and after one of the member's, told to the millisecond with its offset."""

    def check(trial: Trial) -> None:
        comparing.require_declared(trial, one, [one.name])
        records = member.of_type(trial, one.resource_type)
        told = [value for record in records for path in one.paths for value in values(record, path)]
        asked = [each for value in told if (each := criteria.compared(one, comparator, value)) is not None]
        if not asked:
            raise NotOffered(f"the member's {one.resource_type} records have no {one.name}")
        for each in comparing.spread(asked):
            comparing.compare(trial, one.resource_type, [*comparing.of_patient(trial, one), each])

    return check


def _search(trial: Trial, one: Stated, names: Sequence[str]) -> None:
    for chosen in comparing.asked(trial, one, names):
        comparing.compare(trial, one.resource_type, chosen)


def _both_forms(name: str) -> Check:
    """`patient=ID` and `patient=Patient/ID`, by GET and as a form, are one search."""

    def check(trial: Trial) -> None:
        patient = trial.file.account.patient_id
        wanted = _ids(member.found(trial, f"{name}?patient={patient}"))
        told = _ids(member.found(trial, f"{name}?patient=Patient/{patient}"))
        expect(told == wanted, f"the same {len(wanted)} by Patient/ID", len(told))
        answer = trial.wire.post(
            f"{trial.fhir_base}/{name}/_search", {"patient": patient},
            Authorization=f"Bearer {member.token(trial)}", Accept="application/fhir+json",
        )  # fmt: skip
        expect_status(answer.status, {200}, "a search by POST")
        whole = _ids(trial.pages(answer, member.token(trial)))
        expect(whole == wanted, f"the same {len(wanted)} by POST", len(whole))

    return check


def _paged(name: str) -> Check:
    """Pages of a few, followed by their links, hold each record once."""

    def check(trial: Trial) -> None:
        wanted = [one["id"] for one in member.of_type(trial, name)]
        size = max(1, len(wanted) // 4)
        told = member.found(trial, f"{name}?patient={trial.file.account.patient_id}&_count={size}")
        expect(sorted(one["id"] for one in told) == sorted(wanted), f"{len(wanted)} records, each once", len(told))

    return check


def _ids(records: Sequence[Any]) -> set[str]:
    return {one["id"] for one in records}


def _requirements(one: Stated) -> Iterator[Requirement]:
    words = one.name.replace("+", " + ")
    key, title = f"searching.{one.resource_type}.{one.name}", f"{one.resource_type} by {words} ({one.stated_by})"
    if one.kind == "search-combo":
        # One guide names a combination of a single parameter, which is stated as a parameter too.
        key = key if "+" in one.name else f"{key}.combination"
        yield Requirement(key, one.source, title, _together(one))
        return
    yield Requirement(key, one.source, title, _alone(one))
    for comparator in one.comparators:
        title = f"{one.resource_type} by {one.name}, {comparator}"
        yield Requirement(f"{key}.{comparator}", "D; SHALL", title, _compared(one, comparator))
    if one.any_of:
        title = f"{one.resource_type} by several {one.name} at once"
        yield Requirement(f"{key}.any_of", "D; SHALL", title, _any_of(one))


_TYPES = sorted({one.resource_type for one in stated.everything() if one.name == "patient"})
_GENERAL: tuple[tuple[str, str, Callable[[str], Check]], ...] = (
    ("forms", "by ID or Patient/ID, by GET or POST, alike", _both_forms),
    ("pages", "page by page, each record once", _paged),
)
REQUIREMENTS = (
    *(
        Requirement(f"searching.{name}.{key}", "C3, D; SHALL", f"{name}: {words}", make(name))
        for name in _TYPES
        for key, words, make in _GENERAL
    ),
    *(
        requirement
        for one in stated.everything()
        if one.kind in {"search-param", "search-combo"}
        for requirement in _requirements(one)
    ),
)
