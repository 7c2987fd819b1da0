"""Reading and writing resources, always under an Access: there is no unfiltered way to member data.

Not visible and not existing look alike. Scopes are enforced here, so that no caller can forget them.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from consent.policy import Access, plan_system
from consent.scopes import Restriction
from fhir.compartment import PATIENT_ELEMENT, RENDERED_TYPES, SHARED, SHARED_TYPES, TYPES
from fhir.loading import relabelling
from fhir.loading.faults import Rejected
from fhir.loading.preparation import Prepared, prepare_resource
from fhir.models import LOOKED_UP
from fhir.outcomes import BadRequest, Conflict, Gone, Issue, NotFound, OtherPatient, PreconditionFailed
from fhir.search import clauses, history_asked, includes, matching, ordering
from fhir.search.clauses import Clause, Dialect
from fhir.search.conditions import Chained, Condition
from fhir.search.declared import Column
from fhir.search.history_asked import HistoryAsked
from fhir.search.index import NO_DATE
from fhir.search.matching import Candidate
from fhir.search.query import Search, Total
from fhir.storage import granting, joining, projections, rendered, statements, writing
from fhir.storage.bodies import resources_of, texts_of
from fhir.storage.results import Cursor, Page, Resource, Stored, Sweep, Swept, Tallies, Tally, Versions
from fhir.storage.statements import Row
from oauth.tokens.token_problems import InsufficientScope

MOST_CHAINED = 1_000
SWEEP_BYTES = 16 * 1024 * 1024
"""Bodies as stored that a sweep holds at once, but for the last one."""


class TooManyChained(BadRequest):
    """A chained condition that so many resources meet that the search would take too long."""

    issue = Issue.TOO_COSTLY
    sentence = f"More than {MOST_CHAINED} resources meet this: say more of their name, or give an identifier."


class RecordsStand(Conflict):
    """A Patient whose records would be left without one."""

    sentence = "The patient has records: delete or move those first, or merge the members."


def read(session: Session, access: Access, resource_type: str, resource_id: str) -> Resource:
    """The current version; raises NotFound, Gone or InsufficientScope."""
    if (own := _read_own_identity(session, access, resource_type, resource_id)) is not None:
        return own
    visible = _readable(session, access, resource_type, resource_id)
    if resource_type in RENDERED_TYPES:
        return _rendered(session, access, resource_type, resource_id)
    row = statements.read(session, resource_type, resource_id, visible)
    if row is None:
        raise NotFound
    if row.deleted:
        raise Gone
    return resources_of(session, (row,))[0]


def read_person(session: Session, access: Access, person_id: str) -> Resource:
    """The representative in front of us as one Person; raises NotFound or InsufficientScope."""
    if access.person_id is None or person_id != access.person_id:
        raise NotFound
    if "fhirUser" not in access.scopes:
        raise InsufficientScope("fhirUser")
    rendered = projections.person(session, access)
    if rendered is None:
        raise NotFound
    return Resource("Person", person_id, rendered.version, rendered.last_updated, rendered.body)


def vread(session: Session, access: Access, resource_type: str, resource_id: str, version: str) -> Resource:
    """One version; raises NotFound, Gone (that version is the deletion) or InsufficientScope."""
    current = _read_own_identity(session, access, resource_type, resource_id)
    visible = Clause("") if current else _readable(session, access, resource_type, resource_id)
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise NotFound
    if resource_type in RENDERED_TYPES:
        current = _rendered(session, access, resource_type, resource_id)
    if current is not None:
        if current.version != int(version):
            raise NotFound
        return current
    _require_current(session, access, resource_type, resource_id)
    row = statements.read_version(session, resource_type, resource_id, int(version), visible)
    if row is None:
        raise NotFound
    if row.deleted:
        raise Gone
    return resources_of(session, (row,))[0]


def history(
    session: Session, access: Access, resource_type: str, resource_id: str, asked: HistoryAsked | None = None
) -> Versions:
    """Versions that are kept and may be seen, newest first, deletions among them; raises NotFound or InsufficientScope.

    What is asked chooses among them; a version that may not be seen is as if there were none. Of a rendered resource
    there is the current one alone.
    """
    asked = asked or HistoryAsked()
    if (own := _read_own_identity(session, access, resource_type, resource_id)) is not None:
        return Versions((own,), 1, None)
    visible = _readable(session, access, resource_type, resource_id)
    if resource_type in RENDERED_TYPES:
        return Versions((_rendered(session, access, resource_type, resource_id),), 1, None)
    _require_current(session, access, resource_type, resource_id)
    kept = statements.versions(session, resource_type, resource_id, visible)
    if not kept:
        raise NotFound
    chosen = history_asked.choose(kept, asked)
    page = [number for number in chosen if asked.before is None or number < asked.before][: asked.count]
    rows = statements.history(session, resource_type, resource_id, visible, page) if page else []
    following = page[-1] if page and page[-1] != chosen[-1] else None
    return Versions(resources_of(session, rows), len(chosen), following)


def search(session: Session, access: Access, asked: Search, start: Cursor | None = None) -> Page:
    """One page of matches with what they include; raises InsufficientScope."""
    dialect = statements.dialect_of(session)
    where = _where(session, access, asked)
    if asked.resource_type in RENDERED_TYPES:
        return _search_rendered(session, access, asked, start)
    own = _own_match(session, access, asked)
    if asked.counts_only:
        return Page((), total=statements.count(session, where) + (own is not None))
    beyond = ordering.after(dialect, asked.sort, start.place, start.id) if start else Clause("")
    page = clauses.all_of((where, beyond))
    rows = statements.search(
        session, page, asked.sort, asked.count + 1, with_refs=bool(asked.includes), looked_up=_is_looked_up(asked)
    )
    if own is not None and joining.is_beyond(session, own, asked.sort, start):
        ahead = clauses.all_of((page, joining.ahead(dialect, own, asked.sort)))
        rows.insert(statements.count(session, ahead), joining.as_row(session, own, asked.sort))
    kept, more = rows[: asked.count], len(rows) > asked.count
    total = _total(session, asked, where, len(kept) if start is None and not more else None, own is not None)
    return Page(
        matches=joining.resources_of(session, kept, own) if own else resources_of(session, kept),
        included=resources_of(session, includes.follow(session, access, asked, kept, granting.granted)),
        total=total,
        following=Cursor(kept[-1].place, kept[-1].id) if more else None,
    )


def sweep(
    session: Session, access: Access, asked: Sweep, after: str, limit: int, *, deleted: bool = False
) -> Swept:  # fmt: skip
    """The next resources after the id `after`, or the deleted ones: at most `limit`, and some megabytes of them.

    Raises InsufficientScope. Both reading and searching must be granted, as for a search whose matches are then read.
    """
    dialect = statements.dialect_of(session)
    of_type = Clause(f"type = {dialect.mark} AND id > {dialect.mark}", (asked.resource_type, after))
    where = [of_type, clauses.visible(dialect, access, asked.resource_type)]
    where += [granting.require(session, access, asked.resource_type, letter) for letter in "sr"]
    of_some = asked.patients is not None and asked.resource_type not in SHARED_TYPES
    if asked.patients is not None and of_some:
        where.append(clauses.any_equal(dialect, "patient_id", sorted(asked.patients)))
    if asked.since is not None:
        where.append(Clause(f"last_updated > {dialect.mark}", (asked.since,)))
    if asked.until is not None:
        where.append(Clause(f"last_updated <= {dialect.mark}", (asked.until,)))
    if asked.alternatives and not deleted:
        where.append(clauses.any_of([_fits(dialect, one) for one in asked.alternatives]))
    whole = clauses.all_of(where)
    rows = statements.sweep(session, whole, limit, SWEEP_BYTES, deleted=deleted, of_some=of_some)
    size = sum([len(row[2]) for row in rows])
    more = len(rows) == limit or size >= SWEEP_BYTES
    ids, patients = tuple([row[0] for row in rows]), tuple([row[3] for row in rows])
    return Swept(ids, patients, iter(()) if deleted else texts_of(session, rows), more)


def _fits(dialect: Dialect, conditions: tuple[Condition, ...]) -> Clause:
    whole = clauses.all_of([clauses.condition(dialect, one) for one in conditions])
    return Clause(f"({whole.text})", whole.values) if whole.text else Clause("(1 = 1)")


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
        if number := statements.count(session, _where(session, access, Search(resource_type))):
            found[resource_type] = number
    return found


def tally(session: Session, access: Access, further: Iterable[tuple[str, Restriction]] = ()) -> Tallies:
    """How many stored resources of the patient compartment the access reaches, by type and part, in one statement.

    The parts are those that its scopes name, and `further` ones of the types that it reaches whole.
    """
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
                legs.append((restriction, clauses.all_of((seen, granting.within(dialect, resource_type, parts)))))
    for resource_type, restriction in further:
        if resource_type in whole:
            of_type = Clause(f"type = {dialect.mark}", (resource_type,))
            seen = clauses.all_of((of_type, clauses.visible(dialect, access, resource_type)))
            legs.append((restriction, clauses.all_of((seen, granting.within(dialect, resource_type, (restriction,))))))
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
    granting.require_write(access, prepared.type, "u")
    return replace(session, access, prepared).resource


def replace(
    session: Session, access: Access, prepared: Prepared, *, if_match: int | None = None, if_absent: bool = False
) -> Stored:
    """Store a prepared resource: in the place of version `if_match` only, or where there is none.

    Raises Rejected, InsufficientScope, OtherPatient and PreconditionFailed.
    """
    writing.lock(session)
    standing = writing.find_standing(session, [prepared.key]).get(prepared.key)
    created = standing is None or standing.deleted
    granting.require_write(access, prepared.type, "c" if created else "u")
    if access.patient_ids is not None and prepared.patient_id not in access.patient_ids:
        raise OtherPatient
    if if_match is not None and (standing is None or standing.version != if_match):
        raise PreconditionFailed
    if if_absent and not created:
        raise PreconditionFailed("There is such a resource already.")
    written = writing.write(session, [prepared])
    if written.unplaced:
        raise Rejected("patient", "Name the patient among the targets.", "Provenance.target")
    # Whoever may write a Medication need not be let see who was prescribed it; the labels follow all the same.
    relabelling.follow_medications(session, plan_system("labels follow their Medication"), written.medications)
    row = statements.read(session, prepared.type, prepared.id, Clause("1 = 1"))
    assert row is not None
    return Stored(resources_of(session, (row,))[0], created)


def delete(
    session: Session, access: Access, resource_type: str, resource_id: str, *, if_match: int | None = None
) -> None:
    """Delete a resource; its versions stay for history. Deleting twice is no error.

    Raises NotFound, RecordsStand, and PreconditionFailed where another version than `if_match` stands.
    """
    granting.require_write(access, resource_type, "d")
    writing.lock(session)
    # Asked behind the lock: nobody writes a record of the patient between the question and the deed.
    if resource_type == "Patient" and writing.has_records(session, resource_id):
        raise RecordsStand
    visible = clauses.visible(statements.dialect_of(session), access, resource_type)
    if statements.read(session, resource_type, resource_id, visible) is None:
        raise NotFound
    key = (resource_type, resource_id)
    standing = writing.find_standing(session, [key])[key]
    if if_match is not None and standing.version != if_match:
        raise PreconditionFailed
    if not standing.deleted:
        writing.bury(session, key, standing)


def _readable(session: Session, access: Access, resource_type: str, resource_id: str) -> Clause:
    if resource_type not in TYPES:
        raise NotFound
    dialect = statements.dialect_of(session)
    if resource_type == "Patient" and _is_own_patient(access, resource_id):
        return clauses.visible(dialect, access, resource_type)
    further = granting.require(session, access, resource_type, "r")
    return clauses.all_of((clauses.visible(dialect, access, resource_type), further))


def _require_current(session: Session, access: Access, resource_type: str, resource_id: str) -> None:
    """Raise NotFound where the version of today is kept from the access: as it is, its older ones are.

    An earlier version may lack the very code by which the later one was found to be sensitive.
    """
    visible = clauses.visible(statements.dialect_of(session), access, resource_type)
    if statements.read(session, resource_type, resource_id, visible) is None:
        raise NotFound


def _is_own_patient(access: Access, resource_id: str) -> bool:
    # With fhirUser granted, the one resource it names can be read (SMART-50).
    return "fhirUser" in access.scopes and access.link_id is None and resource_id == access.patient_id


def _read_own_identity(session: Session, access: Access, resource_type: str, resource_id: str) -> Resource | None:
    if resource_id != access.related_person_id:
        return None
    own = _own_identity(session, access, resource_type)
    if own is None or not ("fhirUser" in access.scopes or access.permits(resource_type, "r")):
        return None
    return joining.as_resource(own)


def _own_match(session: Session, access: Access, asked: Search) -> Candidate | None:
    """The same, where a search finds it."""
    own = _own_identity(session, access, asked.resource_type)
    return own if own and matching.meets(own, asked.conditions) else None


def _own_identity(session: Session, access: Access, resource_type: str) -> Candidate | None:
    """The RelatedPerson that the representative in front of us is, rendered from the link: it stands in no table."""
    if resource_type != projections.RELATED_PERSON or access.related_person_id is None:
        return None
    own = projections.related_person(session, access)
    return own if own and (access.patient_ids is None or own.patient_id in access.patient_ids) else None


def _rendered(session: Session, access: Access, resource_type: str, resource_id: str) -> Resource:
    found = rendered.find(session, access, resource_type, resource_id)
    if found is None:
        raise NotFound
    return found


def _search_rendered(session: Session, access: Access, asked: Search, start: Cursor | None) -> Page:
    page = rendered.search(session, access, asked, start)
    # What is rendered is about the member in context and names nobody else.
    patient = access.patient_id or SHARED
    rows = [Row(one.type, one.id, patient, one.version, one.last_updated, False, 0, b"") for one in page.matches]
    included = resources_of(session, includes.follow(session, access, asked, rows, granting.granted))
    return dataclasses.replace(page, included=included)


def _where(session: Session, access: Access, asked: Search) -> Clause:
    dialect = statements.dialect_of(session)
    searched = _searchable(dialect, access, asked.resource_type)
    found = [_unchained(session, access, one) if isinstance(one, Chained) else one for one in asked.conditions]
    return clauses.all_of([searched, *(clauses.condition(dialect, one) for one in found)])


def _unchained(session: Session, access: Access, asked: Chained) -> Condition:
    """The condition on the reference of those who meet the chained one, which takes the scope of their own type."""
    dialect = statements.dialect_of(session)
    within = _searchable(dialect, access, asked.target)
    wanted = clauses.all_of((within, clauses.condition(dialect, asked.condition)))
    found = statements.ids(session, wanted, MOST_CHAINED + 1)
    if len(found) > MOST_CHAINED:
        raise TooManyChained(expression=asked.name)
    return asked.to(found)


def _is_looked_up(asked: Search) -> bool:
    return asked.resource_type in LOOKED_UP and any(
        isinstance(one, Chained) or (one.column in {Column.IDENTIFIER, Column.REFS} and not one.negated)
        for one in asked.conditions
    )


def _searchable(dialect: Dialect, access: Access, resource_type: str) -> Clause:
    scope = granting.granted(dialect, access, resource_type, "s")
    if scope is None:
        raise InsufficientScope(granting.needed(access, resource_type, "s"))
    return clauses.all_of(
        (clauses.of_type(dialect, resource_type), clauses.visible(dialect, access, resource_type), scope)
    )


def _total(session: Session, asked: Search, where: Clause, known: int | None, further: int) -> int | None:
    if known is not None or asked.total is Total.NONE:
        return known
    return statements.count(session, where) + further
