"""Reading and writing resources, always under an Access: there is no unfiltered way to member data.

Not visible and not existing look alike. Scopes are enforced here, so that no caller can forget them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from consent.policy import Access
from consent.scopes import Restriction
from fhir.compartment import PATIENT_ELEMENT, RENDERED_TYPES, TYPES
from fhir.loading.preparation import Rejected, prepare_resource
from fhir.outcomes import Gone, NotFound, OtherPatient
from fhir.search import clauses, includes, matching
from fhir.search import query as searching
from fhir.search.clauses import Clause, Dialect
from fhir.search.index import NO_DATE
from fhir.search.matching import Candidate
from fhir.search.query import Search, Total
from fhir.storage import consents, projections, statements, writing
from fhir.storage.bodies import bodies_of
from fhir.storage.statements import Row
from oauth.tokens.token_problems import InsufficientScope


class Resource(NamedTuple):
    """One version of a resource; `body` is its JSON as served. A deleted one has no body to show."""

    type: str
    id: str
    version: int
    last_updated: int
    body: bytes
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last match of a page: its value of the sort column and its id."""

    place: int | str
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search. `total` is None where nobody counted; `following` where the next page starts."""

    matches: tuple[Resource, ...]
    included: tuple[Resource, ...] = ()
    total: int | None = None
    following: Cursor | None = None


def read(session: Session, access: Access, resource_type: str, resource_id: str) -> Resource:
    """The current version; raises NotFound, Gone or InsufficientScope."""
    if (own := _own_identity(session, access, resource_type, resource_id)) is not None:
        return own
    visible = _readable(session, access, resource_type, resource_id)
    if resource_type in RENDERED_TYPES:
        return _rendered(session, access, resource_id)
    row = statements.read(session, resource_type, resource_id, visible)
    if row is None:
        raise NotFound
    if row.deleted:
        raise Gone
    return _resource(session, row)


def vread(session: Session, access: Access, resource_type: str, resource_id: str, version: str) -> Resource:
    """One version; raises NotFound, Gone (that version is the deletion) or InsufficientScope."""
    visible = _readable(session, access, resource_type, resource_id)
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise NotFound
    if resource_type in RENDERED_TYPES:
        current = _rendered(session, access, resource_id)
        if current.version != int(version):
            raise NotFound
        return current
    row = statements.read_version(session, resource_type, resource_id, int(version), visible)
    if row is None:
        raise NotFound
    if row.deleted:
        raise Gone
    return _resource(session, row)


def history(session: Session, access: Access, resource_type: str, resource_id: str) -> list[Resource]:
    """Every kept version, newest first, deletions among them; of a rendered one the current alone.

    Raises NotFound or InsufficientScope.
    """
    visible = _readable(session, access, resource_type, resource_id)
    if resource_type in RENDERED_TYPES:
        return [_rendered(session, access, resource_id)]
    rows = statements.history(session, resource_type, resource_id, visible)
    if not rows:
        raise NotFound
    return list(_resources(session, rows))


def search(session: Session, access: Access, asked: Search, start: Cursor | None = None) -> Page:
    """One page of matches with what they include; raises InsufficientScope."""
    dialect = statements.dialect_of(session)
    where = _where(dialect, access, asked)
    if asked.resource_type in RENDERED_TYPES:
        return _search_rendered(session, access, asked, start)
    if asked.counts_only:
        return Page((), total=statements.count(session, where))
    beyond = clauses.after(dialect, asked.sort, start.place, start.id) if start else Clause("")
    page = clauses.all_of((where, beyond))
    rows = statements.search(session, page, asked.sort, asked.count + 1, with_refs=bool(asked.includes))
    kept, more = rows[: asked.count], len(rows) > asked.count
    return Page(
        matches=_resources(session, kept),
        included=_resources(session, includes.follow(session, access, asked, kept, granted)),
        total=_total(session, asked, where, len(kept) if start is None and not more else None),
        following=Cursor(kept[-1].place, kept[-1].id) if more else None,
    )


def counts(session: Session, access: Access) -> dict[str, int]:
    """How many resources of each type of the patient compartment the access reaches, without the empty types."""
    dialect = statements.dialect_of(session)
    whole: list[str] = []
    partly: list[str] = []
    for resource_type in set(PATIENT_ELEMENT) - RENDERED_TYPES:
        alternatives = access.scopes.restrictions(resource_type, "s")
        if alternatives:
            (whole if () in alternatives else partly).append(resource_type)
    found: dict[str, int] = {}
    if whole:
        of_types = clauses.any_equal(dialect, "type", whole)
        visible = clauses.visible(dialect, access, whole[0])
        found = statements.counts(session, clauses.all_of((of_types, visible)))
    for resource_type in partly:
        if number := statements.count(session, _where(dialect, access, Search(resource_type))):
            found[resource_type] = number
    return found


class Tally(NamedTuple):
    """How many records there are; `newest` is the date of the newest (microseconds since 1970), None without one."""

    number: int
    newest: int | None


Tallies = dict[tuple[str, Restriction], Tally]
"""By type and the part of it that a scope is limited to; `()` stands for all that the scopes leave of the type."""


def tally(session: Session, access: Access) -> Tallies:
    """How many stored resources of the patient compartment the access reaches, by type and part, in one statement."""
    dialect = statements.dialect_of(session)
    whole: list[str] = []
    legs: list[tuple[Restriction, Clause]] = []
    for resource_type in sorted(set(PATIENT_ELEMENT) - RENDERED_TYPES):
        scopes = access.scopes
        alternatives = scopes.restrictions(resource_type, "s") or scopes.restrictions(resource_type, "r")
        if () in alternatives:
            whole.append(resource_type)
        elif alternatives:
            of_type = Clause(f"type = {dialect.mark}", (resource_type,))
            seen = clauses.all_of((of_type, clauses.visible(dialect, access, resource_type)))
            for parts in (alternatives, *((one,) for one in alternatives if len(alternatives) > 1)):
                restriction = parts[0] if len(parts) == 1 and len(alternatives) > 1 else ()
                legs.append((restriction, clauses.all_of((seen, _granted(dialect, resource_type, parts)))))
    if whole:
        of_types = clauses.any_equal(dialect, "type", whole)
        legs.append(((), clauses.all_of((of_types, clauses.visible(dialect, access, whole[0])))))
    rows = statements.tallies(session, [clause for _restriction, clause in legs])
    return {
        (resource_type, legs[leg][0]): Tally(number, newest if newest > NO_DATE else None)
        for leg, resource_type, number, newest in rows
    }


def put(session: Session, access: Access, resource: dict[str, Any]) -> Resource:
    """Store a resource and return its current version; an unchanged one keeps its version.

    Raises Rejected for a bad resource, InsufficientScope and OtherPatient.
    """
    prepared = prepare_resource(resource)
    _require_write(access, prepared.type, "u")
    if access.patient_ids is not None and prepared.patient_id not in access.patient_ids:
        raise OtherPatient
    if writing.write(session, [prepared]).unplaced:
        raise Rejected("patient", "Name the patient among the targets.", "Provenance.target")
    row = statements.read(session, prepared.type, prepared.id, Clause("1 = 1"))
    assert row is not None
    return _resource(session, row)


def delete(session: Session, access: Access, resource_type: str, resource_id: str) -> None:
    """Delete a resource; its versions stay for history. Deleting twice is no error; raises NotFound."""
    _require_write(access, resource_type, "d")
    visible = clauses.visible(statements.dialect_of(session), access, resource_type)
    if statements.read(session, resource_type, resource_id, visible) is None:
        raise NotFound
    key = (resource_type, resource_id)
    standing = writing.find_standing(session, [key])[key]
    if not standing.deleted:
        writing.bury(session, key, standing)


def needed(access: Access, resource_type: str, letter: str) -> str:
    """The scope that would reach an interaction: of a person's grant, or of a program without one."""
    return f"{'patient' if access.grant_id else 'system'}/{resource_type}.{letter}"


