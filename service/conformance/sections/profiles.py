"""Records against the profiles they claim, and the must-supports of each profile (conformance C3, D10, D11, E)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from service.conformance.guides import stated
from service.conformance.guides.stated import Stated
from service.conformance.records import member
from service.conformance.records.elements import values
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect

Record = dict[str, Any]
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_CARIN = "http://hl7.org/fhir/us/carin-bb/StructureDefinition/"
_NEEDLESS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            f"{_US_CORE}{name}"
            for name in (
                "head-occipital-frontal-circumference-percentile", "pediatric-bmi-for-age",
                "pediatric-weight-for-height", "us-core-bmi", "us-core-body-height", "us-core-body-temperature",
                "us-core-body-weight", "us-core-head-circumference", "us-core-heart-rate", "us-core-respiratory-rate",
            )
        ),
        "component",
    ),
    f"{_US_CORE}us-core-blood-pressure": "value[x]",
    f"{_US_CORE}us-core-documentreference": "content.attachment.url",
}  # fmt: skip
"""Flagged and not expected. Vital signs share one base: what is one value has no parts, what is two has no value. A
document holds its text or says where it lies."""


def _by_claim(url: str) -> Callable[[Record], bool]:
    return lambda record: url in {str(one).partition("|")[0] for one in record.get("meta", {}).get("profile", ())}


def _is_vital_sign(record: Record) -> bool:
    return any(one.get("code") == "vital-signs" for one in values(record, "category.coding"))


_BELONG: Mapping[str, Callable[[Record], bool]] = {
    f"{_CARIN}C4BB-ExplanationOfBenefit": lambda _record: True,
    f"{_US_CORE}us-core-vital-signs": _is_vital_sign,
}
"""Profiles that records name by a narrower one only."""


def _valid(one: Stated) -> Check:
    """Every record that claims the profile keeps it."""

    def check(trial: Trial) -> None:
        records = _of_profile(trial, one)
        breaches = {f"{each.rule} at {each.path}" for record in records for each in trial.definitions.findings(record)}
        expect(not breaches, f"{len(records)} records that keep it", ", ".join(sorted(breaches)))

    return check


def _must_support(one: Stated) -> Check:
    """Each must-support element stands in one of the records at least."""

    def check(trial: Trial) -> None:
        needless = _NEEDLESS.get(one.name, "")
        unseen = trial.definitions.unseen(one.name, _of_profile(trial, one)) or []
        lacking = [path for path in unseen if not needless or not f"{path}.".startswith(f"{needless}.")]
        expect(not lacking, "every must-support element in one record at least", f"none with {', '.join(lacking)}")

    return check


def _of_profile(trial: Trial, one: Stated) -> list[Record]:
    """The member's records of the profile; raises NotOffered where there are none or nobody knows the profile."""
    if trial.definitions.unseen(one.name, ()) is None:
        raise NotOffered("the definition of this edition's profile is not at hand")
    belongs = _BELONG.get(one.name, _by_claim(one.name))
    found = [record for record in member.of_type(trial, one.resource_type) if belongs(record)]
    if not found:
        raise NotOffered("none of the member's records claims this profile")
    return found


def _requirements() -> Iterator[Requirement]:
    for one in stated.everything():
        if one.kind == "profile":
            name = one.name.rpartition("/")[2]
            told = f"{one.resource_type}, {name}"
            section = "E" if name.startswith("C4BB") else "D11"
            yield Requirement(
                f"profiles.{one.resource_type}.{name}", "C3, D10", f"{told}: records keep it", _valid(one)
            )
            yield Requirement(
                f"profiles.{one.resource_type}.{name}.must_support",
                section,
                f"{told}: must-supports",
                _must_support(one),
            )


REQUIREMENTS = tuple(_requirements())
