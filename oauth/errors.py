"""Errors of the OAuth endpoints: constant texts that never echo input (oauth.md §8), and the pages for people."""

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import errors as rfc6749
from flask import Response, json
from flask_babel import lazy_gettext as _

from service.web import PageError

JSON = "application/json;charset=UTF-8"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Refused(OAuth2Error):  # type: ignore[misc]  # Authlib ships no types
    """An error of ours: a code, and a sentence for the developer that never changes."""

    error: str
    description: str
    status_code = 400
    retry_after: int | None = None
    """Seconds after which it is worth while to ask again."""


class InvalidRequest(Refused):
    """A parameter is missing, repeated, in the wrong place, or malformed."""

    error = "invalid_request"
    description = "A parameter is missing, repeated, in the wrong place, or malformed."


class NotTaken(InvalidRequest):
    """The request as a whole: its address, its method, its size or its encoding, by the status of HTTP."""

    _SENTENCES = {
        404: "There is nothing at this address.",
        405: "This method is not taken here. The Allow header says which are.",
        413: "The request is too large.",
        415: "Send the body as it is, without a Content-Encoding.",
    }

    def __init__(self, status: int) -> None:
        super().__init__()
        self.description = self._SENTENCES.get(status, InvalidRequest.description)


class InvalidClient(Refused):
    """Every failure of client authentication answers alike (case 36)."""

    error = "invalid_client"
    description = "Client authentication failed."
    status_code = 401


class InvalidGrant(Refused):
    """Every code or refresh token that cannot be used answers alike."""

    error = "invalid_grant"
    description = "The code or refresh token is not valid."


class AccessPaused(Refused):
    """The member has paused the app: its refresh token is not spent, and works again when they resume.

    Not invalid_grant, on which apps throw the token away (decision 69).
    """

    error = "temporarily_unavailable"
    description = (
        "The member has paused this connection. Keep the refresh token and try again later; it works when they resume."
    )
    retry_after = 3600


class TooManyAttempts(Refused):
    """Client authentication failed too often from here."""

    error = "temporarily_unavailable"
    description = "Too many failed attempts. Try again later."
    status_code = 429
    retry_after = 300


class Busy(Refused):
    """The service could not answer; nothing is wrong with the request. Its status is that of the fault."""

    error = "temporarily_unavailable"
    description = "The service could not answer. Try again in a few seconds."
    status_code = 503


class TooManyRequests(Refused):
    """The app asks more often than it may: for tokens, or with requests sent ahead."""

    error = "temporarily_unavailable"
    description = "Too many requests. Wait as long as Retry-After says."
    status_code = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.retry_after = seconds


class TooManyRegistrations(Refused):
    """Programs registered or changed as many apps as they may in a day, or as many wait as the plan can look at."""

    error = "temporarily_unavailable"
    description = (
        "Too many apps were registered from this network or changed today, or too many wait for the plan. "
        "Wait as long as Retry-After says, or register at the developers' pages."
    )
    status_code = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.retry_after = seconds


class InvalidDpopProof(Refused):
    """The DPoP proof is missing where one is needed, malformed, not for this request, too old, or used before."""

    error = "invalid_dpop_proof"
    description = "The DPoP proof is missing, malformed, not for this request, out of time, or was used before."


class DpopProofMissing(InvalidDpopProof):
    """The app's record says that it gets tokens for a key alone: for what it connected before, too."""

    description = (
        "This app is registered for DPoP-bound tokens. Send the request again with a DPoP header (RFC 9449); the code "
        "or refresh token was not used up."
    )


class UnsupportedResponseType(Refused):
    """Only `code` is offered (OA-4)."""

    error = "unsupported_response_type"
    description = "Only response_type=code is supported."


class InvalidScope(Refused):
    """No scope that was asked for can be given."""

    error = "invalid_scope"
    description = "None of the requested scopes can be granted, or more was asked than was granted."


class InvalidTarget(Refused):
    """RFC 8707 §2: `resource` names an API that is not ours."""

    error = "invalid_target"
    description = "The resource is not the address of the FHIR API."


class RequestNotSupported(Refused):
    """Request objects by value are not supported (OA-48)."""

    error = "request_not_supported"
    description = "Request objects are not supported."


class RequestUriNotSupported(Refused):
    """Request objects by reference are not supported, and never fetched."""

    error = "request_uri_not_supported"
    description = "Request objects are not supported."


class AccessDenied(Refused):
    """The person said no, or there is nobody whose data they may share."""

    error = "access_denied"
    description = "The request was denied."


class LoginRequired(Refused):
    """prompt=none, and nobody is signed in (or not recently enough)."""

    error = "login_required"
    description = "The person is not signed in."


class ConsentRequired(Refused):
    """prompt=none, and consent has to be asked for."""

    error = "consent_required"
    description = "The person has to be asked for consent."


class UntrustedClient(PageError):
    """The app is unknown or not approved: nobody is sent anywhere."""

    title = _("We do not know this app")
    sentence = _(
        "The app that sent you here is not registered with us, or may not connect right now. Nothing was shared."
    )


class UntrustedRedirect(PageError):
    """The address to return to is not the app's: nobody is sent there."""

    title = _("This app's link is not right")
    sentence = _("The app asked us to send you to an address that it has not registered. Nothing was shared.")


class UnusableRequest(PageError):
    """The request lacks what the app needs to recognise the answer, so that no answer can be sent."""

    title = _("This app's link is incomplete")
    sentence = _(
        "The app that sent you here left out something we need. Nothing was shared. Go back to the app and try again."
    )


class RequestOver(PageError):
    """The pending request is unknown, answered, too old, or another browser's; all look the same."""

    title = _("This request is over")
    sentence = _(
        "You may have answered it already, or it waited too long. Nothing more was shared. To begin again, go back to "
        "the app and connect to your health plan there once more."
    )


def as_json(error: OAuth2Error, *, challenge: bool = False) -> Response:
    """The JSON answer for `error` (RFC 6749 §5.2); `challenge` adds WWW-Authenticate for a failed Basic header."""
    body = {"error": error.error, "error_description": description_of(error)}
    response = Response(json.dumps(body), error.status_code, headers=NO_STORE, content_type=JSON)
    if challenge and error.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="token", charset="UTF-8"'
    if isinstance(error, Refused) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


_CONSTANT: dict[str, str] = {
    kind.error: kind.description
    for kind in (
        InvalidRequest, InvalidClient, InvalidGrant, InvalidDpopProof, TooManyAttempts, UnsupportedResponseType,
        InvalidScope, InvalidTarget, RequestNotSupported, RequestUriNotSupported, AccessDenied, LoginRequired,
        ConsentRequired,
    )
} | {
    rfc6749.UnsupportedGrantTypeError.error: "This grant type is not supported.",
    rfc6749.UnauthorizedClientError.error: "The client may not use this grant type.",
}  # fmt: skip


def description_of(error: OAuth2Error) -> str:
    """The constant sentence for the developer that goes with an error code; Authlib's own may carry what was sent."""
    if isinstance(error, AccessPaused | Busy | DpopProofMissing | NotTaken | TooManyRequests | TooManyRegistrations):
        return error.description
    return _CONSTANT.get(str(error.error), "The request was refused.")