def granted(dialect: Dialect, access: Access, resource_type: str, letter: str) -> Clause | None:
    """What the scopes leave of one type for one interaction; None where they do not speak of it."""
    alternatives = access.scopes.restrictions(resource_type, letter)
    return _granted(dialect, resource_type, alternatives) if alternatives else None


@lru_cache(maxsize=1024)
def _granted(dialect: Dialect, resource_type: str, alternatives: tuple[Restriction, ...]) -> Clause:
    if () in alternatives:
        return Clause("")
    return clauses.any_of([
        clauses.all_of([
            clauses.condition(dialect, condition)
            for condition in searching.restriction(resource_type, restriction, base="")
        ])
        for restriction in alternatives
    ])  # fmt: skip


def _require(session: Session, access: Access, resource_type: str, letter: str) -> Clause:
    clause = granted(statements.dialect_of(session), access, resource_type, letter)
    if clause is None:
        raise InsufficientScope(needed(access, resource_type, letter))
    return clause


def _require_write(access: Access, resource_type: str, letter: str) -> None:
    if () not in access.scopes.restrictions(resource_type, letter):
        raise InsufficientScope(f"system/{resource_type}.{letter}")


def _readable(session: Session, access: Access, resource_type: str, resource_id: str) -> Clause:
    if resource_type not in TYPES:
        raise NotFound
    dialect = statements.dialect_of(session)
    if resource_type == "Patient" and _is_own_patient(access, resource_id):
        return clauses.visible(dialect, access, resource_type)
    further = _require(session, access, resource_type, "r")
    return clauses.all_of((clauses.visible(dialect, access, resource_type), further))


