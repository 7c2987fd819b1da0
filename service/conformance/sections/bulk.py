"""Bulk Data Access (conformance F; F-70 to F-83): each level of export that the CapabilityStatement declares."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

from service.conformance.client_app import App
from service.conformance.requirement import Check, Requirement
from service.conformance.trial import Trial
from service.conformance.verdicts import Failed, NotOffered, expect, expect_status
from service.conformance.wire import Answer

_LONGEST_WAIT = 180.0
_MOST_CHECKED = 200
_DEFINITIONS = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
_INSTANTIATES = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
_NDJSON = "application/fhir+ndjson"
_KEYS = frozenset({"transactionTime", "request", "requiresAccessToken", "output", "error"})
_ASYNC = {"Accept": "application/fhir+json", "Prefer": "respond-async"}


@dataclass(frozen=True)
class Level:
    """Whose records are exported: the type that the operation hangs from, its definition, and its address."""

    name: str
    resource_type: str
    definition: str
    place: Callable[[Trial], str]


@dataclass
class Export:
    """One export from kick-off to manifest, and what was seen on the way."""

    accepted: Answer
    waits: list[Answer] = field(default_factory=list)
    done: Answer | None = None
    token: str = ""

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest; raises Failed where none came."""
        expect(self.done is not None, f"an export that is ready within {_LONGEST_WAIT:.0f} seconds", "one that is not")
        assert self.done is not None
        return self.done.json()


def _group(trial: Trial) -> str:
    if not trial.file.group_ids:
        raise NotOffered("the sandbox file names no group (groups)")
    return f"Group/{trial.file.group_ids[0]}/"


LEVELS = (
    Level("group", "Group", "group-export", _group),
    Level("patient", "Patient", "patient-export", lambda _trial: "Patient/"),
    Level("system", "", "export", lambda _trial: ""),
)


def _declared(trial: Trial, level: Level) -> None:
    found = _operation(trial, level)
    wanted = f"{_DEFINITIONS}{level.definition}"
    expect(str(found.get("definition", "")).partition("|")[0] == wanted, wanted, found.get("definition"))


def _no_token(trial: Trial, level: Level) -> None:
    answer = trial.wire.send("GET", _address(trial, level), headers=_ASYNC)
    expect_status(answer.status, {400, 401}, "a kick-off without token")


def _accepted(trial: Trial, level: Level) -> None:
    answer = _export(trial, level).accepted
    expect_status(answer.status, {202}, "a kick-off")
    place = answer.headers.get("Content-Location", "")
    expect(place.startswith(("https://", "http://")), "an absolute Content-Location", place or "none")


def _told(trial: Trial, level: Level) -> None:
    export = _export(trial, level)
    for waiting in export.waits:
        progress, pause = waiting.headers.get("X-Progress", ""), waiting.headers.get("Retry-After", "")
        expect(len(progress) < 100, "an X-Progress of less than 100 characters", len(progress))
        expect(pause.isdigit(), "a Retry-After in seconds", pause or "none")


def _manifest(trial: Trial, level: Level) -> None:
    export = _export(trial, level)
    lacking = _KEYS - export.manifest.keys()
    expect(not lacking, "every member of a manifest", f"none of {', '.join(sorted(lacking))}")
    assert export.done is not None
    expect(export.done.media_type == "application/json", "application/json", export.done.media_type)
    files = export.manifest["output"]
    expect(
        files and all(one.get("type") and one.get("url") for one in files), "files with type and url", files or "none"
    )


def _files(trial: Trial, level: Level) -> None:
    patients: set[str] = set()
    export = _export(trial, level)
    for file in export.manifest["output"]:
        answer = trial.wire.get(file["url"], Authorization=f"Bearer {export.token}", Accept=_NDJSON)
        expect_status(answer.status, {200}, "a file")
        expect(answer.media_type == _NDJSON, _NDJSON, answer.media_type)
        lines = answer.body.splitlines()
        expect("count" not in file or file["count"] == len(lines), f"{file.get('count')} lines", len(lines))
        patients |= _ids(lines, file["type"])
    expect(len(patients) >= 2, "at least two patients", len(patients))


def _ids(lines: list[bytes], resource_type: str) -> set[str]:
    """The ids of Patients among the lines, each of which must be a resource of the type."""
    found = set()
    for line in lines:
        try:
            resource = json.loads(line)
        except ValueError:
            raise Failed("a resource on each line", "a line that is no JSON") from None
        expect(resource.get("resourceType") == resource_type, resource_type, resource.get("resourceType"))
        if resource_type == "Patient":
            found.add(str(resource.get("id")))
    return found


