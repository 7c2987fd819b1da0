"""What the API tells the audit stream: one row for each answer with data, and for each refusal of a known caller."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.orm import Session

from consent.policy import Access, AccessBasis
from fhir.compartment import literal
from fhir.search.parameters import PATIENT_NAMES
from fhir.storage.results import Resource
from service import audit
from service.audit import Outcome
from service.watching import tracing

_MOST_NAMES = 40


@dataclass(slots=True)
class Asked:
    """What a request asks: for the row. Values of parameters may be health data and stay out, ids asked for do not."""

    resource_type: str
    interaction: str
    resource_id: str = ""
    parameters: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()

    def note(self, given: Iterable[tuple[str, str]]) -> None:
        """Keep the names of the parameters, and which patients they name."""
        pairs = list(given)
        self.parameters = tuple(dict.fromkeys(name[:64] for name, _ in pairs))[:_MOST_NAMES]
        named = [value for name, value in pairs if name.partition(":")[0] in PATIENT_NAMES]
        if self.resource_type == "Patient":
            named += [value for name, value in pairs if name == "_id"]
        self.patients = tuple(value[:200] for value in named)

    @property
    def named(self) -> list[str]:
        """The ids that were asked for: of the resource, of patients."""
        return [one[:200] for one in (self.resource_id, *self.patients) if one]


def record(
    session: Session, access: Access, asked: Asked, sent: Sequence[Resource], *, total: int | None = None,
    further: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """One row for what is about to be sent; `sent` are the resources, matches and included ones.

    Where the Access names no member, the row says which were asked for; by provider authority it names the groups
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
    _write(session, access, asked, detail, count=len(sent))


def record_export(session: Session, access: Access, asked: Asked, *, export_id: str, types: Sequence[str]) -> None:
    """One row for an export that begins."""
    detail: dict[str, Any] = {"interaction": asked.interaction, "export": export_id, "types": list(types)}
    if wanted := asked.named:
        detail["asked_for"] = wanted[:_MOST_NAMES]
    if asked.parameters:
        detail["parameters"] = list(asked.parameters)
    _write(session, access, asked, detail)


def record_file(session: Session, access: Access, asked: Asked, *, count: int, name: str) -> None:
    """One row for a file of an export that is about to be sent, `count` resources in it."""
    detail = {"interaction": asked.interaction, "export": asked.resource_id, "file": name}
    _write(session, access, asked, detail, count=count)


def record_refusal(session: Session, access: Access, asked: Asked, status: int) -> None:
    """One row for a refusal, with the ids that were asked for."""
    detail: dict[str, Any] = {"interaction": asked.interaction, "status": status}
    if wanted := asked.named:
        detail["asked_for"] = wanted
    _write(session, access, asked, detail, outcome=Outcome.REFUSED)


def _write(
    session: Session, access: Access, asked: Asked, detail: dict[str, Any], *, count: int | None = None,
    outcome: Outcome = Outcome.SUCCESS,
) -> None:  # fmt: skip
    with tracing.step("audit"):
        audit.record(
            session, f"fhir:{asked.resource_type}:{asked.interaction}", outcome=outcome, account_id=access.account_id,
            member_id=access.member_id, link_id=access.link_id, client_id=access.client_id, grant_id=access.grant_id,
            resource_type=asked.resource_type, count=count, detail=detail, reason=access.reason,
        )  # fmt: skip


def _groups_of(access: Access, sent: Iterable[Resource]) -> list[str]:
    """The groups that billed what is sent."""
    providers = (orjson.loads(one.body).get("provider") for one in sent if one.body)
    billed_by = {literal(one.get("reference")) for one in providers if isinstance(one, dict)}
    return sorted(group.group_id for group in access.groups if ("Organization", group.organization_id) in billed_by)


def _fingerprint(sent: Iterable[Resource]) -> str:
    names = ",".join([f"{one.type}/{one.id}/{one.version}" for one in sent])
    return hashlib.sha256(names.encode()).hexdigest()
