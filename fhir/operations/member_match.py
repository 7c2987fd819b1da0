"""`Patient/$member-match` (HRex): another payer describes its new member, and is told under which number we knew them.

Prepared for Payer-to-Payer: there only where `PAYER_TO_PAYER` says so, and for the plan's own programs alone, which
stand between the other payer and us. Without exactly one match, or a consent that holds today, nothing is told.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import func, select

from consent.policy import AccessBasis
from fhir import store
from fhir.calls import Call
from fhir.compartment import literal
from fhir.operations.inputs import Inputs
from fhir.outcomes import BadRequest, Forbidden, Issue, Unprocessable
from fhir.search.dates import BadDate, span
from fhir.search.index import normal
from fhir.storage import granting
from oauth.tokens.token_problems import InsufficientScope
from service.clock import now
from service.db import microseconds
from service.plan.members import roster
from service.plan.models import Member

NEEDED = {"MemberPatient": "Patient", "CoverageToMatch": "Coverage", "Consent": "Consent"}
"""The parameters without which nothing is looked for, each with the type of its resource."""
_MEMBER_NUMBER = "MB"
_POLICY = "http://hl7.org/fhir/us/davinci-hrex/StructureDefinition-hrex-consent.html#"


class ForPlanProgramsOnly(Forbidden):
    """The token is a person's, or a provider's program's."""

    sentence = "Matching members is for the plan's own programs."


class Incomplete(BadRequest):
    """A parameter of the operation is missing, twice there, or of another type."""

    issue = Issue.REQUIRED


class NoSingleMatch(Unprocessable):
    """None fits, or several do: both are told alike, so that nobody learns who is here."""

    sentence = "No single member fits name, birth date and coverage."


class ConsentNotMet(Unprocessable):
    """The consent is not in force, or not one by which we share."""

    sentence = "The consent does not permit this now: it must be active, permit, and be in its period."


def match(call: Call, inputs: Inputs) -> tuple[bytes, str]:
    """The Parameters that name the member, and their Patient's id.

    Raises InsufficientScope, ForPlanProgramsOnly, Incomplete, ConsentNotMet and NoSingleMatch.
    """
    if call.access.basis is not AccessBasis.PLAN_CLIENT:
        raise ForPlanProgramsOnly
    if not call.access.permits("Patient", "s"):
        raise InsufficientScope(granting.needed(call.access, "Patient", "s"))
    resources = _resources(inputs)
    _require_consent(resources["Consent"])
    member = _find(call, resources["MemberPatient"], resources["CoverageToMatch"])
    stored = store.read(call.session, call.access, "Patient", member.patient_id)
    return orjson.dumps(_told(orjson.loads(stored.body), member)), member.patient_id


def _resources(inputs: Inputs) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for name, resource_type in NEEDED.items():
        given = [resource for named, resource in inputs.resources if named == name]
        if len(given) != 1 or given[0].get("resourceType") != resource_type:
            raise Incomplete(f"Send one {name}, a {resource_type}.", expression="Parameters.parameter")
        found[name] = given[0]
    return found


def _require_consent(consent: Mapping[str, Any]) -> None:
    provision = consent.get("provision")
    if consent.get("status") != "active" or not isinstance(provision, dict) or not _names_patient(consent):
        raise ConsentNotMet
    if provision.get("type", "permit") != "permit":
        raise ConsentNotMet
    if not _is_now(provision.get("period")) or not _is_known_policy(consent.get("policy")):
        raise ConsentNotMet


def _names_patient(consent: Mapping[str, Any]) -> bool:
    patient = consent.get("patient")
    reference = patient.get("reference") if isinstance(patient, dict) else None
    # The other payer's own Patient, perhaps at its own address.
    is_elsewhere = isinstance(reference, str) and reference.startswith(("https://", "http://"))
    return is_elsewhere or literal(reference) is not None


def _is_now(period: Any) -> bool:
    if not isinstance(period, dict):
        return False
    moment = microseconds(now())
    try:
        begun = "start" in period and span(str(period["start"])).start <= moment
        return begun and ("end" not in period or moment < span(str(period["end"])).end)
    except BadDate:
        return False


def _is_known_policy(policies: Any) -> bool:
    """Whether all of the record is permitted, or what is not sensitive: the two that HRex knows."""
    uris = [one.get("uri") for one in policies if isinstance(one, dict)] if isinstance(policies, list) else []
    return len(uris) == 1 and uris[0] in (f"{_POLICY}regular", f"{_POLICY}sensitive")


def _find(call: Call, patient: Mapping[str, Any], coverage: Mapping[str, Any]) -> Member:
    numbers, born = _numbers(coverage), patient.get("birthDate")
    if not numbers or not isinstance(born, str):
        raise NoSingleMatch
    by_number = func.upper(Member.member_number).in_(numbers) | func.upper(Member.subscriber_number).in_(numbers)
    candidates = call.session.scalars(select(Member).where(by_number).limit(50))
    names = _names(patient)
    fitting = {
        roster.surviving(call.session, one)
        for one in candidates
        if one.birth_date.isoformat() == born and (normal(one.family_name), _first(one.given_name)) in names
    }
    if len(fitting) != 1:
        raise NoSingleMatch
    return fitting.pop()


def _numbers(coverage: Mapping[str, Any]) -> list[str]:
    listed = coverage.get("identifier")
    told = [one.get("value") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    every = (coverage.get("subscriberId"), *told)
    # No database takes a null character, and no card has one.
    return [one.strip().upper() for one in every if isinstance(one, str) and one.strip() and "\0" not in one][:10]


def _names(patient: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Family and first given name of each name, as they are compared."""
    listed = patient.get("name")
    names = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    found = set()
    for one in names:
        given = one.get("given")
        first = given[0] if isinstance(given, list) and given and isinstance(given[0], str) else ""
        if isinstance(one.get("family"), str) and first:
            found.add((normal(one["family"]), _first(first)))
    return found


def _first(given: str) -> str:
    return normal(given).partition(" ")[0]


def _told(stored: Mapping[str, Any], member: Member) -> dict[str, Any]:
    identifiers = [one for one in stored.get("identifier", ()) if _is_member_number(one)]
    told = [{"name": "MemberIdentifier", "valueIdentifier": one} for one in identifiers[:1]]
    named = {"name": "MemberId", "valueReference": {"reference": f"Patient/{member.patient_id}"}}
    return {"resourceType": "Parameters", "parameter": [*told, named]}


def _is_member_number(identifier: Mapping[str, Any]) -> bool:
    return any(coding.get("code") == _MEMBER_NUMBER for coding in identifier.get("type", {}).get("coding", ()))
