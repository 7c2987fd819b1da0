"""Lines to outcomes, without a database: what one worker process does with a piece of a file.

A line holds a resource, a Bundle whose entries are put or deleted, or a reject of an earlier load that was corrected.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from fhir import r4
from fhir.compartment import ID, TYPES
from fhir.loading import bundles, money, own_addresses, profiles
from fhir.loading.faults import Finding, Rejected
from fhir.loading.json_texts import encode, parse, parse_unique, split
from fhir.loading.lines import Line
from fhir.loading.narratives import NARRATIVE, UNFIT
from fhir.loading.preparation import Prepared, prepare_split
from fhir.loading.survey import references

_PUTTING = frozenset({"PUT", "POST"})
_ENDS = "ends in the middle."
_IN_SEVERAL_LINES = "The name of a file with one resource in several lines ends in .json."
_NO_TEXT = Finding(
    "reject", "This line tells of a text that was not kept: send that file again, and take the line out of this one."
)
_BLANK = b" "
"""The text of such a line, rejected once more."""
_OF_ENTRIES = frozenset({"bundle", "name"})
"""The rules that a whole entry of a Bundle breaks: it is rejected as it is, not the resource in it."""


class Level(StrEnum):
    """How closely each resource is looked at; each level does what those before it do."""

    SCHEMA = "schema"
    """JSON, elements and their types, id, patient: quick."""
    MODELS = "models"
    """The whole resource against the FHIR models: about a hundred times slower."""
    PROFILES = "profiles"
    """Also the profiles it declares, the sums of its amounts, and whether what it refers to is there."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What is checked: how closely, whether a breach of a profile refuses, by which definitions (None: our own).

    References below one of the `bases` are relative to it.
    """

    level: Level = Level.SCHEMA
    strict: bool = False
    definitions: Path | None = None
    bases: tuple[str, ...] = ()


class Outcome(msgspec.Struct, array_like=True):
    """What became of a line: a resource to store, a name to delete, or a fault.

    `entry` is which entry of a Bundle on that line it was, from 1 (0: none); `raw` is the text where it is not the
    line's own; `warnings` are breaches that refuse nothing.
    """

    number: int
    prepared: Prepared | None = None
    removed: tuple[str, str] | None = None
    fault: Finding | None = None
    warnings: list[Finding] = []
    refers: list[tuple[str, str]] = []
    raw: bytes = b""
    entry: int = 0


def examine(lines: Sequence[Line], checks: Checks) -> list[Outcome]:
    """The outcomes of the lines, in their order."""
    return [outcome for line in lines for outcome in _outcomes(line, checks)]


def removal(number: int, name: str) -> Outcome:
    """The outcome of one line of a list of names to delete (`Type/id`)."""
    try:
        return Outcome(number, removed=_named(name))
    except Rejected as problem:
        return Outcome(number, fault=_finding(problem))


def _outcomes(line: Line, checks: Checks) -> Iterator[Outcome]:
    if line.fault is not None:
        yield Outcome(line.number, fault=line.fault)
        return
    raw, is_entry, is_name = line.raw, line.is_entry, False
    try:
        texts = split(raw)
        if not is_entry and "resourceType" not in texts and {"rule", "hint"} <= texts.keys():
            reject = parse_unique(raw)
            raw = _corrected(reject)
            if not raw.strip():
                yield Outcome(line.number, fault=_NO_TEXT, raw=_BLANK)
                return
            is_name = reject["rule"] == "name" and not raw.lstrip().startswith(b"{")
            texts = {} if is_name else split(raw)
            is_entry = reject["rule"] in _OF_ENTRIES and "resourceType" not in texts
        if is_name:
            yield Outcome(line.number, removed=_named(raw.decode("utf-8", "replace")))
            return
        if is_entry:
            yield from _of_entry(line.number, parse_unique(raw), checks)
            return
        if texts.get("resourceType") == b'"Bundle"':
            yield from _of_bundle(line.number, parse_unique(bundles.with_literal_references(raw)), checks)
            return
    except Rejected as problem:
        finding = _finding(problem)
        if line.number == 1 and finding.hint.endswith(_ENDS):
            finding = Finding(finding.rule, f"{finding.hint} {_IN_SEVERAL_LINES}")
        # Of a reject, what it holds: rejected again, it is no deeper in than before.
        yield Outcome(line.number, fault=finding, raw=b"" if raw is line.raw else raw)
        return
    yield _of_resource(line.number, raw, texts, checks, is_own=raw is line.raw)


def _of_bundle(number: int, bundle: Mapping[str, Any], checks: Checks) -> Iterator[Outcome]:
    if bundle.get("type") == "history":
        raise Rejected("bundle", "A history is not loaded: send the current versions.", "Bundle.type")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Rejected("bundle", "The entries of a Bundle are a list of objects.", "Bundle.entry")
    for place, entry in enumerate(entries, start=1):
        for outcome in _of_entry(number, entry, checks):
            outcome.entry = place
            yield outcome


def _of_entry(number: int, entry: Mapping[str, Any], checks: Checks) -> Iterator[Outcome]:
    request = entry.get("request")
    method = request.get("method", "PUT") if isinstance(request, dict) else "PUT"
    resource = entry.get("resource")
    try:
        if method == "DELETE" and isinstance(request, dict):
            yield Outcome(number, removed=_named(request.get("url")), raw=encode(entry))
        elif method not in _PUTTING:
            raise Rejected("bundle", "An entry is put, posted or deleted.", "Bundle.entry.request.method")
        elif not isinstance(resource, dict):
            raise Rejected("bundle", "An entry holds a resource, or deletes one.", "Bundle.entry.resource")
        elif resource.get("resourceType") != "OperationOutcome":
            raw = encode(resource)
            yield _of_resource(number, raw, split(raw), checks, is_own=False)
    except Rejected as problem:
        yield Outcome(number, fault=_finding(problem), raw=encode(entry))


def _of_resource(number: int, raw: bytes, texts: dict[str, bytes], checks: Checks, *, is_own: bool) -> Outcome:
    # A line is rejected as it came.
    text = b"" if is_own else raw
    ours = own_addresses.relative(raw, checks.bases)
    try:
        prepared = prepare_split(ours, texts if ours == raw else split(ours))
        if checks.level is not Level.SCHEMA:
            _require_model(ours)
    except Rejected as problem:
        return Outcome(number, fault=_finding(problem), raw=text)
    made = Outcome(number, prepared, raw=text)
    if checks.level is Level.PROFILES:
        _look_closely(made, parse(ours), checks)
    if made.prepared is not None and prepared.without_text:
        made.warnings = [*made.warnings, Finding(NARRATIVE, UNFIT, f"{prepared.type}.text")]
    return made


def _look_closely(made: Outcome, resource: dict[str, Any], checks: Checks) -> None:
    breaches = [*profiles.findings(resource, checks.definitions), *money.findings(resource)]
    made.refers = [target for target in references(resource) if target[0] in TYPES]
    if breaches and checks.strict:
        made.prepared, made.fault, made.warnings = None, breaches[0], breaches[1:]
    else:
        made.warnings = breaches


def _corrected(reject: Mapping[str, Any]) -> bytes:
    """The resource of a line of a reject file."""
    content = reject.get("content")
    if isinstance(content, str):
        return content.encode("utf-8", "surrogatepass")
    resource = reject.get("resource")
    if not isinstance(resource, dict):
        raise Rejected("reject", "A line of a reject file holds `resource` or `content`.")
    return encode(resource)


def _named(name: object) -> tuple[str, str]:
    resource_type, _, resource_id = name.strip().partition("/") if isinstance(name, str) else ("", "", "")
    if resource_type not in TYPES or not ID.fullmatch(resource_id):
        raise Rejected("name", "What is deleted is named as Type/id.", "")
    return resource_type, resource_id


def _require_model(raw: bytes) -> None:
    problem = r4.find_problem(raw)
    if problem is not None:
        raise Rejected("model", problem.message, problem.path)


def _finding(problem: Rejected) -> Finding:
    return Finding(problem.rule, problem.hint, problem.path)
