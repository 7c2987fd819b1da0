"""Responses of the FHIR API: bodies, lightly packed, errors as OperationOutcome, headers for every origin."""

import gzip
from typing import TYPE_CHECKING

import zstandard
from flask import Response, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date

from fhir.outcomes import FhirProblem, Issue, outcome_bytes
from fhir.store import Resource
from oauth.token_problems import MissingToken, TokenProblem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FHIR_JSON = "application/fhir+json; charset=UTF-8"
_SMALLEST = 1_400
_EXPOSED = "ETag, Last-Modified, Location, Content-Location, Retry-After, WWW-Authenticate, X-Request-Id"
_ALLOWED = "Authorization, Content-Type, Accept, Prefer, If-None-Match, If-Modified-Since, X-Request-Id"
_ISSUES = {
    401: Issue.LOGIN, 403: Issue.FORBIDDEN, 404: Issue.NOT_FOUND, 405: Issue.NOT_SUPPORTED, 413: Issue.TOO_LONG,
    414: Issue.TOO_LONG, 415: Issue.NOT_SUPPORTED, 429: Issue.THROTTLED, 500: Issue.EXCEPTION, 503: Issue.TRANSIENT,
}  # fmt: skip
_SENTENCES = {
    401: "An access token is needed.", 404: "There is nothing at this address.", 413: "The request is too long.",
    414: "The address is too long.", 500: "An unexpected fault; quote the request id when you report it.",
    503: "The service is busy. Try again in a few seconds.",
}  # fmt: skip


def of_resource(resource: Resource, content_type: str) -> Response:
    """One resource with its version, or 304 when the client has it already (RFC 9110 §13)."""
    etag = f'W/"{resource.version}"'
    headers = [("ETag", etag), ("Last-Modified", http_date(resource.last_updated // 1_000_000))]
    if _is_known(etag, resource.last_updated):
        return Response(status=304, headers=headers)
    return of_body(resource.body, content_type, headers)


def of_body(body: bytes, content_type: str, headers: list[tuple[str, str]] | None = None) -> Response:
    """A body, packed lightly (zstd or gzip) where the client takes it and it is worth it."""
    sent = [("Vary", "Accept-Encoding"), *(headers or ())]
    accepted = request.environ.get("HTTP_ACCEPT_ENCODING", "")
    if accepted and len(body) >= _SMALLEST:
        body, encoding = _packed(body)
        sent += [("Content-Encoding", encoding)] if encoding else []
    return _Body(body, content_type=content_type, headers=sent)


class _Body(Response):
    """An answer with a body of known length and no Location: its headers go out as they are.

    The library would copy them once more, to mend what such an answer does not have.
    """

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """The headers with the body's length."""
        self.headers["Content-Length"] = str(len(self.get_data()))
        return self.headers


def of_problem(problem: FhirProblem) -> Response:
    """A problem of the request as OperationOutcome."""
    body = outcome_bytes(problem.issue, problem.sentence, expression=problem.expression)
    return Response(body, problem.status, headers=dict(problem.headers), content_type=FHIR_JSON)


def of_token_problem(problem: TokenProblem) -> Response:
    """A missing, bad or narrow token (RFC 6750 §3) as OperationOutcome."""
    issue = Issue.FORBIDDEN if problem.status == 403 else Issue.LOGIN
    if problem.status == 401 and not isinstance(problem, MissingToken):
        issue = Issue.EXPIRED
    response = Response(outcome_bytes(issue, problem.sentence), problem.status, content_type=FHIR_JSON)
    response.headers["WWW-Authenticate"] = problem.challenge
    return response


def of_http_error(error: HTTPException) -> Response:
    """What Flask or the server refused (too long, no route, a fault) as OperationOutcome, for every origin."""
    status = error.code or 500
    body = outcome_bytes(_ISSUES.get(status, Issue.INVALID), _SENTENCES.get(status, "The request is not valid."))
    return for_every_origin(Response(body, status, content_type=FHIR_JSON))


def preflight(methods: str) -> Response:
    """The answer to a browser that asks before it sends (no token needed)."""
    response = Response(status=204)
    response.headers["Allow"] = methods
    response.headers["Access-Control-Allow-Methods"] = methods
    response.headers["Access-Control-Allow-Headers"] = _ALLOWED
    response.headers["Access-Control-Max-Age"] = "600"
    return response


def for_every_origin(response: Response) -> Response:
    """CORS for apps in browsers: any origin, never with credentials; the token is all that counts."""
    # Set, not added: an error passes here twice, and browsers refuse the header when it comes twice.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    return response


def _packed(body: bytes) -> tuple[bytes, str]:
    accepted = request.accept_encodings
    if accepted["zstd"]:
        return zstandard.compress(body, 1), "zstd"
    if accepted["gzip"]:
        return gzip.compress(body, 1, mtime=0), "gzip"
    return body, ""


def _is_known(etag: str, last_updated: int) -> bool:
    if "HTTP_IF_NONE_MATCH" in request.environ:
        return request.if_none_match.contains_weak(etag[3:-1]) or request.environ["HTTP_IF_NONE_MATCH"].strip() == "*"
    since = request.if_modified_since if "HTTP_IF_MODIFIED_SINCE" in request.environ else None
    return since is not None and last_updated // 1_000_000 <= int(since.timestamp())
