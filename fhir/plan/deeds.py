"""What the plan's programs do at their base, one resource at a time: create, update, delete, read (FHIR R4, http)."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

from sqlalchemy.orm import Session

from consent.policy import Access, AccessBasis
from fhir import store
from fhir.answers import disclosures
from fhir.compartment import TYPES
from fhir.loading import freshness, money, profiles
from fhir.loading.faults import Finding, Rejected
from fhir.loading.json_texts import encode, parse, parse_unique
from fhir.loading.narratives import NARRATIVE, UNFIT
from fhir.loading.preparation import Prepared, prepare
from fhir.outcomes import BadRequest, Forbidden, Issue, NotFound, PreconditionFailed, Unprocessable
from fhir.search import query as searching
from fhir.search.query import Search
from fhir.storage.results import Resource
from service import audit
from service.clock import now
from service.db import new_id

# What is wrong with the text itself; what it says is refused by 422.
_SYNTAX = {
    "json": Issue.STRUCTURE, "utf-8": Issue.STRUCTURE, "control-character": Issue.STRUCTURE, "date": Issue.VALUE,
    "duplicate-key": Issue.STRUCTURE, "structure": Issue.STRUCTURE, "too-long": Issue.TOO_LONG, "id": Issue.VALUE,
    "unknown-type": Issue.NOT_SUPPORTED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions of a write: the version it replaces, that there be none, or no match of a search; how strict."""

    if_match: str = ""
    if_none_match: str = ""
    if_none_exist: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What a write did: 200, 201 or 204, and the resource as it is now (None once deleted)."""

    status: int
    resource: Resource | None


class _Deed(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


def require_program(access: Access) -> None:
    """Refuse everybody but the plan's own programs (decision 64)."""
    if access.basis is not AccessBasis.PLAN_CLIENT:
        raise Forbidden("Only the plan's own programs use this base.")


def create(session: Session, access: Access, resource_type: str, raw: bytes, wanted: Wanted, *, base: str) -> Done:
    """A new resource under an id of ours; raises FhirProblem and InsufficientScope."""
    resource = _parse(raw)
    _require_type(resource, resource_type)
    if wanted.if_none_exist:
        found = _matches(session, access, resource_type, wanted.if_none_exist, base)
        if found is not None:
            record_read(session, access, "search", found)
            return Done(200, found)
    resource["id"] = new_id()
    return _write(session, access, _prepare(encode(resource), wanted), wanted)


def update(
    session: Session, access: Access, resource_type: str, resource_id: str, raw: bytes, wanted: Wanted
) -> Done:  # fmt: skip
    """The resource under that id from now on; raises FhirProblem and InsufficientScope."""
    resource = _parse(raw)
    _require_type(resource, resource_type)
    if resource.get("id") != resource_id:
        raise BadRequest("The id of the resource is the id of the address.", expression=f"{resource_type}.id")
    return _write(session, access, _prepare(raw, wanted), wanted)


def delete(session: Session, access: Access, resource_type: str, resource_id: str, wanted: Wanted) -> Done:
    """No resource under that id from now on; what never was there is gone too. Raises FhirProblem."""
    try:
        store.delete(session, access, resource_type, resource_id, if_match=_version(wanted.if_match))
    except NotFound:
        return Done(204, None)
    _record(session, access, _Deed.DELETE, resource_type, resource_id)
    return Done(204, None)


def read(session: Session, access: Access, resource_type: str, resource_id: str) -> Resource:
    """The current version, on record; raises FhirProblem."""
    found = store.read(session, access, resource_type, resource_id)
    record_read(session, access, "read", found)
    return found


def record_read(session: Session, access: Access, interaction: str, found: Resource) -> None:
    """One row for a version that is about to be sent."""
    member_id = disclosures.member_of(session, found)
    _record(session, access, interaction, found.type, found.id, version=found.version, member_id=member_id)


