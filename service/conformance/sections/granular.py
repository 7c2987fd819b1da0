"""Scopes down to the letter and the category (conformance B 9.23 to 9.28; SMART-23, 24, 30 to 34)."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from service.conformance import launches
from service.conformance.launch import Launch
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import NotOffered, expect, expect_status

Records = list[dict[str, Any]]


def _all_granted(trial: Trial) -> None:
    asked = _offered(trial)
    launch = _connect(trial, " ".join(asked), by_post="authorize-post" in trial.listed("capabilities"))
    missing = sorted(set(asked) - launch.granted)
    expect(not missing, "every granular scope of scopes_supported granted", f"not {', '.join(missing)}")


def _search(name: str) -> Check:
    """A search finds exactly the records that the scope names."""

    def check(trial: Trial) -> None:
        scope, inside, _outside = split(trial, name)
        found = trial.search(f"{name}?patient={_patient(trial)}", _connect(trial, scope).access_token)
        expect(_ids(found) == _ids(inside), f"the {len(inside)} {name} of the category alone", len(found))

    return check


def _read(name: str) -> Check:
    """A read gives a record inside the scope, and none outside."""

    def check(trial: Trial) -> None:
        scope, inside, outside = split(trial, name)
        token = _connect(trial, scope).access_token
        expect_status(trial.read(f"{name}/{inside[0]['id']}", token).status, {200}, "a read within the category")
        status = trial.read(f"{name}/{outside[0]['id']}", token).status
        expect_status(status, {403, 404}, "a read outside of the category")

    return check


def _union(trial: Trial) -> None:
    """Two categories together give both."""
    by_scope = _by_scope(trial, "Observation")
    if len(by_scope) < 2:
        raise NotOffered("the member's Observations are of one category only")
    (first, some), (second, others) = sorted(by_scope.items())[:2]
    token = _connect(trial, f"{first} {second}").access_token
    found = trial.search(f"Observation?patient={_patient(trial)}", token)
    expect(_ids(found) == _ids(some) | _ids(others), "the Observations of both categories", len(found))


def _unknown_parameter(trial: Trial) -> None:
    _require_v2(trial)
    launch = _connect(trial, "patient/Patient.rs patient/Observation.rs?conformance=unknown")
    wider = sorted(scope for scope in launch.granted if scope.startswith("patient/Observation"))
    status = trial.read(f"Observation?patient={_patient(trial)}", launch.access_token).status
    expect(not wider and status in {401, 403}, "a scope with an unknown parameter dropped", f"{status} for all")


def _encoded(trial: Trial) -> None:
    scope = _offered(trial)[0]
    launch = _connect(trial, scope.replace("|", "%7C"))
    token = launch.access_token
    name = scope.removeprefix("patient/").partition(".")[0]
    raw = trial.search(f"{name}?patient={_patient(trial)}", token)
    plain = trial.search(f"{name}?patient={_patient(trial)}", _connect(trial, scope).access_token)
    expect(_ids(raw) == _ids(plain), "the same for | and %7C", f"{len(raw)} and {len(plain)} records")


def _read_only(trial: Trial) -> None:
    _require_v2(trial)
    launch, path = _connect(trial, "patient/Patient.r patient/Coverage.r"), f"Patient/{_patient(trial)}"
    expect_status(trial.read(path, launch.access_token).status, {200}, "a read with .r")
    status = trial.read(f"Coverage?patient={_patient(trial)}", launch.access_token).status
    expect_status(status, {401, 403}, "a search with .r")


def _search_only(trial: Trial) -> None:
    _require_v2(trial)
    launch = _connect(trial, "patient/Coverage.s")
    found = trial.search(f"Coverage?patient={_patient(trial)}", launch.access_token)
    if not found:
        raise NotOffered("the member has no Coverage to search for")
    status = trial.read(f"Coverage/{found[0]['id']}", launch.access_token).status
    expect_status(status, {401, 403, 404}, "a read with .s")


def _odd_letters(trial: Trial) -> None:
    _require_v2(trial)
    launch = _connect(trial, "patient/Patient.rs patient/Coverage.sr patient/Coverage.reads")
    wrong = sorted(scope for scope in launch.granted if "Coverage" in scope)
    expect(not wrong, "scopes with letters out of order dropped", wrong)


def _type_not_granted(trial: Trial) -> None:
    _require_v2(trial)
    launch = _connect(trial, "patient/Patient.rs")
    status = trial.read(f"Coverage?patient={_patient(trial)}", launch.access_token).status
    expect_status(status, {401, 403}, "a search for a type that is not granted")


def _require_v2(trial: Trial) -> None:
    trial.require("launch-standalone")
    trial.require("permission-v2")


def _offered(trial: Trial) -> list[str]:
    """The granular patient scopes that the server lists; raises NotOffered."""
    _require_v2(trial)
    found = sorted(s for s in trial.listed("scopes_supported") if s.startswith("patient/") and "?" in s)
    if not found:
        raise NotOffered("scopes_supported lists no granular scope")
    return found


def _connect(trial: Trial, scope: str, **given: Any) -> Launch:
    return launches.alone(trial, f"launch/patient {scope}", **given)


def split(trial: Trial, name: str) -> tuple[str, Records, Records]:
    """A scope of one category, the member's records within it, and those outside; neither is empty."""
    everything = _everything(trial, name)
    for scope, inside in sorted(_by_scope(trial, name).items()):
        outside = [record for record in everything if record["id"] not in _ids(inside)]
        if outside:
            return scope, inside, outside
    raise NotOffered(f"the member's {name} records are not of several categories that scopes_supported lists")


