"""The shapes of the staff console's forms."""

from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from oauth.apps.models import DeclineReason
from service.audit import Outcome
from service.plan.mailbox.message_schemas import Words
from service.plan.models import RequestStatus, SupportPurpose

_CHOOSE = "Please choose one."
_SHORT = validate.Length(max=60, error="This is longer than any provider number.")
_ID = validate.Length(max=36)
_DAY = "Please enter a day, like 2026-11-30."
_OF_EVENTS = validate.Range(date(2000, 1, 1), date(2999, 12, 31), error="Please enter a day from 2000 to 2999.")
_DATE = "Please enter the birth date."


class Answer(Schema):
    """A reply of the plan: `insert` puts the canned reply chosen under the text instead of sending it."""

    body = Words(20_000, required=False)
    canned = fields.String(load_default="", validate=validate.Length(max=10))
    insert = fields.String(load_default="")
    close = fields.String(load_default="")


class Assignment(Schema):
    """To whom a thread goes: the id of a person of the plan, empty for everybody."""

    to = fields.String(load_default="", validate=_ID)


class ProviderIds(Schema):
    """The numbers of one entry as typed, and the message they answer."""

    tax_id = fields.String(load_default="", validate=_SHORT)
    npi = fields.String(load_default="", validate=_SHORT)
    vendor_number = fields.String(load_default="", validate=_SHORT)
    office_id = fields.String(load_default="", validate=_SHORT)
    thread = fields.String(load_default="", validate=_ID)


class EndEntry(Schema):
    """The message an ending answers."""

    thread = fields.String(load_default="", validate=_ID)


class Resolution(Schema):
    """What was done about a request."""

    status = fields.Enum(
        RequestStatus, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE},
        validate=validate.OneOf((RequestStatus.APPROVED, RequestStatus.REFUSED), error=_CHOOSE),
    )  # fmt: skip
    resolution = Words(500)


class Reason(Schema):
    """Why."""

    reason = Words(500)


class NarrowApp(Reason):
    """What of its scopes is left to an app, and why."""

    scopes = Words(4000)


class FactorReset(Reason):
    """How it was checked who calls, and why what they lost is to be removed."""

    identity = Words(300)


class PauseLift(Reason):
    """How it is known that the member cannot use the account, and why the pause is to be lifted."""

    evidence = Words(300)


class Question(Schema):
    """What a developer is asked."""

    question = Words(2_000)


class Decline(Schema):
    """On which ground an app is declined, and what its developer reads."""

    reason = fields.Enum(
        DeclineReason, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )
    explanation = Words(2_000)


class NewDelegate(Schema):
    """Who is delegate no more when somebody becomes one, and whether they have left the organisation."""

    reason = Words(500)
    former_id = fields.String(load_default="", validate=_ID)
    former_has_left = fields.Boolean(load_default=False, truthy={"yes"}, falsy={""})


class MemberLookup(Schema):
    """Whom to look for: a member number, or a family name with the birth date."""

    member_number = Words(40, required=False)
    family_name = Words(100, required=False)
    birth_date = fields.Date(
        load_default=None, allow_none=True, format="iso", error_messages={"invalid": _DATE}
    )  # fmt: skip

    @pre_load
    def _leave_out_empty(self, given: Any, **_kwargs: Any) -> Any:
        return {name: value.strip() for name, value in given.items() if value.strip()}

    @validates_schema(skip_on_field_errors=True)
    def _require_one_way(self, form: dict[str, Any], **_kwargs: Any) -> None:
        if form["member_number"]:
            return
        if not form["family_name"]:
            raise ValidationError("Please enter the member ID, or the last name and the birth date.", "member_number")
        if form["birth_date"] is None:
            raise ValidationError(_DATE, "birth_date")


class LookReasons(Schema):
    """Why a member's page is opened; `guard` is asked for where the record is protected."""

    purpose = fields.Enum(
        SupportPurpose, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )
    words = Words(300)
    guard = Words(500, required=False)


class Protection(Schema):
    """Which member's record is to be protected, and why."""

    member_number = Words(40)
    reason = Words(500)


class AuditSearch(Schema):
    """What a privacy officer looks for in the audit; an empty field is not asked."""

    since = fields.Date(required=True, validate=_OF_EVENTS, error_messages={"required": _DAY, "invalid": _DAY})
    until = fields.Date(required=True, validate=_OF_EVENTS, error_messages={"required": _DAY, "invalid": _DAY})
    member_number = fields.String(load_default="", validate=validate.Length(max=40))
    username = fields.String(load_default="", validate=validate.Length(max=64))
    client_id = fields.String(load_default="", validate=validate.Length(max=64))
    tag = fields.String(load_default="", validate=validate.Length(max=120))
    outcome = fields.Enum(Outcome, by_value=True, load_default=None, allow_none=True)
    request_id = fields.String(load_default="", validate=validate.Length(max=64))
    before = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 2**63 - 1))

    @pre_load
    def _trim(self, given: Any, **_: Any) -> dict[str, Any]:
        told = {name: value.strip() for name, value in given.items()}
        return {name: value for name, value in told.items() if value or name in {"since", "until"}}

    @validates_schema
    def _require_period(self, form: dict[str, Any], **_: Any) -> None:
        if form["since"] > form["until"]:
            raise ValidationError("The first day must not be after the last one.", "until")