def record_refusal(session: Session, access: Access, interaction: str, name: str, status: int) -> None:
    """One row for a refusal of a known caller."""
    resource_type = name.partition("/")[0]
    detail = {"interaction": interaction, "status": status, "asked_for": [name[:200]]}
    audit.record(
        session, f"fhir:{resource_type if resource_type in TYPES else 'Bundle'}:{interaction}",
        outcome=audit.Outcome.REFUSED, account_id=access.account_id, member_id=access.member_id,
        client_id=access.client_id, grant_id=access.grant_id, detail=detail, reason=access.reason,
    )  # fmt: skip


def _write(session: Session, access: Access, prepared: Prepared, wanted: Wanted) -> Done:
    expected = _version(wanted.if_match)
    if wanted.if_none_match not in {"", "*"}:
        raise BadRequest("If-None-Match of a write is *.")
    try:
        stored = store.replace(session, access, prepared, if_match=expected, if_absent=wanted.if_none_match == "*")
    except Rejected as problem:
        raise _refused(problem) from None
    deed = _Deed.CREATE if stored.created else _Deed.UPDATE
    one = stored.resource
    _record(session, access, deed, one.type, one.id, version=one.version)
    return Done(201 if stored.created else 200, one)


def _parse(raw: bytes) -> dict[str, object]:
    try:
        return parse_unique(raw)
    except Rejected as problem:
        raise _refused(problem) from None


def _prepare(raw: bytes, wanted: Wanted) -> Prepared:
    try:
        prepared = prepare(raw)
    except Rejected as problem:
        raise _refused(problem) from None
    if prepared.without_text:
        # Whoever sends one resource can mend it at once; of a file, the rest is kept.
        raise Unprocessable(f"{NARRATIVE}: {UNFIT}", expression=f"{prepared.type}.text")
    if wanted.strict and (breaches := _breaches(parse(raw))):
        raise _breach(breaches)
    return prepared


def _breaches(resource: dict[str, object]) -> list[Finding]:
    return [*profiles.findings(resource), *money.findings(resource)]


def _breach(breaches: list[Finding]) -> Unprocessable:
    first = breaches[0]
    more = f" {len(breaches) - 1} more." if len(breaches) > 1 else ""
    return Unprocessable(f"{first.rule}: {first.hint}{more}", expression=first.path)


def _refused(problem: Rejected) -> BadRequest | Unprocessable:
    sentence = f"{problem.rule}: {problem.hint}"
    if problem.rule not in _SYNTAX:
        return Unprocessable(sentence, expression=problem.path)
    refused = BadRequest(sentence, expression=problem.path)
    refused.issue = _SYNTAX[problem.rule]
    return refused


def _require_type(resource: dict[str, object], resource_type: str) -> None:
    if resource.get("resourceType") != resource_type:
        raise BadRequest("The type of the resource is the type of the address.", expression="resourceType")


def _matches(session: Session, access: Access, resource_type: str, asked: str, base: str) -> Resource | None:
    given = parse_qsl(asked.partition("?")[2] if "?" in asked else asked, keep_blank_values=True)
    conditions = searching.parse(resource_type, given, base=base, patient_ids=None, strict=True).conditions
    if not conditions:
        raise BadRequest("If-None-Exist holds the parameters of a search, such as identifier=system|value.")
    # Two are enough to know of several, whatever page was asked for.
    found = store.search(session, access, Search(resource_type, conditions, count=2)).matches
    if len(found) > 1:
        raise PreconditionFailed("If-None-Exist matches several resources.", issue=Issue.MULTIPLE_MATCHES)
    return found[0] if found else None


def _version(if_match: str) -> int | None:
    if not if_match:
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadRequest('If-Match holds one ETag of ours, such as W/"3".')
    return int(text)


def _record(
    session: Session, access: Access, deed: str, resource_type: str, resource_id: str, version: int | None = None,
    member_id: str | None = None,
) -> None:  # fmt: skip
    detail = {"interaction": deed, "asked_for": [resource_id]} | ({} if version is None else {"version": version})
    audit.record(
        session, f"fhir:{resource_type}:{deed}", client_id=access.client_id, member_id=member_id,
        resource_type=resource_type, count=1, detail=detail, reason=access.reason,
    )  # fmt: skip
    if deed in _Deed.__members__.values():
        freshness.note(session, f"program {access.client_id}", received_at=now(), written=1)
