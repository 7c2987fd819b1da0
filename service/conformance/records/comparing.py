"""Searches with the member's own values, and what they find against what they should."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any
from urllib.parse import quote, urlencode

from service.conformance.guides import stated
from service.conformance.guides.stated import Stated
from service.conformance.records import criteria, member
from service.conformance.records.criteria import Criterion
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect

Record = dict[str, Any]
Search = Callable[[Trial, str], list[Record]]
_MOST_VALUES = 5
_PATIENT = "patient"


def asked(trial: Trial, one: Stated, names: Sequence[str]) -> list[list[Criterion]]:
    """Up to five different sets of values for parameters, each of one record. Raises Failed, NotOffered."""
    require_declared(trial, one, names)
    parameters = stated.parameters(one.resource_type)
    found: dict[str, list[Criterion]] = {}
    for record in member.of_type(trial, one.resource_type):
        for chosen in product(*(criteria.spellings(parameters[name], record)[:2] for name in names)):
            found.setdefault("&".join(each.text for each in chosen), list(chosen))
    if not found:
        raise NotOffered(f"none of the member's {one.resource_type} records has {' and '.join(names)}")
    return list(spread(list(found.values())))


def require_declared(trial: Trial, one: Stated, names: Sequence[str]) -> None:
    """Raise unless the CapabilityStatement names every parameter: what a guide demands must be there."""
    listed = {each.get("name") for each in member.described(trial, one.resource_type).get("searchParam", ())}
    lacking = [name for name in names if name not in listed]
    told = f"the CapabilityStatement lists no {', '.join(lacking)} of {one.resource_type}"
    if lacking and one.force != "SHALL":
        raise NotOffered(told)
    expect(not lacking, f"{', '.join(names)} in the CapabilityStatement", told)


def compare(
    trial: Trial, resource_type: str, asked: Sequence[Criterion], *,
    search: Search = member.found, within: Callable[[Record], bool] = lambda _record: True,
) -> None:  # fmt: skip
    """Search, and hold what comes against what should: the records that fit and lie `within` what may be seen."""
    query = urlencode([(each.name, each.text) for each in asked], quote_via=quote)
    found = search(trial, f"{resource_type}?{query}")
    strangers = [one for one in found if not all(each.holds(one) for each in asked)]
    words = " and ".join(each.name for each in asked)
    expect(not strangers, f"only {resource_type} that fit {words}", f"{len(strangers)} that do not")
    fitting = (one for one in member.of_type(trial, resource_type) if all(each.holds(one) for each in asked))
    known = {one["id"] for one in fitting if within(one)}
    missing = known - {one["id"] for one in found}
    expect(not missing, f"every {resource_type} that fits {words}", f"{len(missing)} of {len(known)} missing")
    if member.by_patient(trial, resource_type):
        beyond = len({one["id"] for one in found}) - len(known)
        expect(not beyond, f"the {len(known)} {resource_type} records that fit {words}", f"{beyond} more")


def of_patient(trial: Trial, one: Stated) -> list[Criterion]:
    """The member's own id beside another parameter, where the type is searched by it."""
    if one.name == _PATIENT or not member.by_patient(trial, one.resource_type):
        return []
    patient = trial.file.account.patient_id
    return [Criterion(_PATIENT, patient, lambda _record: True)]


def spread(found: Sequence[Any]) -> Iterator[Any]:
    """At most five, from the first to the last."""
    if len(found) <= _MOST_VALUES:
        yield from found
        return
    for place in range(_MOST_VALUES):
        yield found[place * (len(found) - 1) // (_MOST_VALUES - 1)]