def _by_scope(trial: Trial, name: str) -> dict[str, Records]:
    """The member's records by each granular scope that any of them matches."""
    scopes = [scope for scope in _offered(trial) if scope.startswith(f"patient/{name}.rs?")]
    everything = _everything(trial, name)
    matching = {scope: [record for record in everything if matches(record, scope)] for scope in scopes}
    return {scope: records for scope, records in matching.items() if records}


def _everything(trial: Trial, name: str) -> Records:
    def search() -> Records:
        full = launches.full(trial)
        return trial.search(f"{name}?patient={_patient(trial)}", full.access_token)

    return trial.once(f"every {name}", search)


def matches(record: dict[str, Any], scope: str) -> bool:
    """Whether any coding of the element that the scope names is the scope's; of every parameter."""
    for element, value in parse_qsl(scope.partition("?")[2]):
        told = record.get(element) or []
        concepts = told if isinstance(told, list) else [told]
        codings = [coding for concept in concepts for coding in concept.get("coding", ())]
        if value not in {f"{coding.get('system', '')}|{coding.get('code', '')}" for coding in codings}:
            return False
    return True


def _ids(records: Iterable[dict[str, Any]]) -> set[str]:
    return {record["id"] for record in records}


def _patient(trial: Trial) -> str:
    return trial.file.account.patient_id


REQUIREMENTS = (
    Requirement("granular.granted", "B, SMART-31, 41", "all granular scopes listed are granted", _all_granted),
    *(
        Requirement(f"granular.search_{name.lower()}", "B, SMART-30", f"{name}: searches keep to it", _search(name))
        for name in ("Condition", "Observation")
    ),
    *(
        Requirement(f"granular.read_{name.lower()}", "B, SMART-30", f"{name}: so do reads", _read(name))
        for name in ("Condition", "Observation")
    ),
    Requirement("granular.union", "B, SMART-28", "two categories give both", _union),
    Requirement("granular.unknown", "SMART-33", "an unknown parameter never widens", _unknown_parameter),
    Requirement("granular.encoded", "SMART-34", "| and %7C are the same", _encoded),
    Requirement("granular.read_letter", "SMART-23", ".r reads and does not search", _read_only),
    Requirement("granular.search_letter", "SMART-23", ".s searches and does not read", _search_only),
    Requirement("granular.odd_letters", "SMART-24", "letters out of order grant nothing", _odd_letters),
    Requirement("granular.other_type", "SMART-84", "a type not granted is refused", _type_not_granted),
)  # fmt: skip
