"""Words of the trace: each step that the server saw, what it looked at, and what to change where that failed."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from oauth.trials.checks import Check
from oauth.trials.models import Fault, Seen

TRACE_STEPS: dict[Seen, LazyString] = {
    Seen.PUSH: _("The app sent its request ahead (PAR)"),
    Seen.AUTHORIZE: _("The app asked for access (authorize)"),
    Seen.SIGN_IN: _("The person was asked to sign in"),
    Seen.CONSENT: _("The person is signed in; the consent page comes next"),
    Seen.CODE: _("The person agreed; the app was sent a code"),
    Seen.REFUSED: _("The request ended without a code"),
    Seen.EXCHANGE: _("The app exchanged its code for tokens"),
    Seen.REFRESH: _("The app refreshed its tokens"),
    Seen.READ: _("The app read from the API"),
}
PASSED: dict[Check, LazyString] = {
    Check.CLIENT: _("client_id"),
    Check.REDIRECT: _("redirect_uri"),
    Check.STATE: _("state"),
    Check.RESPONSE_TYPE: _("response_type"),
    Check.AUD: _("aud"),
    Check.SCOPE: _("scope"),
    Check.CHALLENGE: _("code_challenge (PKCE)"),
}
"""What of an authorization request is told as right."""
FAILED: dict[Check, LazyString] = {
    Check.FAULT: _("The fault that you let it meet."),
    Check.CLIENT: _("The client_id is not known, or the app may not work at present. Look at how the app stands."),
    Check.REDIRECT: _(
        "The redirect_uri is not one of those that are registered, byte for byte. Register it, or send the registered "
        "one."
    ),
    Check.STATE: _("state is missing or longer than 2,048 characters. Send a fresh random value each time."),
    Check.REPEATED: _("A parameter came more than once. Send each once."),
    Check.PUSHED_ONLY: _("The app is registered to send its requests ahead: use /oauth/par first."),
    Check.REQUEST_OBJECT: _("request and request_uri are not supported. Send the parameters themselves."),
    Check.RESPONSE_TYPE: _("response_type is not code. Only code is supported."),
    Check.RESPONSE_MODE: _("response_mode is not query. Leave it out."),
    Check.AUD: _("aud is missing or is not the address of the FHIR API. Send the FHIR base address as it is."),
    Check.SCOPE: _(
        "Nothing that was asked for can be given. Ask for scopes that the app is registered with, such as patient/*.rs."
    ),
    Check.LAUNCH: _(
        "launch does not fit: the scope launch needs the launch parameter that we sent to the launch address, which "
        "works once, for five minutes, in the sign-in that it came from."
    ),
    Check.CHALLENGE: _(
        "PKCE is missing or not S256. Send code_challenge_method=S256 and the SHA-256 of the verifier in base64url, "
        "43 characters without =."
    ),
    Check.PARAMETER: _("One of prompt, max_age, nonce, login_hint, ui_locales or dpop_jkt cannot be read."),
    Check.CHALLENGE_REUSED: _("This code_challenge was used a moment ago. Make a new verifier for each request."),
    Check.FORM: _(
        "The parameters were not sent as a form. Send them in the body, as application/x-www-form-urlencoded, and "
        "nothing in the address."
    ),
    Check.METHOD: _("The app proved itself in another way than it is registered with. See how the app proves itself."),
    Check.CREDENTIAL: _(
        "The secret is wrong or over; or the assertion is: look at its key, its aud (the token endpoint), its exp "
        "(five minutes at most) and its jti (new each time)."
    ),
    Check.CODE_UNKNOWN: _("There is no such code. It may have been cut or decoded twice on its way."),
    Check.CODE_FOREIGN: _("The code was made for another app."),
    Check.CODE_SPENT: _("The code was used before. It works once; its tokens were ended, as if it had been stolen."),
    Check.CODE_LATE: _("The code is older than 60 seconds. Exchange it at once."),
    Check.KEY: _("The request did not come with the DPoP key that it is bound to."),
    Check.REDIRECT_DIFFERS: _("The redirect_uri differs from that of the authorization request. Send the same again."),
    Check.VERIFIER_MISSING: _("code_verifier is missing. Send the verifier whose challenge you sent before."),
    Check.VERIFIER: _("code_verifier does not fit the challenge. Keep the verifier of each request beside its state."),
    Check.GRANT: _("What the person agreed to has changed or ended since. Begin again with an authorization request."),
    Check.PAUSED: _(
        "The person has paused the app. Keep the refresh token: it was not spent, and works when they resume. Wait as "
        "long as Retry-After says."
    ),
    Check.REFRESH_UNKNOWN: _("There is no such refresh token."),
    Check.REFRESH_FOREIGN: _("The refresh token belongs to another app."),
    Check.REFRESH_SPENT: _(
        "The refresh token was used before. Each works once: keep the new one of each answer. All tokens of this "
        "connection were ended."
    ),
    Check.REFRESH_OVER: _("The refresh token is over: it was not used for 90 days, or its connection ended."),
    Check.REFRESH_SCOPE: _("More was asked for than was granted. Ask for the same scopes or fewer, or send none."),
    Check.TOKEN_LATE: _("The access token is over. Refresh it, or begin again."),
    Check.TOKEN_ENDED: _("The access token was ended: by a refresh, by the app, or since a code or token came twice."),
}
ERRORS: dict[str, LazyString] = {
    "access_denied": _("The person said no, or has nobody's data to share."),
    "login_required": _("prompt=none, and nobody was signed in, or not whom id_token_hint names."),
    "consent_required": _("prompt=none, and the person has to be asked."),
    "unsupported_grant_type": _("This grant_type is not supported."),
    "unauthorized_client": _("The app may not use this grant_type."),
    "invalid_request": _("A parameter is missing, repeated, in the wrong place, or malformed."),
    "temporarily_unavailable": _("Too many wrong secrets came lately. Wait five minutes."),
    "invalid_dpop_proof": _("The DPoP proof is missing, not for this request, out of time, or was used before."),
}
"""Where no check is known."""
STATUSES: dict[int, LazyString] = {
    400: _("The search or the request cannot be read. The OperationOutcome says what."),
    401: _("The access token opens nothing."),
    403: _(
        "The token's scopes do not cover this, or patient names somebody else than the token's member. Ask for the "
        "scope when you authorize, and look at scope and patient of the token response."
    ),
    404: _("There is nothing there that this token may see."),
    405: _("The API is read-only for apps."),
    429: _("Too many requests. Wait as long as Retry-After says."),
}
"""Of the API."""
FAULTS: dict[Fault, tuple[LazyString, LazyString]] = {
    Fault.EXPIRED_TOKEN: (_("The access token is over"), _("The API answers 401. Your app should refresh.")),
    Fault.REVOKED_GRANT: (
        _("The member has revoked"), _("The API answers 401, and a refresh invalid_grant. Your app should ask anew."),
    ),
    Fault.DENIED_SCOPE: (_("The scope was not granted"), _("The API answers 403, and the token endpoint 400.")),
    Fault.TOO_MANY: (
        _("Too many requests"), _("Both answer 429 with Retry-After. Your app should wait as long as that says."),
    ),
    Fault.SLOW: (_("A slow answer"), _("Both take four seconds longer, and then answer as ever.")),
}  # fmt: skip