def _valid(trial: Trial, level: Level) -> None:
    """The first lines of each file keep the profiles they claim."""
    definitions = trial.definitions
    export = _export(trial, level)
    breaches: set[str] = set()
    for file in export.manifest["output"]:
        answer = trial.wire.get(file["url"], Authorization=f"Bearer {export.token}", Accept=_NDJSON)
        lines = (json.loads(line) for line in answer.body.splitlines()[:_MOST_CHECKED])
        claiming = [one for one in lines if one.get("meta", {}).get("profile")]
        breaches |= {f"{each.rule} at {each.path}" for one in claiming for each in definitions.findings(one)}
    expect(not breaches, "lines that keep their profiles", ", ".join(sorted(breaches)))


def _files_closed(trial: Trial, level: Level) -> None:
    found = _export(trial, level).manifest
    if not found["requiresAccessToken"]:
        raise NotOffered("requiresAccessToken is false")
    answer = trial.wire.get(found["output"][0]["url"], Accept=_NDJSON)
    expect_status(answer.status, {400, 401}, "a file without token")


def _cancel(trial: Trial, level: Level) -> None:
    token = _token(trial)
    place = _begin(trial, level, token, "").headers.get("Content-Location", "")
    answer = trial.wire.send("DELETE", place, headers={"Authorization": f"Bearer {token}"})
    expect_status(answer.status, {202}, "DELETE of an export")
    gone = trial.wire.get(place, Authorization=f"Bearer {token}", Accept="application/json")
    expect_status(gone.status, {404}, "asking after an export that was ended")
    expect(
        gone.json().get("resourceType") == "OperationOutcome", "an OperationOutcome", gone.json().get("resourceType")
    )


def _takes(query: str) -> Callable[[Trial, Level], None]:
    """The kick-off takes this parameter."""

    def check(trial: Trial, level: Level) -> None:
        token = _token(trial)
        answer = _begin(trial, level, token, query)
        _end(trial, answer, token)
        expect_status(answer.status, {202}, f"a kick-off with {query}")

    return check


def _refuses(query: str) -> Callable[[Trial, Level], None]:
    """The kick-off refuses this parameter."""

    def check(trial: Trial, level: Level) -> None:
        token = _token(trial)
        answer = _begin(trial, level, token, query)
        _end(trial, answer, token)
        expect(400 <= answer.status < 500, f"4xx to a kick-off with {query}", answer.status)
        expect(answer.json().get("resourceType") == "OperationOutcome", "an OperationOutcome", "another body")

    return check


def _only_types(trial: Trial, level: Level) -> None:
    export = _made(trial, level, "?_type=Patient")
    types = {one["type"] for one in export.manifest["output"]}
    expect(types == {"Patient"}, "files of Patient alone", ", ".join(sorted(types)) or "none")


def _in_the_background(trial: Trial, level: Level) -> None:
    token = _token(trial)
    answer = trial.wire.get(_address(trial, level), Authorization=f"Bearer {token}", Accept="application/fhir+json")
    _end(trial, answer, token)
    expect(answer.status == 202 or 400 <= answer.status < 500, "4xx, or 202, without Prefer", answer.status)


def _narrow(trial: Trial, level: Level) -> None:
    """A token that reaches less sees less of the same export."""
    export = _export(trial, level)
    narrow = _token(trial, "system/Coverage.rs")
    place = export.accepted.headers["Content-Location"]
    seen = trial.wire.get(place, Authorization=f"Bearer {narrow}", Accept="application/json")
    if seen.status == 200:
        types = {one["type"] for one in seen.json()["output"]}
        expect(types <= {"Coverage"}, "files of Coverage at most", ", ".join(sorted(types)))
    else:
        expect_status(seen.status, {401, 403, 404}, "asking with a narrower token")
    patients = next(one["url"] for one in export.manifest["output"] if one["type"] == "Patient")
    answer = trial.wire.get(patients, Authorization=f"Bearer {narrow}", Accept=_NDJSON)
    expect_status(answer.status, {401, 403, 404}, "a file that the token does not cover")


def _instantiates(trial: Trial) -> None:
    if not any(_declares(trial, level) for level in LEVELS):
        raise NotOffered("the CapabilityStatement declares no export")
    listed = [str(one).partition("|")[0] for one in trial.capability_statement.get("instantiates", ())]
    expect(_INSTANTIATES in listed, _INSTANTIATES, "not instantiated")


def _export(trial: Trial, level: Level) -> Export:
    """The export that the checks of a level look at."""
    return trial.once(f"bulk {level.name}", lambda: _made(trial, level, ""))


def _made(trial: Trial, level: Level, query: str) -> Export:
    token = _token(trial)
    export = Export(_begin(trial, level, token, query), token=token)
    place = export.accepted.headers.get("Content-Location", "")
    until = monotonic() + _LONGEST_WAIT
    while place and export.done is None and monotonic() < until:
        answer = trial.wire.get(place, Authorization=f"Bearer {token}", Accept="application/json")
        if answer.status == 200:
            export.done = answer
            break
        expect_status(answer.status, {202, 429}, "asking after an export")
        if answer.status == 202:
            export.waits.append(answer)
        sleep(_pause(answer))
    return export


