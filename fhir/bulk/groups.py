"""Lists of members as FHIR Groups: kept by the plan, told to its own programs, and what an export may be about.

A list of attribution (the members in a provider's care) is there only where `PROVIDER_ACCESS` says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from consent.policy import Access, AccessBasis
from fhir.bulk.models import GroupKind, MemberGroup, MemberGroupEntry, ProviderAccessOptOut
from fhir.compartment import ID
from fhir.merges.tables import MemberMerge
from fhir.outcomes import Forbidden, NotFound
from fhir.storage import granting
from fhir.storage.projections import instant_text
from fhir.storage.results import Resource
from oauth.tokens.token_problems import InsufficientScope
from service.clock import now
from service.db import microseconds
from service.plan.members import roster
from service.plan.models import Member
from service.settings import Settings

TYPE = "Group"
_Rows = Select[*tuple[Any, ...]]
MOST_TOLD = 10_000
"""Members named in a Group; a longer list tells its number only."""


class ForPlanProgramsOnly(Forbidden):
    """The token is a person's, or a provider's program's."""

    sentence = "This is for the plan's own programs (backend clients of the plan)."


class BadGroup(ValueError):
    """A list that cannot be taken; the sentence says what to mend."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a list: its members now, and numbers that nobody on the roster has."""

    members: int
    unknown: tuple[str, ...]


def require_plan_program(access: Access) -> None:
    """Raise ForPlanProgramsOnly unless the access is that of a program of the plan."""
    if access.basis is not AccessBasis.PLAN_CLIENT:
        raise ForPlanProgramsOnly


def get(session: Session, settings: Settings, group_id: str) -> MemberGroup:
    """The list with this id; raises NotFound where there is none, or none of its kind on this installation."""
    found = session.get(MemberGroup, group_id) if ID.fullmatch(group_id) else None
    if found is None or not _is_there(settings, found.kind):
        raise NotFound
    return found


def read(session: Session, access: Access, settings: Settings, group_id: str) -> Resource:
    """The list as a Group; raises ForPlanProgramsOnly, InsufficientScope and NotFound."""
    _require(access, "r")
    return _resource(session, get(session, settings, group_id))


def search(
    session: Session, access: Access, settings: Settings, *, ids: Sequence[str] | None, names: Sequence[Sequence[str]]
) -> list[Resource]:
    """The lists with one of `ids` (None: any), by id, whose names begin with one of each of `names`."""
    _require(access, "s")
    kinds = [kind for kind in GroupKind if _is_there(settings, kind)]
    wanted = select(MemberGroup).where(MemberGroup.kind.in_(kinds)).order_by(MemberGroup.id).limit(100)
    if ids is not None:
        wanted = wanted.where(MemberGroup.id.in_(ids))
    found = [
        one
        for one in session.scalars(wanted)
        if all(any(one.name.casefold().startswith(name.casefold()) for name in some) for some in names)
    ]
    return [_resource(session, one) for one in found]


def members_after(
    session: Session, group: MemberGroup, after: str, limit: int, *, until: str = "", joined_by: datetime | None = None
) -> list[tuple[str, int]]:
    """The next members in order of their Patients' ids, up to `until`: id and instant of joining.

    Who opted out is not among them, nor who joined later than `joined_by`. A listed record that became part of another
    stands for that one, whose member joined no earlier than they became one.
    """
    entry = MemberGroupEntry
    columns: _Rows = select(entry.patient_id, entry.added_at)
    wanted = columns.where(*_own(group), entry.patient_id > after)
    if until:
        wanted = wanted.where(entry.patient_id <= until)
    if joined_by is not None:
        wanted = wanted.where(entry.added_at <= joined_by)
    rows = session.execute(wanted.order_by(entry.patient_id).limit(limit))
    found: dict[str, int] = {patient_id: microseconds(added) for patient_id, added in rows}
    latest = microseconds(joined_by) if joined_by is not None else None
    for patient_id, joined in _by_merges(session, group).items():
        within = patient_id > after and (not until or patient_id <= until)
        if within and (latest is None or joined <= latest):
            found[patient_id] = min(joined, found.get(patient_id, joined))
    return sorted(found.items())[:limit]


def absent(session: Session, group: MemberGroup, patients: Iterable[str]) -> int:
    """How many of these are not on the list; who is nobody's Patient, or has opted out, is not told apart from it."""
    wanted = set(patients)
    entry = MemberGroupEntry
    listed = session.scalars(select(entry.patient_id).where(*_own(group), entry.patient_id.in_(wanted)))
    return len(wanted.difference(listed).difference(_by_merges(session, group)))


def load(session: Session, group_id: str, name: str, kind: GroupKind, member_numbers: Iterable[str]) -> Loaded:
    """Make the list what `member_numbers` says: new ones join now, others keep since when, those left out go.

    Each number's own record is listed, so that merges and what undoes them count at the next look. Raises BadGroup.
    """
    if not ID.fullmatch(group_id):
        raise BadGroup(f"{group_id} is not a FHIR id: letters, digits, - and . up to 64")
    wanted, unknown = _patients(session, member_numbers)
    group = session.get(MemberGroup, group_id)
    if group is None:
        group = MemberGroup(id=group_id, name=name, kind=kind)
        session.add(group)
    elif group.kind is not kind:
        raise BadGroup(f"{group_id} is a list of another kind ({group.kind})")
    else:
        group.name, group.version, group.changed_at = name, group.version + 1, now()
    session.flush()
    held = set(session.scalars(select(MemberGroupEntry.patient_id).where(MemberGroupEntry.group_id == group_id)))
    for gone in held - wanted:
        session.execute(
            delete(MemberGroupEntry).where(
                MemberGroupEntry.group_id == group_id, MemberGroupEntry.patient_id == gone
            )
        )  # fmt: skip
    session.add_all(MemberGroupEntry(group_id=group_id, patient_id=one) for one in sorted(wanted - held))
    session.flush()
    return Loaded(_count(session, group), tuple(unknown))


