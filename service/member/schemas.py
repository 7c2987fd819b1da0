"""The shapes of the member pages' forms."""

from typing import Any

from marshmallow import Schema, fields, pre_load, validate

from consent.models import Answer, Duration, SensitiveClass
from service.member.data_types import DATA_TYPES
from service.member.language import LANGUAGES
from service.member.marking import N_

_MISSING: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": N_("Please choose one."),
    "validator_failed": N_("Please choose one."),
}


class SelectMember(Schema):
    """For whom to act; `selected` is the id of the member's FHIR Patient."""

    selected = fields.String(
        required=True, validate=validate.Length(1, 64, error=N_("Please choose one.")), error_messages=_MISSING
    )
    next = fields.String(load_default="", validate=validate.Length(max=2000))


class ChooseLanguage(Schema):
    """The language of pages and mails."""

    language = fields.String(
        required=True, validate=validate.OneOf(LANGUAGES, error=N_("Please choose one.")), error_messages=_MISSING
    )


class ConsentAnswer(Schema):
    """The answer on the consent screen. `shown` is the digest of the words that the person read."""

    shown = fields.String(required=True, validate=validate.Length(equal=64))
    answer = fields.Enum(Answer, by_value=True, required=True)
    data = fields.List(fields.String(validate=validate.OneOf([kind.key for kind in DATA_TYPES])), load_default=list)
    sensitive = fields.List(fields.Enum(SensitiveClass, by_value=True), load_default=list)
    duration = fields.Enum(Duration, by_value=True, load_default=Duration.THIRTEEN_MONTHS)
    offline = fields.Boolean(load_default=False)
    online = fields.Boolean(load_default=False)

    @pre_load
    def _read_ticks(self, given: Any, **_kwargs: Any) -> Any:
        # A form sends one name several times, once for each tick.
        several = {name: given.getlist(name) for name in ("data", "sensitive")}
        return {**given.to_dict(), **several}
