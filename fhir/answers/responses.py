"""Responses of the FHIR API: bodies, lightly packed, errors as OperationOutcome, headers for every origin."""

from collections import deque
from collections.abc import Iterable
from functools import lru_cache

import brotli
import zstandard
from flask import Response
from isal import igzip
from werkzeug.datastructures import Accept
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date, parse_accept_header

from fhir.outcomes import FhirProblem, Issue, outcome_bytes
from fhir.storage.results import Resource
from oauth.open_documents import TAKEN
from oauth.tokens.token_problems import MissingToken, TokenInQuery, TokenProblem
from service import web
from service.whole_answer import WholeAnswer

Headings = Iterable[tuple[str, str]]
FHIR_JSON = "application/fhir+json; charset=UTF-8"
_SMALLEST = 1_400
_ENCODINGS = ("zstd", "gzip", "br")
"""The cheapest first, of 20 claims (180 kB): zstd 0.05 ms to 7 kB, gzip by ISA-L 0.04 to 11 kB, br 0.07 to 8 kB."""
# CORS for apps in browsers: any origin, never with credentials; the token is all that counts.
_FOR_EVERY_ORIGIN = (
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        "Content-Location, ETag, Expires, Last-Modified, Location, RateLimit, RateLimit-Policy, Retry-After,"
        " WWW-Authenticate, X-Progress, X-Request-Id",
    ),
)
_VARY = ("Vary", "Accept-Encoding")
_ISSUES = {
    401: Issue.LOGIN, 403: Issue.FORBIDDEN, 404: Issue.NOT_FOUND, 405: Issue.NOT_SUPPORTED, 413: Issue.TOO_LONG,
    414: Issue.TOO_LONG, 415: Issue.NOT_SUPPORTED, 429: Issue.THROTTLED, 500: Issue.EXCEPTION, 503: Issue.TRANSIENT,
}  # fmt: skip
_SENTENCES = {
    401: "An access token is needed.", 404: "There is nothing at this address.",
    405: "This method is not offered at this address.", 413: "The request is too long.",
    414: "The address is too long.", 415: "Send the body as it is, without Content-Encoding, and say its type.",
    429: "Too many requests. Wait as long as Retry-After says.",
    500: "An unexpected fault; quote the request id when you report it.",
    503: "The service is busy. Try again in a few seconds.",
}  # fmt: skip


def of_resource(resource: Resource, content_type: str) -> Response:
    """One resource with its version, or 304 when the client has it already (RFC 9110 §13)."""
    headers = versioned(resource)
    if _is_known(headers[0][1], resource.last_updated):
        return Response(status=304, headers=[*_FOR_EVERY_ORIGIN, _VARY, *headers])
    return of_body(resource.body, content_type, headers)


def versioned(resource: Resource) -> list[tuple[str, str]]:
    """The headers that name a version: its ETag, and when it was stored."""
    return [("ETag", f'W/"{resource.version}"'), ("Last-Modified", _date(resource.last_updated // 1_000_000))]


def of_written(body: bytes, status: int, headers: Headings) -> Response:
    """The answer to a write."""
    return Response(body, status, [*_FOR_EVERY_ORIGIN, *headers], content_type=FHIR_JSON if body else None)


def of_body(body: bytes, content_type: str, headers: Headings = (), *, status: int = 200) -> Response:
    """A body, packed lightly where the client takes it and it is worth it."""
    sent = [_VARY, *headers]
    encoding = (
        _encoding_for(web.request_itself().environ.get("HTTP_ACCEPT_ENCODING", "")) if len(body) >= _SMALLEST else ""
    )
    if encoding:
        body = _packed(body, encoding)
        sent.append(("Content-Encoding", encoding))
    return _whole(body, status, content_type, sent)


def of_nothing(status: int, headers: Headings) -> Response:
    """An answer that is all headers."""
    return Response(status=status, headers=[*_FOR_EVERY_ORIGIN, *headers])


def of_problem(problem: FhirProblem) -> Response:
    """A problem of the request as OperationOutcome."""
    body = outcome_bytes(problem.issue, problem.sentence, expression=problem.expression)
    return _whole(body, problem.status, FHIR_JSON, problem.headers.items())


def of_token_problem(problem: TokenProblem) -> Response:
    """A missing, bad or narrow token (RFC 6750 §3, RFC 9449 §7) as OperationOutcome."""
    issue = Issue.FORBIDDEN if problem.status == 403 else Issue.LOGIN
    if problem.status == 401 and not isinstance(problem, (MissingToken, TokenInQuery)):
        issue = Issue.EXPIRED
    body = outcome_bytes(issue, problem.sentence)
    challenge = problem.challenge(web.request_itself().environ.get("HTTP_AUTHORIZATION", ""))
    return _whole(body, problem.status, FHIR_JSON, [("WWW-Authenticate", challenge)])


def of_http_error(error: HTTPException) -> Response:
    """What Flask or the server refused (too long, no route, a fault) as OperationOutcome."""
    status = error.code or 500
    body = outcome_bytes(_ISSUES.get(status, Issue.INVALID), _SENTENCES.get(status, "The request is not valid."))
    return _whole(body, status, FHIR_JSON)


def preflight(methods: str) -> Response:
    """The answer to a browser that asks before it sends (no token needed)."""
    allowed = [
        ("Allow", methods), ("Access-Control-Allow-Methods", methods), ("Access-Control-Allow-Headers", TAKEN),
        ("Access-Control-Max-Age", "600"),
    ]  # fmt: skip
    return Response(status=204, headers=[*_FOR_EVERY_ORIGIN, *allowed])


def _whole(body: bytes, status: int, content_type: str, headers: Headings = ()) -> Response:
    return WholeAnswer(body, status, content_type, [*_FOR_EVERY_ORIGIN, *headers])


_date = lru_cache(maxsize=4096)(http_date)
_idle: deque[zstandard.ZstdCompressor] = deque()
"""Packers that nobody uses now, the last one given back first: its tables may still be in the core's caches."""
# A table of 32 kB instead of 64 stays in the caches of a core that does other things besides: a page of 20 claims takes
# three quarters of the time, and is as small.
_LIGHT = zstandard.ZstdCompressionParameters.from_level(1, hash_log=13)


@lru_cache(maxsize=256)
def _encoding_for(accepted: str) -> str:
    offered = parse_accept_header(accepted, Accept)
    return next((encoding for encoding in _ENCODINGS if offered[encoding]), "")


def _packed(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        packed: bytes = igzip.compress(body, 1)
        return packed
    if encoding == "br":
        smaller: bytes = brotli.compress(body, quality=1)
        return smaller
    # Lent, since making one costs a third of its work: one for each of a server's 64 threads would hold half a MB each.
    try:
        packer = _idle.pop()
    except IndexError:
        packer = zstandard.ZstdCompressor(compression_params=_LIGHT)
    try:
        return packer.compress(body)
    finally:
        _idle.append(packer)


def _is_known(etag: str, last_updated: int) -> bool:
    given = web.request_itself()
    environ = given.environ
    if "HTTP_IF_NONE_MATCH" in environ:
        return given.if_none_match.contains_weak(etag[3:-1]) or environ["HTTP_IF_NONE_MATCH"].strip() == "*"
    since = given.if_modified_since if "HTTP_IF_MODIFIED_SINCE" in environ else None
    return since is not None and last_updated // 1_000_000 <= int(since.timestamp())