def opt_out(session: Session, member_number: str, *, out: bool) -> None:
    """Keep that a member does not want providers to get their record in bulk, or no longer; raises BadGroup.

    With the number of an old card it counts for the record that this one became part of, too.
    """
    number = member_number.strip().upper()
    named = session.scalar(select(Member).where(func.upper(Member.member_number) == number))
    if named is None:
        raise BadGroup(f"nobody on the roster has the member number {number}")
    for patient_id in sorted({named.patient_id, roster.surviving(session, named).patient_id}):
        held = session.get(ProviderAccessOptOut, patient_id)
        if out and held is None:
            session.add(ProviderAccessOptOut(patient_id=patient_id))
        elif not out and held is not None:
            session.delete(held)
            _join_anew(session, named)
    session.flush()


def _join_anew(session: Session, member: Member) -> None:
    # What changed while they were left out was told to nobody: to readers of changes they are new.
    parts = select(Member.patient_id).where(Member.id.in_(roster.parts(session, roster.surviving(session, member))))
    entries = update(MemberGroupEntry).where(MemberGroupEntry.patient_id.in_(parts))
    session.execute(entries.values(added_at=now()), execution_options={"synchronize_session": False})


def list_all(session: Session) -> list[tuple[MemberGroup, int]]:
    """Every list with the number of its members, by id."""
    groups = session.scalars(select(MemberGroup).order_by(MemberGroup.id).limit(1_000)).all()
    return [(group, _count(session, group)) for group in groups]


def _require(access: Access, letter: str) -> None:
    require_plan_program(access)
    if not access.permits(TYPE, letter):
        raise InsufficientScope(granting.needed(access, TYPE, letter))


def _is_there(settings: Settings, kind: GroupKind) -> bool:
    return kind is not GroupKind.ATTRIBUTION or settings.provider_access


def _own(group: MemberGroup) -> tuple[ColumnElement[bool], ...]:
    """What entries are of the list and stand for themselves."""
    entry, merge = MemberGroupEntry, MemberMerge
    merged = exists().where(merge.merged_patient_id == entry.patient_id, merge.undone_at.is_(None))
    own = (entry.group_id == group.id, ~merged)
    if group.kind is not GroupKind.ATTRIBUTION:
        return own
    return *own, entry.patient_id.not_in(select(ProviderAccessOptOut.patient_id))


def _by_merges(session: Session, group: MemberGroup) -> dict[str, int]:
    """The records that listed ones have become part of, and the instant since which one of them was here so."""
    entry, merge = MemberGroupEntry, MemberMerge
    first = select(
        entry.patient_id.label("listed"), merge.surviving_patient_id.label("survivor"),
        _later(entry.added_at, merge.merged_at).label("joined"),
    ).join(merge, and_(merge.merged_patient_id == entry.patient_id, merge.undone_at.is_(None)))  # fmt: skip
    chain = first.where(entry.group_id == group.id).cte("stands_for", recursive=True)
    further = select(chain.c.listed, merge.surviving_patient_id, _later(chain.c.joined, merge.merged_at)).join(
        merge, and_(merge.merged_patient_id == chain.c.survivor, merge.undone_at.is_(None))
    )
    chain = chain.union_all(further)
    last = ~exists().where(merge.merged_patient_id == chain.c.survivor, merge.undone_at.is_(None))
    wanted = select(chain.c.survivor, func.min(chain.c.joined)).where(last).group_by(chain.c.survivor)
    if group.kind is GroupKind.ATTRIBUTION:
        gone = select(ProviderAccessOptOut.patient_id)
        wanted = wanted.where(chain.c.survivor.not_in(gone), chain.c.listed.not_in(gone))
    return {row[0]: row[1] for row in session.execute(wanted)}


def _later(one: Any, other: Any) -> ColumnElement[int]:
    one, other = type_coerce(one, BigInteger), type_coerce(other, BigInteger)
    return case((one > other, one), else_=other)


def _count(session: Session, group: MemberGroup) -> int:
    """How many members a list stands for."""
    entry = MemberGroupEntry
    own = session.scalar(select(func.count()).select_from(entry).where(*_own(group))) or 0
    moved = _by_merges(session, group)
    listed = select(func.count()).select_from(entry).where(*_own(group), entry.patient_id.in_(moved))
    return own + len(moved) - (session.scalar(listed) or 0 if moved else 0)


def _patients(session: Session, member_numbers: Iterable[str]) -> tuple[set[str], list[str]]:
    numbers = sorted({number.strip().upper() for number in member_numbers if number.strip()})
    found: dict[str, str] = {}
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        rows = session.scalars(select(Member).where(func.upper(Member.member_number).in_(some)))
        found |= {one.member_number.upper(): one.patient_id for one in rows}
    return set(found.values()), [number for number in numbers if number not in found]


def _resource(session: Session, group: MemberGroup) -> Resource:
    quantity = _count(session, group)
    changed = microseconds(group.changed_at)
    told: dict[str, Any] = {
        "resourceType": TYPE,
        "id": group.id,
        "meta": {"versionId": str(group.version), "lastUpdated": instant_text(changed)},
        "active": True,
        "type": "person",
        "actual": True,
        "name": group.name,
        "quantity": quantity,
    }
    if 0 < quantity <= MOST_TOLD:
        members = members_after(session, group, "", MOST_TOLD)
        told["member"] = [{"entity": {"reference": f"Patient/{patient_id}"}} for patient_id, _added in members]
    return Resource(TYPE, group.id, group.version, changed, orjson.dumps(told))
