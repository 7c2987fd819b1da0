"""The shapes of the Reports tab's forms."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from service.plan.mailbox.message_schemas import Words
from service.reports.models import DisclosurePurpose

_CHOOSE = "Please choose one."
_DAY = "Please enter the day of the disclosure."
_YEAR = "Please enter a year from 2020 to 2100."


class UsageYear(Schema):
    """Of which year."""

    year = fields.Integer(
        load_default=None, validate=validate.Range(2020, 2100, error=_YEAR), error_messages={"invalid": _YEAR}
    )


class FunnelDays(Schema):
    """Over how many days."""

    CHOICES: ClassVar = (7, 30, 365)
    days = fields.Integer(load_default=30, validate=validate.OneOf(CHOICES, error=_CHOOSE))


class MemberId(Schema):
    """Which member."""

    member_number = Words(40)


class Disclosure(Schema):
    """A disclosure that must be accounted for, as entered; `corrects` is the id of the entry it stands for."""

    disclosed_on = fields.Date(required=True, error_messages={"required": _DAY, "invalid": _DAY})
    recipient = Words(200)
    recipient_address = Words(300, required=False)
    description = Words(1_000)
    purpose = fields.Enum(
        DisclosurePurpose, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )
    basis = Words(1_000)
    corrects = fields.String(load_default="", validate=validate.Length(max=36))
