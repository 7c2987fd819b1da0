"""The shapes of the forms of Claims Inquiry and Eligibility."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from flask_babel import lazy_gettext as _
from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from service.clock import now
from service.days import typed_day
from service.plan.logins.lookups import Purpose
from service.provider.claims.claim_words import ClaimState

# In lists wherever marshmallow gives a message back as it is: a lazy text is no str to it, and would be taken apart.
_FILL_IN = _("Please fill this in.")
_TOO_LONG = _("This is longer than we can read. Please check it.")
_DATE = _("Please enter the date as month/day/year, for instance 04/30/2026.")
_AHEAD = timedelta(days=366)
_EARLIEST = date(1900, 1, 1)


class Day(fields.Field[date]):
    """A day: ISO form as date inputs send it, or month/day/year as people type it; empty for none."""

    default_error_messages = {"required": [_FILL_IN], "null": [_FILL_IN]}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        day = typed_day(str(value))
        if day is not None and _EARLIEST <= day <= now().date() + _AHEAD:
            return day
        raise ValidationError(str(_DATE))


def _text(most: int) -> fields.String:
    return fields.String(
        load_default="", validate=[validate.Length(max=most, error=_TOO_LONG), _require_storable],
        error_messages={"invalid": [_FILL_IN], "invalid_utf8": [_FILL_IN]},
    )  # fmt: skip


def _require_storable(text: str) -> None:
    if "\0" in text:
        raise ValidationError(str(_FILL_IN))


class WithReason(Schema):
    """A form that may have to say why. Empty fields are fields not given."""

    purpose = fields.Enum(
        Purpose, by_value=True, load_default=None, error_messages={"unknown": [_("Please choose one.")]}
    )
    reason_text = _text(200)

    @pre_load
    def _leave_out_empty(self, given: Any, **_kwargs: Any) -> Any:
        return {name: value.strip() for name, value in given.items() if value.strip()}

    @validates_schema(skip_on_field_errors=True)
    def _require_whole_reason(self, form: dict[str, Any], **_kwargs: Any) -> None:
        if form["purpose"] is None and form["reason_text"]:
            raise ValidationError(str(_("Please choose one.")), "purpose")
        if form["purpose"] is not None and len(form["reason_text"]) < 3:
            raise ValidationError(str(_("Please say in a few words why you ask.")), "reason_text")


class ClaimInquiry(WithReason):
    """What to look for among one's claims; `after` is where the next page starts."""

    claim_number = _text(50)
    member_number = _text(40)
    last_name = _text(100)
    birth_date = Day(load_default=None)
    served_from = Day(load_default=None)
    served_to = Day(load_default=None)
    status = fields.Enum(
        ClaimState, by_value=True, load_default=None, error_messages={"unknown": [_("Please choose one.")]}
    )
    after = _text(400)

    @validates_schema(skip_on_field_errors=True)
    def _require_sense(self, form: dict[str, Any], **_kwargs: Any) -> None:
        if form["last_name"] and not form["birth_date"] and not form["member_number"]:
            raise ValidationError(str(_("To search by name we need the birth date too.")), "birth_date")
        if form["birth_date"] and not form["last_name"] and not form["member_number"]:
            raise ValidationError(str(_("To search by birth date we need the last name too.")), "last_name")
        if form["served_from"] and form["served_to"] and form["served_from"] > form["served_to"]:
            raise ValidationError(str(_("The last day lies before the first.")), "served_to")


class EligibilityInquiry(WithReason):
    """Whose coverage, on which day; the last name is optional, but must fit where it is given."""

    member_number = fields.String(
        required=True, validate=[validate.Length(1, 40, error=_TOO_LONG), _require_storable],
        error_messages={"required": [_FILL_IN], "invalid": [_FILL_IN], "invalid_utf8": [_FILL_IN]},
    )  # fmt: skip
    last_name = _text(100)
    birth_date = Day(required=True)
    service_date = Day(load_default=None)
