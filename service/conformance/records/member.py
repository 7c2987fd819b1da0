"""Every record that an app sees of the member, fetched once a run, and what those records refer to."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.conformance import launches
from service.conformance.records.elements import references
from service.conformance.trial import Trial
from service.conformance.verdicts import Failed, NotOffered, expect
from service.conformance.wire import Answer

Records = dict[str, list[dict[str, Any]]]
_MOST_REFERENCES = 2_000
_APART = frozenset({"Patient", "AuditEvent"})
"""The one that is fetched first, and what is no record: who has looked, which no wildcard of a scope reaches."""
_SEARCHED_BY = {"PractitionerRole": ("practitioner", "Practitioner")}
"""Types to which nothing need refer: the parameter that finds those of a type that is referred to."""


def token(trial: Trial) -> str:
    """An access token for all that a member can share."""
    return launches.public(trial).access_token


def described(trial: Trial, resource_type: str) -> Mapping[str, Any]:
    """What the CapabilityStatement says of a type; raises NotOffered where it says nothing."""
    rest: Mapping[str, Any] = next(iter(trial.capability_statement.get("rest", ())), {})
    for one in rest.get("resource", ()):
        if one.get("type") == resource_type:
            found: Mapping[str, Any] = one
            return found
    raise NotOffered(f"the CapabilityStatement does not list {resource_type}")


def by_patient(trial: Trial, resource_type: str) -> bool:
    """Whether a type is searched by `patient`."""
    listed = described(trial, resource_type).get("searchParam", ())
    return any(one.get("name") == "patient" for one in listed)


def everything(trial: Trial) -> Records:
    """The member's records by type: those found by patient, then whatever these refer to."""
    return trial.once("the member's records", lambda: _gather(trial))


def of_type(trial: Trial, resource_type: str) -> list[dict[str, Any]]:
    """The records of a type; raises NotOffered where there are none."""
    of_patient = resource_type == "Patient" or by_patient(trial, resource_type)
    records = _own(trial, resource_type) if of_patient else everything(trial).get(resource_type)
    if not records:
        raise NotOffered(f"no {resource_type} among the member's records")
    return records


def read(trial: Trial, reference: str) -> Answer:
    """The answer to a read, made once a run."""
    return trial.once(f"read {reference}", lambda: trial.read(reference, token(trial)))


def found(trial: Trial, query: str) -> list[dict[str, Any]]:
    """Every match of a search, made once a run."""
    return trial.once(f"search {query}", lambda: trial.search(query, token(trial)))


def _gather(trial: Trial) -> Records:
    gathered: Records = {"Patient": _own(trial, "Patient")}
    expect(gathered["Patient"], "the member's Patient", "none")
    rest: Mapping[str, Any] = next(iter(trial.capability_statement.get("rest", ())), {})
    for name in (one["type"] for one in rest.get("resource", ())):
        if name not in _APART and by_patient(trial, name):
            gathered[name] = _own(trial, name)
    _follow(trial, gathered)
    for name, (parameter, target) in _SEARCHED_BY.items():
        known = {one["id"]: one for one in gathered.get(name, ())}
        for each in gathered.get(target, ()):
            known |= {one["id"]: one for one in found(trial, f"{name}?{parameter}={target}/{each['id']}")}
        gathered[name] = list(known.values())
    _follow(trial, gathered)
    return gathered


def _own(trial: Trial, resource_type: str) -> list[dict[str, Any]]:
    parameter = "_id" if resource_type == "Patient" else "patient"
    return found(trial, f"{resource_type}?{parameter}={trial.file.account.patient_id}")


def _follow(trial: Trial, gathered: Records) -> None:
    for reference in _beyond(gathered):
        answer = read(trial, reference)
        if answer.status == 200:
            resource = answer.json()
            gathered.setdefault(resource["resourceType"], []).append(resource)


def _beyond(gathered: Records) -> Iterator[str]:
    """References to what is not gathered yet, until nothing refers to anything new."""
    seen = {f"{name}/{one['id']}" for name, ones in gathered.items() for one in ones}
    while True:
        told = {one for ones in list(gathered.values()) for resource in ones for one in references(resource)}
        new = sorted(one for one in told - seen if one.count("/") == 1)
        if not new:
            return
        if len(seen) > _MOST_REFERENCES + sum(map(len, gathered.values())):
            raise Failed(f"at most {_MOST_REFERENCES} references that lead elsewhere", str(len(seen)))
        seen.update(new)
        yield from new
