"""The shapes of the staff console's forms."""

from marshmallow import Schema, fields, validate

from oauth.apps.models import DeclineReason
from service.plan.mailbox.message_schemas import Words
from service.plan.models import RequestStatus

_CHOOSE = "Please choose one."
_SHORT = validate.Length(max=60, error="This is longer than any provider number.")
_ID = validate.Length(max=36)


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