def _is_own_patient(access: Access, resource_id: str) -> bool:
    # With fhirUser granted, the one resource it names can be read (SMART-50).
    return "fhirUser" in access.scopes and access.link_id is None and resource_id == access.patient_id


def _own_identity(session: Session, access: Access, resource_type: str, resource_id: str) -> Resource | None:
    """The RelatedPerson that the representative in front of us is, rendered from the link."""
    if resource_type != "RelatedPerson" or resource_id != access.related_person_id:
        return None
    if "fhirUser" not in access.scopes and not access.permits(resource_type, "r"):
        return None
    rendered = projections.related_person(session, access)
    if rendered is None:
        return None
    return Resource(resource_type, resource_id, rendered.version, rendered.last_updated, rendered.body)


def _rendered(session: Session, access: Access, resource_id: str) -> Resource:
    found = consents.visible(session, access, resource_id)
    if not found:
        raise NotFound
    return _of_candidate(found[0])


def _search_rendered(session: Session, access: Access, asked: Search, start: Cursor | None) -> Page:
    found = matching.matching(consents.visible(session, access), asked)
    if asked.counts_only:
        return Page((), total=len(found))
    ids = [one.id for one in found]
    # A page link names the last match; one that ended up elsewhere meanwhile starts the list anew.
    first = ids.index(start.id) + 1 if start and start.id in ids else 0
    kept, more = found[first : first + asked.count], len(found) > first + asked.count
    rows = [Row(one.type, one.id, one.patient_id, one.version, one.last_updated, False, 0, b"") for one in kept]
    return Page(
        matches=tuple(map(_of_candidate, kept)),
        included=_resources(session, includes.follow(session, access, asked, rows, granted)),
        total=len(found),
        following=Cursor(matching.place(kept[-1], asked.sort), kept[-1].id) if more and kept else None,
    )


def _of_candidate(one: Candidate) -> Resource:
    return Resource(one.type, one.id, one.version, one.last_updated, one.body)


def _where(dialect: Dialect, access: Access, asked: Search) -> Clause:
    scope = granted(dialect, access, asked.resource_type, "s")
    if scope is None:
        raise InsufficientScope(needed(access, asked.resource_type, "s"))
    of_type = Clause(f"type = {dialect.mark}", (asked.resource_type,))
    visible = clauses.visible(dialect, access, asked.resource_type)
    return clauses.all_of([of_type, visible, scope, *(clauses.condition(dialect, one) for one in asked.conditions)])


def _total(session: Session, asked: Search, where: Clause, known: int | None) -> int | None:
    if known is not None or asked.total is Total.NONE:
        return known
    return statements.count(session, where)


def _resource(session: Session, row: Row) -> Resource:
    return _resources(session, (row,))[0]


def _resources(session: Session, rows: Iterable[Row]) -> tuple[Resource, ...]:
    unpack = bodies_of(session).unpack
    return tuple([
        Resource(
            row.type, row.id, row.version, row.last_updated,
            b"" if row.deleted else unpack(session, row.dictionary_id, row.body), row.deleted,
        )
        for row in rows
    ])  # fmt: skip
