"""OperationOutcome, and the problems of a FHIR request that are answered by one (FHIR R4, OperationOutcome)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson


class Issue(StrEnum):
    """Issue types of FHIR that we use."""

    INVALID = "invalid"
    VALUE = "value"
    STRUCTURE = "structure"
    REQUIRED = "required"
    NOT_SUPPORTED = "not-supported"
    LOGIN = "login"
    EXPIRED = "expired"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    DELETED = "deleted"
    CONFLICT = "conflict"
    MULTIPLE_MATCHES = "multiple-matches"
    BUSINESS_RULE = "business-rule"
    TOO_LONG = "too-long"
    TOO_COSTLY = "too-costly"
    INFORMATIONAL = "informational"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    EXCEPTION = "exception"


class FhirProblem(Exception):
    """A request that cannot be served; subclasses set status, issue type and sentence."""

    status = 400
    issue = Issue.INVALID
    sentence = "The request is not valid."

    def __init__(self, sentence: str = "", *, expression: str = "") -> None:
        super().__init__(self.issue.value)
        self.sentence = sentence or self.sentence
        self.expression = expression
        self.headers: Mapping[str, str] = {}


class BadRequest(FhirProblem):
    """Something in the request is malformed."""


class BadValue(FhirProblem):
    """A parameter's value has the wrong form."""

    issue = Issue.VALUE


class NotSupported(FhirProblem):
    """Known to FHIR, not offered here."""

    issue = Issue.NOT_SUPPORTED


class Forbidden(FhirProblem):
    """The token does not reach that far."""

    status = 403
    issue = Issue.FORBIDDEN
    sentence = "The access token does not allow this."


class OtherPatient(Forbidden):
    """A parameter names a patient who is not in the token's context; whether one exists is not looked up."""

    sentence = "The access token is for another patient."


class NotFound(FhirProblem):
    """Not there, or not for this token: both look the same."""

    status = 404
    issue = Issue.NOT_FOUND
    sentence = "No such resource."


class Gone(FhirProblem):
    """Was there and has been deleted."""

    status = 410
    issue = Issue.DELETED
    sentence = "The resource has been deleted."


class Conflict(FhirProblem):
    """What stands does not allow it."""

    status = 409
    issue = Issue.CONFLICT
    sentence = "The resource cannot be changed so."


class PreconditionFailed(FhirProblem):
    """The condition that came with a write does not hold."""

    status = 412
    issue = Issue.CONFLICT
    sentence = "The resource has another version now: read it again."

    def __init__(self, sentence: str = "", *, issue: Issue = Issue.CONFLICT) -> None:
        super().__init__(sentence)
        self.issue = issue


class Unprocessable(FhirProblem):
    """Well formed, and still a rule of the resource or the operation is not met."""

    status = 422
    issue = Issue.BUSINESS_RULE
    sentence = "A rule is not met."


class PageExpired(FhirProblem):
    """A page link that is too old."""

    status = 410
    issue = Issue.EXPIRED
    sentence = "This page link has expired: start the search again."


class MethodNotAllowed(FhirProblem):
    """The verb is not offered at this address; which are is told."""

    status = 405
    issue = Issue.NOT_SUPPORTED

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This interaction is not offered here, only {allowed}.")
        self.headers = {"Allow": allowed}


class NotAcceptable(FhirProblem):
    """The answer was asked for in a form we do not make."""

    status = 406
    issue = Issue.NOT_SUPPORTED
    sentence = "XML and other forms are not offered. Ask for FHIR 4.0 JSON: Accept: application/fhir+json."


class TooCostly(FhirProblem):
    """More than we do for one request."""

    status = 413
    issue = Issue.TOO_COSTLY


class TooManyRequests(FhirProblem):
    """To be asked again after so many seconds, not earlier."""

    status = 429
    issue = Issue.THROTTLED

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.headers = {"Retry-After": str(retry_after)}


class UnsupportedBody(FhirProblem):
    """The body came in a form we do not take."""

    status = 415
    issue = Issue.NOT_SUPPORTED
    sentence = "Send search parameters as application/x-www-form-urlencoded."


def outcome(issue: Issue, sentence: str, *, severity: str = "error", expression: str = "") -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    found: dict[str, Any] = {"severity": severity, "code": issue.value, "diagnostics": sentence}
    if expression:
        found["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [found]}


def outcome_bytes(issue: Issue, sentence: str, *, severity: str = "error", expression: str = "") -> bytes:
    """The same as JSON."""
    return orjson.dumps(outcome(issue, sentence, severity=severity, expression=expression))
