"""The shapes of the member pages' forms."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate

from consent.data_types import DATA_TYPES
from consent.models import Answer, Duration, SensitiveClass
from oauth.apps.app_reports import MOST_WORDS
from oauth.apps.app_words import PEOPLES_REASONS
from oauth.apps.models import Category, Platform, ReportReason
from service.accounts.notices import Topic
from service.accounts.schemas import require_storable
from service.days import typed_day
from service.member.language import LANGUAGES
from service.member.marking import N_

_MISSING: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": N_("Please choose one."),
    "validator_failed": N_("Please choose one."),
}
_DAY = N_("Please enter a day as month/day/year, for instance 04/30/2027.")
_SAY = N_("Please tell us what happened.")
_LONG = N_("This is longer than 2,000 characters. Please shorten it.")


class Day(fields.Field[date]):
    """A day: ISO form as date inputs send it, or month/day/year as people type it."""

    default_error_messages = {"required": _DAY, "null": _DAY}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        day = typed_day(str(value))
        if day is not None and date(2000, 1, 1) <= day <= date(2199, 12, 31):
            return day
        raise ValidationError(_DAY)


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
    part = fields.List(fields.String(validate=validate.Length(max=200)), load_default=list)
    sensitive = fields.List(fields.Enum(SensitiveClass, by_value=True), load_default=list)
    duration = fields.Enum(Duration, by_value=True, load_default=Duration.THIRTEEN_MONTHS)
    offline = fields.Boolean(load_default=False)
    online = fields.Boolean(load_default=False)

    @pre_load
    def _read_ticks(self, given: Any, **_kwargs: Any) -> Any:
        # A form sends one name several times, once for each tick.
        return {**given.to_dict(), **{name: given.getlist(name) for name in ("data", "part", "sensitive")}}


class NarrowerAccess(Schema):
    """What is left ticked of what an app may see, and the last day on which it may."""

    data = fields.List(fields.String(validate=validate.Length(max=40)), load_default=list)
    part = fields.List(fields.String(validate=validate.Length(max=200)), load_default=list)
    sensitive = fields.List(fields.String(validate=validate.Length(max=40)), load_default=list)
    offline = fields.Boolean(load_default=False)
    last_day = Day(required=True)

    @pre_load
    def _read_ticks(self, given: Any, **_kwargs: Any) -> Any:
        return {**given.to_dict(), **{name: given.getlist(name) for name in ("data", "part", "sensitive")}}


class GallerySearch(Schema):
    """What somebody looks for among the apps; what is not understood is not looked for."""

    q = fields.String(load_default="", validate=validate.Length(max=100))
    platform = fields.Enum(Platform, by_value=True)
    category = fields.Enum(Category, by_value=True)
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000))


class AppReported(Schema):
    """What somebody reports about an app."""

    reason = fields.Enum(
        ReportReason, by_value=True, required=True,
        validate=validate.OneOf(PEOPLES_REASONS, error=N_("Please choose one.")),
        error_messages={"required": N_("Please choose one."), "unknown": N_("Please choose one.")},
    )  # fmt: skip
    words = fields.String(
        required=True, error_messages={"required": _SAY, "invalid": _SAY},
        validate=[
            validate.Regexp(r"(?s).*\S", error=_SAY), validate.Length(max=MOST_WORDS, error=_LONG), require_storable,
        ],
    )  # fmt: skip


class Paged(Schema):
    """Which page of a list."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000))


class MailsWanted(Schema):
    """About which topics of messages mails go out."""

    topic = fields.List(fields.Enum(Topic, by_value=True), load_default=list)

    @pre_load
    def _read_ticks(self, given: Any, **_kwargs: Any) -> Any:
        return {"topic": given.getlist("topic")}