def _begin(trial: Trial, level: Level, token: str, query: str) -> Answer:
    """Ask for an export, a while later where another one is being made."""
    headers = _ASYNC | {"Authorization": f"Bearer {token}"}
    until = monotonic() + _LONGEST_WAIT
    while True:
        answer = trial.wire.send("GET", _address(trial, level) + query, headers=headers)
        if answer.status != 429 or monotonic() > until:
            return answer
        sleep(_pause(answer))


def _end(trial: Trial, begun: Answer, token: str) -> None:
    if place := begun.headers.get("Content-Location"):
        trial.wire.send("DELETE", place, headers={"Authorization": f"Bearer {token}"})


def _pause(answer: Answer) -> float:
    told = answer.headers.get("Retry-After", "")
    return min(30.0, float(told)) if told.isdigit() else 2.0


def _address(trial: Trial, level: Level) -> str:
    _operation(trial, level)
    return f"{trial.fhir_base}/{level.place(trial)}$export"


def _operation(trial: Trial, level: Level) -> Mapping[str, Any]:
    found = _declares(trial, level)
    if found is None:
        where = level.resource_type or "rest"
        raise NotOffered(f"the CapabilityStatement declares no export at {where}")
    return found


def _declares(trial: Trial, level: Level) -> Mapping[str, Any] | None:
    rest: Mapping[str, Any] = next(iter(trial.capability_statement.get("rest", ())), {})
    holders = [one for one in rest.get("resource", ()) if one.get("type") == level.resource_type]
    listed = [one for holder in (holders if level.resource_type else [rest]) for one in holder.get("operation", ())]
    return next((one for one in listed if one.get("name") in {"export", level.definition}), None)


def _token(trial: Trial, scope: str = "") -> str:
    app = _app(trial)
    answer = app.token({"grant_type": "client_credentials", "scope": scope or app.registered.scopes or "system/*.rs"})
    expect_status(answer.status, {200}, "a request for a token")
    return str(answer.json().get("access_token", ""))


def _app(trial: Trial) -> App:
    trial.require_grant("client_credentials")
    return trial.as_app(trial.file.backends()[0])


def _at(level: Level, check: Callable[[Trial, Level], None]) -> Check:
    return lambda trial: check(trial, level)


_CHECKS: tuple[tuple[str, str, str, Callable[[Trial, Level], None]], ...] = (
    ("declared", "F, F-83", "the export is declared with its definition", _declared),
    ("no_token", "F, F-80", "without a token nothing begins", _no_token),
    ("accepted", "F, F-74", "the kick-off is accepted, with an absolute Content-Location", _accepted),
    ("progress", "F, F-75", "while it is made, Retry-After says when to ask again", _told),
    ("manifest", "F, F-77", "the manifest is whole", _manifest),
    ("files", "F, F-79", "each file holds resources of its type, a line each, of two patients at least", _files),
    ("profiles", "F", "what the files hold keeps the profiles it claims", _valid),
    ("files_closed", "F, F-79", "files need the token", _files_closed),
    ("cancel", "F, F-81", "DELETE ends an export, which is then unknown", _cancel),
    ("fhir_ndjson", "F, F-71", "_outputFormat takes application/fhir+ndjson", _takes(f"?_outputFormat={_NDJSON}")),
    ("app_ndjson", "F, F-71", "_outputFormat takes application/ndjson", _takes("?_outputFormat=application/ndjson")),
    ("ndjson", "F, F-71", "_outputFormat takes ndjson", _takes("?_outputFormat=ndjson")),
    ("since", "F, F-71", "_since is taken", _takes("?_since=2020-01-01T00:00:00Z")),
    ("type", "F-73", "_type limits strictly", _only_types),
    ("format", "F-72", "an _outputFormat of another kind is refused", _refuses("?_outputFormat=application/pdf")),
    ("since_form", "F-72", "a _since that is no instant is refused", _refuses("?_since=yesterday")),
    ("background", "F-70", "without Prefer: respond-async no answer is kept waiting for", _in_the_background),
    ("narrow", "F-80", "a narrower token sees no more than it covers", _narrow),
)
REQUIREMENTS = (
    Requirement("bulk.instantiates", "F, F-83", "the CapabilityStatement instantiates bulk-data", _instantiates),
    *(
        Requirement(f"bulk.{level.name}.{key}", source, f"{title} ({level.name})", _at(level, check))
        for level in LEVELS
        for key, source, title, check in _CHECKS
    ),
)
