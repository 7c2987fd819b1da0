"""AuditEvents (FHIR R4), rendered on read from the audit stream: who has looked at the member's record.

The same rows as the member's page Who has looked, for an app that the member gave this very type (decision 99). Apps,
programs and offices are named; people are told by what they are to the member, without their names and their own words.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Row, and_, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from consent import lookers
from consent.activity import moment
from consent.lookers import Deed
from consent.policy import Access
from fhir.search import matching
from fhir.search.conditions import Chained, Condition, Term, Test
from fhir.search.dates import Prefix, Span
from fhir.search.declared import Column
from fhir.search.query import Search, Total
from fhir.storage import exported
from fhir.storage.projections import instant_text
from fhir.storage.results import Cursor, Page, Resource
from oauth.apps import clients
from oauth.apps.clients import ClientView
from service.audit import AuditEvent, Outcome
from service.plan.logins.lookups import Purpose
from service.plan.members import roster
from service.plan.models import Member, PortalOrganization

TYPE = "AuditEvent"
_MOST_VALUES = 1_000
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_LIFECYCLE = _TERMINOLOGY + "iso-21089-lifecycle"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_REST = {"system": _TERMINOLOGY + "audit-event-type", "code": "rest", "display": "RESTful Operation"}
_VIEW = {"system": _LIFECYCLE, "code": "access", "display": "Access/View Record Lifecycle Event"}
_EXPORT = {"system": _DCM, "code": "110106", "display": "Export"}
_EXPORTS = frozenset({Deed.DOWNLOAD, Deed.APPS_EXPORT})
_INTERACTIONS = {"search": "search-type", "read": "read", "vread": "vread", "history": "history-instance"}
_OUTCOMES = {Outcome.SUCCESS: "0", Outcome.REFUSED: "4", Outcome.FAILED: "8"}
_PURPOSES = {
    Purpose.TREATMENT: ("TREAT", "treatment"),
    Purpose.PAYMENT: ("HPAYMT", "healthcare payment"),
    Purpose.OPERATIONS: ("HOPERAT", "healthcare operations"),
}
_OF_PROGRAMS = {
    "payment": Purpose.PAYMENT, "health care operations": Purpose.OPERATIONS, "provider access": Purpose.TREATMENT,
}  # fmt: skip
"""By the reason that `consent.policy` gives for a program's Access."""
_COLUMNS = (
    AuditEvent.id, AuditEvent.tag, AuditEvent.outcome, AuditEvent.account_id, AuditEvent.client_id,
    AuditEvent.grant_id, AuditEvent.link_id, AuditEvent.resource_type, AuditEvent.count.label("number"),
    AuditEvent.reason, AuditEvent.detail["included"].as_string().label("included"),
    lookers.partly(), moment().label("moment"), PortalOrganization.name.label("office"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Looks:
    """The events about the member: the condition on the stream, and of those about others too what of theirs was sent.

    By id, and there by type: how many resources, or None where they were not counted.
    """

    where: tuple[ColumnElement[bool], ...]
    shared: Mapping[int, Mapping[str, int | None]]


def find(session: Session, access: Access, resource_id: str) -> Resource | None:
    """The AuditEvent of that id about the member in context."""
    looks = _of_member(session, access)
    ids = _event_ids(session, access, looks, [resource_id])
    rows = session.execute(_selected().where(*looks.where, AuditEvent.id.in_(ids))).all() if ids else []
    return next(iter(_rendered(session, access, looks, rows)), None)


def search(session: Session, access: Access, asked: Search, start: Cursor | None) -> Page:
    """One page of matches in the order asked for; raises NotSupported for a chained condition."""
    looks = _of_member(session, access)
    where = list(looks.where)
    # What narrows by time comes first: values are then looked up among what is left.
    for condition in sorted(asked.conditions, key=_is_worded):
        where.append(_condition(session, access, looks, condition, where))
    if asked.counts_only:
        return Page((), total=_count(session, where))
    descending = asked.sort.keys[0].descending
    by = AuditEvent.id if asked.sort.keys[0].column == "id" else moment()
    beyond = (_beyond(session, access, looks, by, descending, start.id),) if start else ()
    order = (by.desc() if descending else by, AuditEvent.id)
    rows = session.execute(_selected().where(*where, *beyond).order_by(*order).limit(asked.count + 1)).all()
    matches = tuple(_rendered(session, access, looks, rows[: asked.count]))
    more = len(rows) > asked.count
    whole = len(matches) if start is None and not more else None
    return Page(
        matches,
        total=whole if whole is not None or asked.total is Total.NONE else _count(session, where),
        following=Cursor(rows[asked.count - 1].moment, matches[-1].id) if more else None,
    )


def _of_member(session: Session, access: Access) -> _Looks:
    member = session.get(Member, access.member_id) if access.grant_id is not None else None
    if member is None:
        return _Looks((false(),), {})
    patients = roster.patients_of_parts(session, member)
    records, everybody = list(patients), exported.was_in(access, patients)
    shared, alone = lookers.shared(session, records, everybody), lookers.looks_at(records)
    # By their ids where there are any: of a subquery beside another condition PostgreSQL would read the whole stream.
    return _Looks((or_(and_(*alone), AuditEvent.id.in_(shared)),) if shared else alone, shared)


def _selected() -> Any:
    return lookers.with_offices(select(*_COLUMNS))


def _count(session: Session, where: Iterable[ColumnElement[bool]]) -> int:
    return session.scalar(select(func.count()).select_from(AuditEvent).where(*where)) or 0


def _outward_id(access: Access, event_id: int, at: int) -> str:
    """The id of an event outside: its time and a digest, so that it can be found and tells nothing of other events."""
    digest = blake2b(f"{access.member_id}/{event_id}".encode(), digest_size=8).digest()
    return str(UUID(bytes=at.to_bytes(8) + digest))


def _event_ids(session: Session, access: Access, looks: _Looks, outward: Collection[str]) -> list[int]:
    moments = {at for one in outward if (at := _moment_in(one)) is not None}
    if not moments:
        return []
    rows = session.execute(select(AuditEvent.id, moment()).where(*looks.where, moment().in_(moments)))
    return [event_id for event_id, at in rows if _outward_id(access, event_id, at) in outward]


def _moment_in(outward: str) -> int | None:
    try:
        at = int.from_bytes(UUID(outward).bytes[:8])
    except ValueError:
        return None
    return at if at < 2**62 else None


def _beyond(
    session: Session, access: Access, looks: _Looks, by: Any, descending: bool, last: str
) -> ColumnElement[bool]:  # fmt: skip
    """What comes after the event `last`, which may have been purged since."""
    event_id = next(iter(_event_ids(session, access, looks, [last])), 0)
    if by is AuditEvent.id:
        return by < event_id if descending else by > event_id
    at = _moment_in(last) or 0
    return or_(by < at if descending else by > at, and_(by == at, AuditEvent.id > event_id))


def _is_worded(condition: Condition | Chained) -> bool:
    return isinstance(condition, Condition) and condition.column is Column.TOKENS


def _condition(
    session: Session, access: Access, looks: _Looks, asked: Condition | Chained, where: Iterable[ColumnElement[bool]]
) -> ColumnElement[bool]:  # fmt: skip
    if isinstance(asked, Chained):
        raise matching.not_chained(asked)
    if asked.column is Column.TOKENS:
        return _worded(session, asked, where)
    found: ColumnElement[bool]
    if asked.column is Column.ID:
        named = [term.word for term in asked.terms if term.test is Test.EQUALS]
        found = AuditEvent.id.in_(_event_ids(session, access, looks, named)) if named else true()
    elif asked.column is Column.PATIENT:
        own = any(term.test is Test.PRESENT or term.word == access.patient_id for term in asked.terms)
        found = true() if own else false()
    else:
        found = or_(*map(_dated, asked.terms))
    return ~found if asked.negated else found


def _worded(session: Session, asked: Condition, where: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Each of these parameters tells of one column: the values that fit are worked out from those that there are."""
    column, part = _WORDS[asked.terms[0].word.partition("=")[0]]
    values = session.scalars(select(column).where(*where).distinct().limit(_MOST_VALUES))
    fitting = [value for value in values if matching.fits({"resourceType": TYPE, **part(value)}, asked)]
    named = column.in_([value for value in fitting if value is not None])
    return or_(named, column.is_(None)) if None in fitting else named


def _dated(term: Term) -> ColumnElement[bool]:
    if term.test is not Test.SPAN:
        return true() if term.test is Test.PRESENT else false()
    return _TESTS[term.prefix](moment(), term.span)


_TESTS: Mapping[Prefix, Callable[[Any, Span], ColumnElement[bool]]] = {
    Prefix.EQ: lambda at, asked: and_(at >= asked.start, at < asked.end),
    Prefix.NE: lambda at, asked: or_(at < asked.start, at >= asked.end),
    Prefix.GT: lambda at, asked: at >= asked.end,
    Prefix.LT: lambda at, asked: at < asked.start,
    Prefix.GE: lambda at, asked: at >= asked.start,
    Prefix.LE: lambda at, asked: at < asked.end,
    Prefix.SA: lambda at, asked: at >= asked.end,
    Prefix.EB: lambda at, asked: at < asked.start,
    Prefix.AP: lambda at, asked: and_(at >= asked.start, at < asked.end),
}
"""A moment is as good as a point: what FHIR writes of it lasts a millisecond."""


def _rendered(session: Session, access: Access, looks: _Looks, rows: Iterable[Row[Any]]) -> Iterable[Resource]:
    rows = list(rows)
    apps = clients.get_several(session, {row.client_id for row in rows if row.client_id})
    for row in rows:
        outward = _outward_id(access, row.id, row.moment)
        body = orjson.dumps(_render(access, looks, row, outward, apps.get(row.client_id)))
        yield Resource(TYPE, outward, 1, row.moment, body)


def _render(access: Access, looks: _Looks, row: Row[Any], outward: str, app: ClientView | None) -> dict[str, Any]:
    own = looks.shared.get(row.id)
    recorded = instant_text(row.moment)
    return {
        "resourceType": TYPE,
        "id": outward,
        "meta": {"versionId": "1", "lastUpdated": recorded},
        **_kind(row.tag),
        "recorded": recorded,
        **_ending(row.outcome),
        **_purpose(row),
        "agent": [_agent(access, row, app)],
        "source": {"observer": {"display": "The health plan's records of who looked"}},
        "entity": [_person(access), *(_data(row) if own is None else _own_data(row, own))],
    }


def _kind(tag: str) -> dict[str, Any]:
    if not tag.startswith("fhir:"):
        return {"type": _EXPORT if tag in _EXPORTS else _VIEW, "action": "R"}
    if tag.endswith(lookers.FILE):
        return {"type": _EXPORT, "action": "R"}
    interaction = _INTERACTIONS.get(tag.rpartition(":")[2], "operation")
    subtype = {"system": "http://hl7.org/fhir/restful-interaction", "code": interaction}
    return {"type": _REST, "subtype": [subtype], "action": "R" if interaction in {"read", "vread"} else "E"}


def _ending(outcome: Outcome) -> dict[str, Any]:
    return {"outcome": _OUTCOMES[outcome]}


def _purpose(row: Row[Any]) -> dict[str, Any]:
    """Why, as a code: what an office wrote beside it may speak of health."""
    code, display = "PATRQT", "patient requested"
    if row.tag in lookers.OFFICES:
        named = (row.reason or "").partition(":")[0]
        if named not in _PURPOSES:
            return {}
        code, display = _PURPOSES[Purpose(named)]
    elif row.tag == lookers.STAFF:
        code, display = "HOPERAT", "healthcare operations"
    elif row.grant_id is None and row.reason in _OF_PROGRAMS:
        code, display = _PURPOSES[_OF_PROGRAMS[row.reason]]
    return {"purposeOfEvent": [{"coding": [{"system": _TERMINOLOGY + "v3-ActReason", "code": code,
                                            "display": display}]}]}  # fmt: skip


def _agent(access: Access, row: Row[Any], app: ClientView | None) -> dict[str, Any]:
    if row.tag.startswith("fhir:"):
        name = app.name if app else "An app that is no longer here"
        role = ("v3-ParticipationType", "IRCP", "information recipient")
        return {"role": [_role(*role)], "altId": row.client_id, "name": name, "requestor": True}
    if row.tag in lookers.OFFICES:
        role, who = ("v3-RoleClass", "PROV", "healthcare provider"), {"display": row.office or "A provider's office"}
    elif row.tag == lookers.STAFF:
        role, who = ("v3-RoleClass", "EMP", "employee"), {"display": "Member services of the health plan"}
    elif row.link_id is not None:
        role, who = ("v3-RoleClass", "PRS", "personal relationship"), {"display": "Somebody who acts for the member"}
    else:
        role, who = ("v3-RoleClass", "PAT", "patient"), {"reference": f"Patient/{access.patient_id}"}
    return {"role": [_role(*role)], "who": who, "requestor": True}


def _role(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": _TERMINOLOGY + system, "code": code, "display": display}]}


def _person(access: Access) -> dict[str, Any]:
    return {
        "what": {"reference": f"Patient/{access.patient_id}"},
        "type": {"system": _TERMINOLOGY + "audit-entity-type", "code": "1", "display": "Person"},
        "role": {"system": _TERMINOLOGY + "object-role", "code": "1", "display": "Patient"},
    }


def _data(row: Row[Any]) -> list[dict[str, Any]]:
    """How many of which type were sent; those that came along under their own."""
    brought: dict[str, int] = orjson.loads(row.included or "{}")
    if row.resource_type is None:
        return []
    asked = (row.resource_type, None if row.number is None else row.number - sum(brought.values()))
    return [_entity(resource_type, count) for resource_type, count in (asked, *brought.items())]


def _own_data(row: Row[Any], own: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """How many of which type were the member's; of a part of everybody's it is not known whether any were."""
    unsure = {"description": "Perhaps some of the member's"} if lookers.is_of_some(row.partly) else {}
    return [_entity(resource_type, count) | unsure for resource_type, count in sorted(own.items())]


def _entity(resource_type: str, count: int | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": {"system": "http://hl7.org/fhir/resource-types", "code": resource_type, "display": resource_type},
        "role": {"system": _TERMINOLOGY + "object-role", "code": "4", "display": "Domain Resource"},
    }
    return told if count is None else told | {"detail": [{"type": "count", "valueString": str(count)}]}


_WORDS: Mapping[str, tuple[InstrumentedAttribute[Any], Callable[[Any], dict[str, Any]]]] = {
    "action": (AuditEvent.tag, _kind),
    "type": (AuditEvent.tag, _kind),
    "subtype": (AuditEvent.tag, _kind),
    "outcome": (AuditEvent.outcome, _ending),
    "altid": (AuditEvent.client_id, lambda client_id: {"agent": [{"altId": client_id}]} if client_id else {}),
    "entity-type": (AuditEvent.resource_type, lambda name: {"entity": [_entity(name)]} if name else {}),
}
"""By parameter: the column that it tells of, and that part of the resource."""
