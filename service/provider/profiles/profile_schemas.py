"""The shapes of the forms of Provider Data Profiles."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _
from marshmallow import Schema, ValidationError, fields, validate

from service.accounts.schemas import require_storable
from service.plan.models import ProfileChangeKind
from service.plan.providers import numbers

_FILL_IN = _("Please fill this in.")
_DAY = _("Please enter the date as month/day/year, for instance 04/30/2026.")
_MESSAGES: Any = {"required": _FILL_IN, "invalid": _FILL_IN, "invalid_utf8": _FILL_IN}
_GENDERS = ("", "female", "male", "other", "unknown")
_STATE = re.compile(r"[A-Z]{2}")
_ZIP = re.compile(r"[0-9]{5}(-[0-9]{4})?")


class Day(fields.Field[str]):
    """A day as date inputs send it or as people type it; kept in ISO form, since a change is stored as JSON."""

    default_error_messages = {"required": _FILL_IN, "null": _FILL_IN}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        typed = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", str(value).strip())
        try:
            if typed:
                return date(int(typed[3]), int(typed[1]), int(typed[2])).isoformat()
            return date.fromisoformat(str(value).strip()).isoformat()
        except ValueError:
            raise ValidationError(_DAY) from None


def _text(most: int, *, check: Any = None) -> fields.String:
    rules: list[Any] = [validate.Length(1, most, error=_FILL_IN), require_storable, *([check] if check else [])]
    return fields.String(required=True, validate=rules, error_messages=_MESSAGES)


def _optional(most: int) -> fields.String:
    rules: list[Any] = [validate.Length(0, most, error=_FILL_IN), require_storable]
    return fields.String(load_default="", validate=rules, error_messages=_MESSAGES)


def _require_npi(text: str) -> None:
    try:
        numbers.npi(text)
    except numbers.UnusableNpi as unusable:
        raise ValidationError(unusable.sentence) from None


def _require_state(text: str) -> None:
    if not _STATE.fullmatch(text.strip().upper()):
        raise ValidationError(_("Please enter the state as two letters, for instance MA."))


def _require_zip(text: str) -> None:
    if not _ZIP.fullmatch(text.strip()):
        raise ValidationError(_("Please enter the ZIP code, for instance 01852 or 01852-1234."))


class NewPractitioner(Schema):
    """A practitioner to be added to a group."""

    npi = _text(20, check=_require_npi)
    given_name = _text(100)
    family_name = _text(100)
    gender = fields.String(load_default="", validate=validate.OneOf(_GENDERS))
    taxonomy = _optional(10)
    starts_on = Day(required=True)


class ChangedPractitioner(Schema):
    """What is right about a practitioner of the group; a blank leaves it as it is."""

    given_name = _optional(100)
    family_name = _optional(100)
    gender = fields.String(load_default="", validate=validate.OneOf(_GENDERS))
    taxonomy = _optional(10)


class LeavingPractitioner(Schema):
    """When a practitioner leaves the group."""

    ends_on = Day(required=True)
    note = _optional(500)


class NewPlace(Schema):
    """A place where the group sees patients."""

    name = _optional(200)
    line = _text(200)
    city = _text(100)
    state = _text(2, check=_require_state)
    zip_code = _text(10, check=_require_zip)
    phone = _optional(40)


class ClosedPlace(Schema):
    """Why a place is taken off the list."""

    note = _optional(500)


class OutOfNetwork(Schema):
    """What a group without a contract wants the plan to change."""

    text = _text(4_000)


FORMS: Mapping[ProfileChangeKind, type[Schema]] = {
    ProfileChangeKind.ADD_PRACTITIONER: NewPractitioner,
    ProfileChangeKind.CHANGE_PRACTITIONER: ChangedPractitioner,
    ProfileChangeKind.REMOVE_PRACTITIONER: LeavingPractitioner,
    ProfileChangeKind.ADD_LOCATION: NewPlace,
    ProfileChangeKind.CHANGE_LOCATION: NewPlace,
    ProfileChangeKind.REMOVE_LOCATION: ClosedPlace,
    ProfileChangeKind.OUT_OF_NETWORK: OutOfNetwork,
}
"""The form of each kind of change; its field names are the names in a change's `content`."""
