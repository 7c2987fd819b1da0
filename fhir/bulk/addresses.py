"""What stands at the addresses of bulk export: asking for one, asking after it, ending it, fetching its files.

All of it is for the plan's own programs, and each address asks for a live token of the very client.
"""

from collections.abc import Callable, Mapping

import msgspec
import orjson
from flask import Response, request
from flask.globals import request_ctx
from werkzeug.http import http_date

from fhir import calls
from fhir.answers import disclosures, negotiation, responses
from fhir.answers.negotiation import Handling
from fhir.bulk import asking, data_export, files, groups, standing, whose
from fhir.bulk.models import Level, Status
from fhir.calls import Call
from fhir.operations import inputs
from fhir.outcomes import BadRequest, BadValue, FhirProblem, Issue, outcome_bytes
from fhir.storage import known
from service import web

NDJSON = "application/fhir+ndjson"


class AsynchronousOnly(BadRequest):
    """The client would wait for the answer itself."""

    issue = Issue.REQUIRED
    sentence = "An export is made in the background: send Prefer: respond-async."


class ExportFailed(FhirProblem):
    """The export could not be made; the sentence says why."""

    status = 500
    issue = Issue.EXCEPTION


def export_system() -> Response:
    """Begin an export of everything."""
    return _begin(Level.SYSTEM, "Bundle")


def export_patients() -> Response:
    """Begin an export of members' records."""
    return _begin(Level.PATIENT, "Patient")


def export_group(resource_id: str) -> Response:
    """Begin an export of the records of a list's members."""
    return _begin(Level.GROUP, groups.TYPE, resource_id)


def data_export_of_group(resource_id: str) -> Response:
    """Begin an export of the records of an attribution list's members, for their providers."""
    return _begin(Level.GROUP, groups.TYPE, resource_id, for_providers=True)


def status(export_id: str) -> Response:
    """How an export stands; or, by DELETE, its end."""
    if request.method == "DELETE":
        return _cancel(export_id)
    call = _call("Bundle", "export-status", export_id)
    export = standing.poll(call.session, call.access, export_id)
    if standing.is_open(export):
        told = standing.running(export)
        headers = [("X-Progress", told.progress), ("Retry-After", str(told.retry_after))]
        return responses.of_nothing(202, headers)
    if export.status is Status.FAILED:
        raise ExportFailed(export.problem or "")
    found = standing.manifest(call.session, web.settings(), call.access, export)
    expires = ("Expires", http_date(export.expires_at))
    return responses.of_body(orjson.dumps(found), "application/json", [expires])


def file(export_id: str, file_name: str) -> Response:
    """A file of a finished export; its audit row is written before its first byte leaves."""
    call = _call("Bundle", "export-file", export_id)
    found = standing.find_file(call.session, call.access, export_id, file_name)
    content = files.read(web.settings(), found)
    call.asked.resource_type = found.type
    told = whose.told(call.session, call.access, found)
    disclosures.record_file(
        call.session, told.access, call.asked, count=found.count, name=found.name, subjects=told.subjects,
        further=told.detail,
    )  # fmt: skip
    # Whole: to a reader who is slow a file in pieces would hold a thread of the server until its end.
    return responses.of_body(content, NDJSON)


def _begin(level: Level, resource_type: str, group_id: str = "", *, for_providers: bool = False) -> Response:
    negotiation.content_type(request_ctx.request)
    call = _call(resource_type, "export", group_id)
    groups.require_plan_program(call.access)
    group = groups.get(call.session, web.settings(), group_id) if group_id else None
    if group and for_providers:
        data_export.require_attribution(group)
    if not negotiation.responds_async(request):
        raise AsynchronousOnly(expression="Prefer")
    given = inputs.read()
    strict = negotiation.handling(request) is not Handling.LENIENT
    kind, parameters = data_export.parse(given.given) if for_providers else (None, given.given)
    asked = asking.parse(parameters, call.access, level, by_body=given.by_body, strict=strict)
    if group:
        absent = groups.absent(call.session, group, asked.patients)
    else:
        absent = known.unknown(call.session, call.access, asked.patients)
    if absent and strict:
        raise BadValue(
            f"{absent} of these Patients are not {'in this Group' if group else 'known here'}."
            " Leave them out, or send Prefer: handling=lenient.",
            expression="patient",
        )
    asked = msgspec.structs.replace(asked, absent=absent)
    if group and kind:
        asked = data_export.narrow(call.session, call.access, group, kind, asked)
    call.asked.note(given.given)
    begun = standing.begin(call.session, call.access, level, group_id or None, asked, _requested())
    disclosures.record_export(call.session, call.access, call.asked, export_id=begun.id, types=asked.types)
    body = outcome_bytes(
        Issue.INFORMATIONAL, "The export has begun. Ask at Content-Location how it stands.", severity="information"
    )
    headers = [
        ("Content-Location", f"{web.settings().fhir_base}/bulk/{begun.id}"),
        ("Preference-Applied", "respond-async"),
    ]
    return responses.of_body(body, responses.FHIR_JSON, headers, status=202)


def _cancel(export_id: str) -> Response:
    call = _call("Bundle", "export-cancel", export_id)
    standing.cancel(call.session, web.settings(), call.access, export_id)
    disclosures.record(call.session, call.access, call.asked, ())
    body = outcome_bytes(
        Issue.INFORMATIONAL, "The export has been ended and its files deleted.", severity="information"
    )
    return responses.of_body(body, responses.FHIR_JSON, status=202)


def _call(resource_type: str, interaction: str, resource_id: str) -> Call:
    # Rows are written: a session of one transaction, not one whose statements stand for themselves.
    web.db_session()
    return calls.begin(resource_type, interaction, resource_id)


def _requested() -> str:
    query = request.query_string.decode("ascii", "replace")
    return f"{web.settings().base_url}{request.path}" + (f"?{query}" if query else "")


DEEDS: Mapping[str, Callable[..., Response]] = {
    "export_system": export_system, "export_patients": export_patients, "export_group": export_group,
    "data_export": data_export_of_group,
    "export_status": status, "export_file": file,
}  # fmt: skip
"""By endpoint, for the router."""
