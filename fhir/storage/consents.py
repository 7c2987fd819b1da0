"""Consents (FHIR R4), rendered on read from grants, so that each is in step with what an app may do at that moment.

An app sees those that its own person gave to it for the member in context, the ended ones too; never another app's, nor
another person's (decision 70).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from consent import grants
from consent.link_standing import right_stands
from consent.models import Grant, RepresentativeLink, SensitiveClass
from consent.policy import Access, effective_scopes, excluded_labels
from consent.scopes import Restriction, ScopeSet
from fhir.outcomes import TooCostly
from fhir.search import matching
from fhir.search.index import index
from fhir.search.matching import Candidate
from fhir.search.query import Search
from fhir.storage.projections import instant_text
from fhir.storage.results import Cursor, Page, Resource
from oauth.apps import clients
from oauth.apps.clients import ClientView
from service.clock import now
from service.db import microseconds

TYPE = "Consent"
_MOST = 1_000
"""Consents that are searched, those that stand first; where an app had more, nobody says how many there are."""
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_ACT_CODE = _TERMINOLOGY + "v3-ActCode"
_RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
_SENSITIVITY = {
    SensitiveClass.SUBSTANCE_USE: ("ETH", "substance abuse information sensitivity"),
    SensitiveClass.MENTAL_HEALTH: ("PSY", "psychiatry disorder information sensitivity"),
    SensitiveClass.SEXUAL_REPRODUCTIVE: ("SEX", "sexuality and reproductive health information sensitivity"),
    SensitiveClass.HIV: ("HIV", "HIV/AIDS information sensitivity"),
    SensitiveClass.GENETIC: ("GDIS", "genetic disease information sensitivity"),
}
"""Codes of v3-ActCode for the classes that are off until they are ticked."""


class TooManyToCount(TooCostly):
    """There are more Consents than are searched, so that nobody knows how many of them match."""

    def __init__(self) -> None:
        super().__init__(f"There are more than {_MOST:,} Consents, which are not counted. Search for pages of them.")


def find(session: Session, access: Access, resource_id: str) -> Resource | None:
    """The Consent of that id, where this access reaches it."""
    visible, _is_all = _visible(session, access, resource_id)
    return next(map(_resource, visible), None)


def search(session: Session, access: Access, asked: Search, start: Cursor | None) -> Page:
    """One page of matches in the order asked for."""
    visible, is_all = _visible(session, access)
    found = matching.matching(visible, asked)
    total = len(found) if is_all else None
    if asked.counts_only:
        if total is None:
            raise TooManyToCount
        return Page((), total=total)
    ids = [one.id for one in found]
    # A page link names the last match; one that ended up elsewhere meanwhile starts the list anew.
    first = ids.index(start.id) + 1 if start and start.id in ids else 0
    kept, more = found[first : first + asked.count], len(found) > first + asked.count
    return Page(
        matches=tuple(map(_resource, kept)),
        total=total,
        following=Cursor(matching.place(kept[-1], asked.sort), kept[-1].id) if more and kept else None,
    )


def _resource(one: Candidate) -> Resource:
    return Resource(one.type, one.id, one.version, one.last_updated, one.body)


def _visible(session: Session, access: Access, resource_id: str | None = None) -> tuple[list[Candidate], bool]:
    """The Consents that this access reaches, and whether these are all; with a `resource_id` that one at most.

    The one under which the app comes in is among them, however many ended after it was given.
    """
    if access.grant_id is None or access.client_id is None:
        return [], True
    mine = (
        Grant.account_id == access.account_id, Grant.member_id == access.member_id,
        Grant.client_id == access.client_id,
    )  # fmt: skip
    wanted = () if resource_id is None else (Grant.id == resource_id,)
    people = joinedload(Grant.link).joinedload(RepresentativeLink.representative)
    statement = select(Grant).options(joinedload(Grant.decision), joinedload(Grant.member), people)
    # No two of one person, member and app stand at a time.
    standing_first = (Grant.ended_at.is_not(None), Grant.created_at.desc(), Grant.id)
    found = session.scalars(statement.where(*mine, *wanted).order_by(*standing_first).limit(_MOST + 1)).all()
    app = clients.get(session, access.client_id)
    return [_candidate(grant, app) for grant in found[:_MOST]], len(found) <= _MOST


def render(grant: Grant, app: ClientView) -> dict[str, Any]:
    """The Consent of a grant to this app, as it stands now."""
    link_scope = grant.link.scope_now if grant.link else None
    scopes = effective_scopes(grant.scopes, grant.scopes, app.scopes, link_scope)
    withheld = excluded_labels(frozenset(grant.sensitive_classes), link_scope)
    version, changed = _version(grant)
    return {
        "resourceType": TYPE,
        "id": grant.id,
        "meta": {"versionId": str(version), "lastUpdated": instant_text(changed)},
        "status": "active" if grants.is_live(grant) and right_stands(grant) else "inactive",
        "scope": _concept(_TERMINOLOGY + "consentscope", "patient-privacy", "Privacy Consent"),
        "category": [
            _concept("http://loinc.org", "59284-0", "Patient Consent"),
            _concept(_ACT_CODE, "IDSCL", "information disclosure"),
        ],
        "patient": {"reference": f"Patient/{grant.member.patient_id}"},
        "dateTime": _moment(grant.decision.at),
        "performer": [{"reference": _performer(grant)}],
        "policyRule": _concept(_ACT_CODE, "OPTIN", "opt-in"),
        "provision": _provision(grant, app, scopes, withheld),
    }


def _candidate(grant: Grant, app: ClientView) -> Candidate:
    resource = render(grant, app)
    version, changed = _version(grant)
    return Candidate(
        TYPE, grant.id, grant.member.patient_id, version, changed, orjson.dumps(resource), index(resource)
    )  # fmt: skip


def _version(grant: Grant) -> tuple[int, int]:
    """The version, and the moment (microseconds since 1970) it became so: time may have ended what nobody did.

    To the millisecond, as `meta.lastUpdated` says it: searching for the instant shown finds the Consent.
    """
    # Those before the grant, too: another birth date may move a turn there that was counted, and no number comes again.
    passed = [moment for moment in _turns(grant) if moment <= now()]
    changed = microseconds(max(grant.changed_at, *passed, grant.created_at))
    return grant.revision + len(passed), changed // 1000 * 1000


def _turns(grant: Grant) -> Iterator[datetime]:
    """The moments at which a grant is another without a change of its own row."""
    link = grant.link
    if link is not None and link.narrows_at is not None:
        yield link.narrows_at
    if grant.ended_at is None:
        yield grant.expires_at
        if link is not None and link.ended_at is not None:
            yield link.ended_at


def _performer(grant: Grant) -> str:
    if grant.link is not None:
        return f"RelatedPerson/{grant.link.related_person_id}"
    return f"Patient/{grant.member.patient_id}"


def _provision(grant: Grant, app: ClientView, scopes: ScopeSet, withheld: frozenset[str]) -> dict[str, Any]:
    end = min(grant.expires_at, grant.ended_at or grant.expires_at)
    recipient = {"type": {"text": "OAuth 2.0 client_id"}, "value": app.id}
    provision: dict[str, Any] = {
        "type": "permit",
        "period": {"start": _moment(grant.decision.at), "end": _moment(end)},
        "actor": [{
            "role": _concept(_TERMINOLOGY + "v3-ParticipationType", "IRCP", "information recipient"),
            "reference": {"display": app.name, "identifier": recipient},
        }],
        "action": [_concept(_TERMINOLOGY + "consentaction", "access", "Access")],
        "purpose": [{
            "system": _TERMINOLOGY + "v3-ActReason", "code": "PATRQT", "display": "patient requested",
        }],
    }  # fmt: skip
    whole = [name for name in sorted(scopes.types - {"*"}) if () in _alternatives(scopes, name)]
    parts, denied = _partly(scopes), _denied(scopes, withheld)
    if parts and not whole and "*" not in scopes.types:
        # A permit that names no class reads as one of everything: all is denied here but the parts below.
        provision["type"] = "deny"
        parts, denied = [one | ({"provision": denied} if denied else {}) for one in parts], []
    elif whole and "*" not in scopes.types:
        provision["class"] = [{"system": _RESOURCE_TYPES, "code": name} for name in whole]
    if below := [*parts, *denied]:
        provision["provision"] = below
    return provision


def _alternatives(scopes: ScopeSet, resource_type: str) -> tuple[Restriction, ...]:
    return tuple(dict.fromkeys(one for letter in "rs" for one in scopes.restrictions(resource_type, letter)))


def _partly(scopes: ScopeSet) -> list[dict[str, Any]]:
    """A provision for each type of which only parts are permitted."""
    found = []
    for name in sorted(scopes.types - {"*"}):
        alternatives = _alternatives(scopes, name)
        if () not in alternatives:
            found.append({
                "type": "permit",
                "class": [{"system": _RESOURCE_TYPES, "code": name}],
                "code": [_code(value) for one in alternatives for _parameter, value in one],
            })  # fmt: skip
    return found


def _code(value: str) -> dict[str, Any]:
    system, _, code = value.rpartition("|")
    return {"coding": [{"system": system, "code": code} if system else {"code": code}]}


def _denied(scopes: ScopeSet, withheld: frozenset[str]) -> list[dict[str, Any]]:
    """What is denied: the classes that were not ticked; everything, where no type of data was."""
    if not scopes.resources:
        return [{"type": "deny", "action": [_concept(_TERMINOLOGY + "consentaction", "access", "Access")]}]
    labels = [
        {"system": _ACT_CODE, "code": code, "display": display}
        for label, (code, display) in _SENSITIVITY.items()
        if label in withheld
    ]
    return [{"type": "deny", "securityLabel": labels}] if labels else []


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
