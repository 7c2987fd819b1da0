"""What the API tells the audit stream: one row for each answer with data, and for each refusal of a known caller.

An app's answers are about the member of its grant. Of an answer to a program, whose Access names no member, the row
says whom it was about: the one member, or each of several (decision 137).
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from sqlalchemy.orm import Session

from consent.policy import Access, AccessBasis
from fhir.compartment import literal
from fhir.search.parameters import PATIENT_NAMES
from fhir.storage.results import Resource
from service import audit
from service.audit import Outcome, Subject
from service.plan.members import roster
from service.watching import tracing

_MOST_NAMES = 40
_MOST_ASKED_FOR = 1_000


@dataclass(frozen=True, slots=True)
class _About:
    """Whom an answer to a program is about: one member, or several, each with what of theirs is in it."""

    member_id: str | None = None
    several: Collection[Subject] = ()


_NOT_ASKED = _About()


@dataclass(slots=True)
class Asked:
    """What a request asks: for the row. Values of parameters may be health data and stay out, ids asked for do not."""

    resource_type: str
    interaction: str
    resource_id: str = ""
    parameters: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    whole_ids: tuple[str, ...] = ()
    """Of the patients that the parameters name, each by its id, where `patients` may end in the midst of one."""

    def note(self, given: Iterable[tuple[str, str]]) -> None:
        """Keep the names of the parameters, and which patients they name."""
        pairs = list(given)
        self.parameters = tuple(dict.fromkeys(name[:64] for name, _ in pairs))[:_MOST_NAMES]
        named = [value for name, value in pairs if name.partition(":")[0] in PATIENT_NAMES]
        if self.resource_type == "Patient":
            named += [value for name, value in pairs if name == "_id"]
        self.patients = tuple(value[:200] for value in named)
        whole = (one.rpartition("/")[2].strip() for value in named for one in value.split(","))
        self.whole_ids = tuple(islice(whole, _MOST_ASKED_FOR))

    @property
    def named(self) -> list[str]:
        """The ids that were asked for: of the resource, of patients."""
        return [one[:200] for one in (self.resource_id, *self.patients) if one]

    @property
    def patient_ids(self) -> set[str]:
        """The Patients that were asked for."""
        own = self.resource_id if self.resource_type == "Patient" else ""
        return {one for one in (own, *self.whole_ids) if one}


def record(
    session: Session, access: Access, asked: Asked, sent: Sequence[Resource], *, total: int | None = None,
    further: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """One row for what is about to be sent; `sent` are the resources, matches and included ones.

    Where the Access names no member, the row says which were asked for and whom the answer is about: those whose
    resources are sent, or, with none, those whose were asked for. By provider authority it names the groups
    (decision 28).
    """
    detail: dict[str, Any] = {"interaction": asked.interaction, **(further or {})}
    if access.basis is AccessBasis.PROVIDER_AUTHORITY:
        detail.setdefault("groups", _groups_of(access, sent))
    if access.patient_ids is None and (wanted := asked.named):
        detail["asked_for"] = wanted
    if asked.parameters:
        detail["parameters"] = list(asked.parameters)
    if total is not None:
        detail["total"] = total
    if sent:
        detail["ids"] = _fingerprint(sent)
    others = [one.type for one in sent if one.type != asked.resource_type]
    if others:
        detail["included"] = dict(Counter(others))
    about = _about(session, asked, sent) if access.member_id is None else _NOT_ASKED
    _write(session, access, asked, detail, count=len(sent), about=about)


def record_export(session: Session, access: Access, asked: Asked, *, export_id: str, types: Sequence[str]) -> None:
    """One row for an export that begins."""
    detail: dict[str, Any] = {"interaction": asked.interaction, "export": export_id, "types": list(types)}
    if wanted := asked.named:
        detail["asked_for"] = wanted[:_MOST_NAMES]
    if asked.parameters:
        detail["parameters"] = list(asked.parameters)
    _write(session, access, asked, detail)


def record_file(
    session: Session, access: Access, asked: Asked, *, count: int, name: str, subjects: Collection[Subject] = (),
    further: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """One row for a file of an export that is about to be sent, `count` resources in it, and whom it is about."""
    detail = {"interaction": asked.interaction, "export": asked.resource_id, "file": name, **(further or {})}
    _write(session, access, asked, detail, count=count, about=_About(None, subjects))


def record_refusal(session: Session, access: Access, asked: Asked, status: int) -> None:
    """One row for a refusal, with the ids that were asked for."""
    detail: dict[str, Any] = {"interaction": asked.interaction, "status": status}
    if wanted := asked.named:
        detail["asked_for"] = wanted
    _write(session, access, asked, detail, outcome=Outcome.REFUSED)


def member_of(session: Session, resource: Resource) -> str | None:
    """The id of the member whose record a stored resource is part of; None for what is about nobody on the roster."""
    return roster.ids_by_patient(session, {resource.patient_id} - {""}).get(resource.patient_id)


def _about(session: Session, asked: Asked, sent: Iterable[Resource]) -> _About:
    found = Counter((one.patient_id, one.type) for one in sent if one.patient_id)
    told = found or dict.fromkeys(((one, asked.resource_type) for one in asked.patient_ids), 0)
    patients = {patient_id for patient_id, _type in told}
    members = roster.ids_by_patient(session, patients)
    if len(patients) == 1:
        return _About(members.get(*patients))
    return _About(None, [
        Subject(members[patient_id], resource_type, count)
        for (patient_id, resource_type), count in told.items()
        if patient_id in members
    ])  # fmt: skip


def _write(
    session: Session, access: Access, asked: Asked, detail: dict[str, Any], *, count: int | None = None,
    outcome: Outcome = Outcome.SUCCESS, about: _About = _NOT_ASKED,
) -> None:  # fmt: skip
    facts: audit.Facts = {
        "outcome": outcome, "account_id": access.account_id, "member_id": access.member_id or about.member_id,
        "link_id": access.link_id, "client_id": access.client_id, "grant_id": access.grant_id,
        "resource_type": asked.resource_type, "count": count, "detail": detail, "reason": access.reason,
    }  # fmt: skip
    tag = f"fhir:{asked.resource_type}:{asked.interaction}"
    with tracing.step("audit"):
        if about.several:
            audit.record_about(session, tag, about.several, **facts)
        else:
            audit.record(session, tag, **facts)


def _groups_of(access: Access, sent: Iterable[Resource]) -> list[str]:
    """The groups that billed what is sent."""
    providers = (orjson.loads(one.body).get("provider") for one in sent if one.body)
    billed_by = {literal(one.get("reference")) for one in providers if isinstance(one, dict)}
    return sorted(group.group_id for group in access.groups if ("Organization", group.organization_id) in billed_by)


def _fingerprint(sent: Iterable[Resource]) -> str:
    names = ",".join([f"{one.type}/{one.id}/{one.version}" for one in sent])
    return hashlib.sha256(names.encode()).hexdigest()
