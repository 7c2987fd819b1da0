"""The shapes of the forms that change what the plan says to everybody."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from service.clock import now
from service.plan.mailbox.message_schemas import Words
from service.plan_file import OpenDays
from service.staff.schemas import Reason

MOST_LINES = 40
LANGUAGES = ("en", "es", "ar", "fr", "ht", "ko", "ru", "tl", "vi", "zh")
"""The languages that may be named at a phone line."""
_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{1,22}[0-9]")
"""711 is one too: the relay service for TTY."""
_VERSION = validate.Regexp(r"[0-9A-Za-z][0-9A-Za-z._-]{0,19}\Z", error="Please give a short version, like 2027-1.")


def _name(given: str) -> None:
    """Raise ValidationError for what is no name on one line: two lines would read as two changes to who looks at it."""
    if not 1 <= len(given) <= 60:
        raise ValidationError("Please give a name of at most 60 characters.")
    _one_line(given)


def _one_line(given: str) -> None:
    if not given.isprintable():
        raise ValidationError("Please give a name on one line, in plain letters.")


_TIME = "Please enter a time, like 08:00 or 17:30."


def phone_number(given: str) -> None:
    """Raise ValidationError for what nobody can call."""
    if not _NUMBER.fullmatch(given):
        raise ValidationError("Please enter a phone number, like 1-555-010-0784.")


class Line(Schema):
    """One phone line: times are given both or not at all, and with days."""

    line_of_business = fields.String(required=True, validate=_name)
    number = fields.String(required=True, validate=phone_number)
    days = fields.Enum(OpenDays, by_value=True, load_default=None, allow_none=True)
    opens = fields.Time(format="%H:%M", load_default=None, allow_none=True, error_messages={"invalid": _TIME})
    closes = fields.Time(format="%H:%M", load_default=None, allow_none=True, error_messages={"invalid": _TIME})
    language = fields.String(load_default="", validate=validate.OneOf(("", *LANGUAGES)))

    @pre_load
    def _trim(self, given: Mapping[str, str], **_: Any) -> dict[str, str | None]:
        kept = {name: value.strip() for name, value in given.items()}
        return {name: value or None if name in {"days", "opens", "closes"} else value for name, value in kept.items()}

    @validates_schema(skip_on_field_errors=True)
    def _require_hours(self, line: dict[str, Any], **_: Any) -> None:
        opens, closes = line["opens"], line["closes"]
        if (opens is None) != (closes is None):
            raise ValidationError("Please enter both times, or none.", "closes" if opens else "opens")
        if opens is not None and line["days"] is None:
            raise ValidationError("Please choose the days.", "days")
        if opens is not None and opens >= closes:
            raise ValidationError("The line must close after it opens.", "closes")


class PhoneLines(Reason):
    """What is said beside the lines."""

    tty = fields.String(required=True, validate=phone_number)

    @pre_load
    def _trim(self, given: Mapping[str, str], **_: Any) -> dict[str, str]:
        return {"tty": given.get("tty", "").strip(), "reason": given.get("reason", "")}


class Business(Schema):
    """One line of business."""

    name = fields.String(required=True, validate=_name)
    in_scope = fields.Boolean(load_default=False, truthy={"yes"}, falsy={""})


class Policy(Reason):
    """The privacy policy: its version and where it stands."""

    version = fields.String(required=True, validate=_VERSION)
    url = fields.String(required=True, validate=validate.Length(max=300, error="Please give a shorter address."))

    @validates_schema(skip_on_field_errors=True)
    def _require_address(self, form: dict[str, Any], **_: Any) -> None:
        try:
            parts = urlsplit(form["url"])
        except ValueError:
            parts = urlsplit("")
        is_plain = all("\x20" < letter < "\x7f" for letter in form["url"])
        if parts.scheme != "https" or not parts.hostname or not is_plain:
            raise ValidationError("Please enter an address that begins with https://.", "url")


class NewTerms(Reason):
    """A new version of a text that people accept."""

    title = fields.String(required=True, validate=_name)
    version = fields.String(required=True, validate=_VERSION)
    text = Words(40_000)


class Review(Reason):
    """Who reviewed a translation and when; nobody where the mark is taken away."""

    reviewed = fields.Boolean(required=True, truthy={"yes"}, falsy={"no"}, error_messages={
        "required": "Please choose one.", "invalid": "Please choose one.",
    })  # fmt: skip
    reviewed_by = fields.String(load_default="", validate=[validate.Length(max=120), _one_line])
    reviewed_on = fields.Date(
        load_default=None, allow_none=True, error_messages={"invalid": "Please enter a day, like 2026-11-30."}
    )

    @pre_load
    def _trim(self, given: Mapping[str, str], **_: Any) -> dict[str, str | None]:
        kept = {name: value.strip() for name, value in given.items()}
        return {name: value or None if name == "reviewed_on" else value for name, value in kept.items()}

    @validates_schema(skip_on_field_errors=True)
    def _require_reviewer(self, form: dict[str, Any], **_: Any) -> None:
        day: date | None = form["reviewed_on"]
        if not form["reviewed"]:
            return
        if not form["reviewed_by"]:
            raise ValidationError("Please name the qualified translator who reviewed it.", "reviewed_by")
        if day is None or not date(2000, 1, 1) <= day <= now().date():
            raise ValidationError(
                "Please enter the day of the review, like 2026-11-30; not one to come.", "reviewed_on"
            )
