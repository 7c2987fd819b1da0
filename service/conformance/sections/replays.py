"""Searches of Condition and Observation again with granular scopes (conformance D14): less whatever lies beyond."""

from typing import Any

from service.conformance import launches
from service.conformance.guides import stated
from service.conformance.guides.stated import Stated
from service.conformance.records import comparing, member
from service.conformance.requirement import Check, Requirement
from service.conformance.sections import granular
from service.conformance.trial import Trial
from service.conformance.verdicts import expect, expect_status

_TYPES = ("Condition", "Observation")


def _search(one: Stated) -> Check:
    def check(trial: Trial) -> None:
        scope = _scope(trial, one.resource_type)
        for chosen in comparing.asked(trial, one, one.name.split("+")):
            comparing.compare(
                trial, one.resource_type, chosen, search=_found, within=lambda record: granular.matches(record, scope)
            )

    return check


def _read(name: str) -> Check:
    """Each record of the type can be read if it lies within the scope, and not otherwise."""

    def check(trial: Trial) -> None:
        scope, token = _scope(trial, name), _token(trial)
        for record in member.of_type(trial, name):
            status = trial.read(f"{name}/{record['id']}", token).status
            if granular.matches(record, scope):
                expect_status(status, {200}, "a read within the scope")
            else:
                expect(status in {401, 403, 404}, "a refusal of a read outside of the scope", status)

    return check


def _scope(trial: Trial, name: str) -> str:
    return granular.split(trial, name)[0]


def _token(trial: Trial) -> str:
    def connect() -> str:
        scopes = " ".join(_scope(trial, name) for name in _TYPES)
        return launches.alone(trial, f"launch/patient {scopes}").access_token

    return trial.once("granular token", connect)


def _found(trial: Trial, query: str) -> list[dict[str, Any]]:
    return trial.search(query, _token(trial))


REQUIREMENTS = (
    *(
        Requirement(f"replays.{name}.{one.name}", "D14", f"{name} by {one.name}, within the scope", _search(one))
        for name in _TYPES
        for one in stated.everything()
        if one.resource_type == name and one.kind in {"search-param", "search-combo"}
    ),
    *(Requirement(f"replays.{name}.read", "D14", f"{name}: reads, within the scope", _read(name)) for name in _TYPES),
)
