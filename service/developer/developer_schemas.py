"""The shapes of developers' forms."""

from collections.abc import Callable
from urllib.parse import urlsplit

from flask_babel import lazy_gettext as _
from marshmallow import Schema, ValidationError, fields, pre_load, validate

from oauth.apps.clients import AuthMethod
from oauth.apps.models import Category, DeveloperRole, Platform
from oauth.trials.faults import MOST_REQUESTS
from oauth.trials.models import Fault
from service.accounts import usernames
from service.accounts.schemas import require_storable
from service.accounts.wording import FILL_IN, NOT_AN_ADDRESS

_TOO_LONG = _("This is too long. Please shorten it.")
_PAGE = _("Please enter a web address that begins with https://")
_CHOOSE = _("Please choose one.")
_ACCEPT = _("To go on, please tick that you accept the terms.")
_LINE = _("Please write it in one line.")
_REQUESTS = _("Please enter a number from 1 to 50, or leave it empty.")
MOST_WORDS = 2_000


class _Stripped(Schema):
    @pre_load
    def _strip(self, given: dict[str, object], **_: object) -> dict[str, object]:
        return {name: value.strip() if isinstance(value, str) else value for name, value in dict(given).items()}


def _text(most: int, *checks: Callable[[str], None]) -> fields.String:
    return fields.String(
        required=True, validate=[validate.Length(min=1, error=FILL_IN), *_common(most), *checks],
        error_messages={"required": FILL_IN, "invalid": FILL_IN, "invalid_utf8": FILL_IN},
    )  # fmt: skip


def _optional(most: int, *checks: Callable[[str], None]) -> fields.String:
    return fields.String(load_default="", validate=[*_common(most), *checks])


def _common(most: int) -> list[Callable[[str], object]]:
    return [validate.Length(max=most, error=_TOO_LONG), require_storable]


def _require_page(address: str) -> None:
    if not address:
        return
    try:
        parts = urlsplit(address)
    except ValueError:
        raise ValidationError(str(_PAGE)) from None
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or not address.isprintable():
        raise ValidationError(str(_PAGE))


def _require_line(text: str) -> None:
    if not text.isprintable():
        raise ValidationError(str(_LINE))


def _require_email(address: str) -> None:
    if address and not usernames.is_email(address):
        raise ValidationError(str(NOT_AN_ADDRESS))


def _require_contact(contact: str) -> None:
    if contact and not contact.startswith("https://"):
        _require_email(contact)
    elif contact:
        _require_page(contact)


class Organization(_Stripped):
    """An organisation that makes apps; the terms are accepted."""

    organization_name = _text(200, _require_line)
    website = _text(2_000, _require_page)
    terms = fields.String(
        required=True, validate=validate.Equal("yes", error=_ACCEPT), error_messages={"required": _ACCEPT}
    )


class SignUp(Organization):
    """Who signs up, and for whom."""

    given_name = _text(100, _require_line)
    family_name = _text(100, _require_line)
    email = _text(254, _require_email)


class Role(Schema):
    """What somebody is in the organisation."""

    role = fields.Enum(
        DeveloperRole, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )


class Colleague(_Stripped, Role):
    """Whom an owner invites."""

    given_name = _text(100, _require_line)
    family_name = _text(100, _require_line)
    email = _text(254, _require_email)


class Description(_Stripped):
    """What of an app changes at once."""

    description = _optional(MOST_WORDS)
    contact = _optional(320, _require_contact)
    platforms = fields.List(fields.Enum(Platform, by_value=True), load_default=list)


class Reviewed(_Stripped):
    """What of an app is reviewed, but its scopes and its logo."""

    name = _text(100, _require_line)
    redirect_uris = _text(20_000)
    launch_uris = _optional(20_000)
    post_logout_redirect_uris = _optional(20_000)
    category = fields.String(load_default="", validate=validate.OneOf(("", *Category), error=_CHOOSE))
    website = _optional(2_000, _require_page)
    policy_uri = _optional(2_000, _require_page)
    terms_uri = _optional(2_000, _require_page)
    remove_logo = fields.String(load_default="")


class NewApp(Reviewed, Description):
    """An app to register."""

    method = fields.Enum(
        AuthMethod, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )
    jwks = _optional(20_000)
    jwks_uri = _optional(2_000, _require_page)
    id_token_signed_response_alg = fields.String(load_default="RS256")


class Keys(_Stripped):
    """Public keys, or their address; which of them is given is asked where they are taken."""

    jwks = _optional(20_000)
    jwks_uri = _optional(2_000, _require_page)


class FaultChoice(_Stripped):
    """A fault that the app shall meet, and for how many requests; none says for as long as it lasts."""

    fault = fields.Enum(Fault, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE})
    requests = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(1, MOST_REQUESTS, error=_REQUESTS),
        error_messages={"invalid": _REQUESTS},
    )  # fmt: skip

    @pre_load
    def _leave_out(self, given: dict[str, object], **_: object) -> dict[str, object]:
        return {name: value for name, value in given.items() if name != "requests" or value != ""}


class WebhookAddress(_Stripped):
    """Where messages go; whether that may be is asked where they are sent."""

    url = _text(2_000, _require_line)


class Words(_Stripped):
    """An answer, an appeal, or why an app is retired."""

    words = _text(MOST_WORDS)


class Hardening(_Stripped):
    """Which of the stricter ways an app is held to; a box that is not ticked is not sent."""

    dpop = fields.Boolean(load_default=False)
    pushed = fields.Boolean(load_default=False)


class Answer(_Stripped):
    """The answer about the plan's privacy policy, and to which version of it."""

    agrees = fields.String(
        required=True, validate=validate.OneOf(("yes", "no"), error=_CHOOSE), error_messages={"required": _CHOOSE}
    )
    version = _text(40)
