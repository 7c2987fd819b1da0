"""Why a request failed, more closely than the app may be told: kept while the request lasts, for the trace alone."""

from enum import StrEnum
from typing import TypeVar

from flask import g, has_app_context

E = TypeVar("E", bound=Exception)


class Check(StrEnum):
    """What a request did not pass."""

    # the authorization request, in the order in which it is looked at; how it was sent counts for every request
    FORM = "form"
    CLIENT = "client"
    REDIRECT = "redirect"
    STATE = "state"
    REPEATED = "repeated"
    PUSHED_ONLY = "pushed_only"
    REQUEST_OBJECT = "request_object"
    RESPONSE_TYPE = "response_type"
    RESPONSE_MODE = "response_mode"
    AUD = "aud"
    SCOPE = "scope"
    LAUNCH = "launch"
    CHALLENGE = "challenge"
    PARAMETER = "parameter"
    CHALLENGE_REUSED = "challenge_reused"
    # who calls the token endpoint
    METHOD = "method"
    CREDENTIAL = "credential"
    # codes and refresh tokens
    CODE_UNKNOWN = "code_unknown"
    CODE_FOREIGN = "code_foreign"
    CODE_SPENT = "code_spent"
    CODE_LATE = "code_late"
    KEY = "key"
    REDIRECT_DIFFERS = "redirect_differs"
    VERIFIER_MISSING = "verifier_missing"
    VERIFIER = "verifier"
    GRANT = "grant"
    PAUSED = "paused"
    REFRESH_UNKNOWN = "refresh_unknown"
    REFRESH_FOREIGN = "refresh_foreign"
    REFRESH_SPENT = "refresh_spent"
    REFRESH_OVER = "refresh_over"
    REFRESH_SCOPE = "refresh_scope"
    # access tokens at the API
    TOKEN_LATE = "token_late"
    TOKEN_ENDED = "token_ended"
    # what developers ask for
    FAULT = "fault"


AUTHORIZING = tuple(Check)[: tuple(Check).index(Check.CHALLENGE_REUSED) + 1]
"""The checks of an authorization request, in order."""


def because(check: Check, error: E) -> E:
    """The error, to be raised; why is kept for the trace."""
    failed(check)
    return error


def failed(check: Check) -> None:
    """Keep what the request did not pass; the first counts."""
    if has_app_context() and "failed_check" not in g:
        g.failed_check = check


def held_back(address: str) -> None:
    """Keep where the app would have been told, had the person not to be asked first."""
    g.held_back = address


def claimed(client_id: str) -> None:
    """Keep which app the caller says it is."""
    g.claimed_client = client_id
