"""The shapes of the registration forms."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from service.accounts.schemas import require_storable
from service.clock import now
from service.days import typed_day
from service.member.marking import N_

_FILL_IN = N_("Please fill this in.")
_DATE = N_("Please enter the birth date as month/day/year, for instance 04/30/1956.")
_ZIP = N_("Please enter the 5 numbers of the ZIP code.")


class BirthDate(fields.Field[date]):
    """A day in the past: ISO form as date inputs send it, or month/day/year as people type it."""

    default_error_messages = {"required": _FILL_IN, "null": _FILL_IN}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        day = typed_day(str(value))
        if day is not None and date(1900, 1, 1) <= day <= now().date():
            return day
        raise ValidationError(_DATE)


def _text(most: int) -> fields.String:
    return fields.String(
        required=True, validate=[validate.Length(1, most, error=_FILL_IN), require_storable],
        error_messages={"required": _FILL_IN, "invalid": _FILL_IN, "invalid_utf8": _FILL_IN},
    )  # fmt: skip


def _require_zip(text: str) -> None:
    if not re.fullmatch(r"[0-9]{5}(-?[0-9]{4})?", text.strip()):
        raise ValidationError(_ZIP)


class MemberDetails(Schema):
    """What a member tells about themselves."""

    member_id = _text(40)
    last_name = _text(100)
    birth_date = BirthDate(required=True)
    zip_code = fields.String(required=True, validate=_require_zip, error_messages={"required": _ZIP})


class RepresentativeDetails(Schema):
    """What a representative who is no member tells about themselves."""

    representative_id = _text(64)
    last_name = _text(100)
    birth_date = BirthDate(required=True)
