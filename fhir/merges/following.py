"""What is written for a merged patient goes to the survivor: a source that knows of no merge undoes none."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from fhir.loading.json_texts import parse
from fhir.loading.preparation import Prepared, prepare_resource
from fhir.merges.tables import MemberMerge, MergedResource

_AT_ONCE = 500
_LONGEST_CHAIN = 20


def follow(session: Session, batch: Sequence[Prepared]) -> None:
    """Rewrite what names a merged patient (in place), and keep where it came from."""
    standing = _standing(session, {one.patient_id for one in batch if one.patient_id})
    for one in batch:
        merge = standing.get(one.patient_id or "")
        if merge is None:
            continue
        further = chain(session, merge)
        survivor = further[-1].surviving_patient_id
        if one.type == "Patient":
            _become(one, replaced(parse(one.body), survivor))
            continue
        _become(one, renamed(parse(one.body), merge.merged_patient_id, survivor))
        # A Provenance by its targets' owner, who was found before.
        one.patient_id = survivor
        # Each merge it came through may be the first to be undone.
        for each in further:
            key = {"merge_id": each.id, "type": one.type, "id": one.id}
            if session.get(MergedResource, tuple(key.values())) is None:
                session.add(MergedResource(**key))


def chain(session: Session, merge: MemberMerge) -> list[MemberMerge]:
    """The merge and those that its survivor's record went through since; the last one's survivor has it all now."""
    found = [merge]
    while len(found) < _LONGEST_CHAIN:
        survivor = found[-1].surviving_patient_id
        further = _standing(session, [survivor]).get(survivor)
        if further is None:
            break
        found.append(further)
    return found


def renamed(resource: dict[str, Any], former: str, patient_id: str) -> dict[str, Any]:
    """The resource (changed in place) with every reference to one patient made one to another."""
    left: list[Any] = [resource]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            reference = node.get("reference")
            if isinstance(reference, str) and _names(reference, former):
                node["reference"] = f"Patient/{patient_id}"
            left += node.values()
        elif isinstance(node, list):
            left += node
    return resource


def replaced(patient: dict[str, Any], survivor: str) -> dict[str, Any]:
    """The Patient of a merged record: not in use, and replaced by another."""
    link = {"other": {"reference": f"Patient/{survivor}"}, "type": "replaced-by"}
    return patient | {"active": False, "link": [link]}


def _standing(session: Session, patient_ids: Iterable[str]) -> Mapping[str, MemberMerge]:
    wanted = sorted(patient_ids)
    found: dict[str, MemberMerge] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        standing = (MemberMerge.merged_patient_id.in_(some), MemberMerge.undone_at.is_(None))
        found |= {one.merged_patient_id: one for one in session.scalars(select(MemberMerge).where(*standing))}
    return found


def _names(reference: str, patient_id: str) -> bool:
    bare = reference.partition("/_history/")[0]
    return bare == f"Patient/{patient_id}" or bare.endswith(f"/Patient/{patient_id}")


def _become(one: Prepared, resource: dict[str, Any]) -> None:
    made = prepare_resource(resource)
    for name in Prepared.__struct_fields__:
        setattr(one, name, getattr(made, name))
