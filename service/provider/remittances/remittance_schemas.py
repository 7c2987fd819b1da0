"""The shape of the Remittance Inquiry form."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from service.days import typed_day
from service.plan.providers import numbers
from service.plan.remittances.remittance_search import Wanted

_DATE = _("Please enter the date as month/day/year, for instance 06/15/2026.")
_AMOUNT = _("Please enter an amount in dollars, for instance 1,234.50.")
_LONG = _("Please shorten this.")
_ANY = _("Please fill in at least one of the fields.")
_ORDER = _("The last day is before the first.")


class Day(fields.Field[date]):
    """A day as date inputs send it, or month/day/year as people type it; None where nothing was typed."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        typed = str(value).strip()
        day = typed_day(typed)
        if typed and day is None:
            raise ValidationError(str(_DATE))
        return day


class Dollars(fields.Field[int]):
    """An amount in dollars as people type it, in cents; None where nothing was typed."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        typed = re.sub(r"[\s,$]", "", str(value))
        if not typed:
            return None
        found = re.fullmatch(r"([0-9]{1,10})(?:\.([0-9]{1,2}))?", typed)
        if found is None:
            raise ValidationError(str(_AMOUNT))
        return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def _text(most: int = 60) -> fields.String:
    return fields.String(load_default="", validate=[validate.Length(max=most, error=str(_LONG)), _require_plain])


def _require_plain(text: str) -> None:
    if not text.isprintable():
        raise ValidationError(str(_LONG))


class Inquiry(Schema):
    """What to look for; loads to `Wanted` and the place of the page to go on from."""

    number = _text()
    claim_number = _text()
    patient_control_number = _text()
    paid_from = Day(load_default=None)
    paid_to = Day(load_default=None)
    amount = Dollars(load_default=None)
    after = _text(80)

    @validates_schema(skip_on_field_errors=True)
    def _require_something(self, given: dict[str, Any], **_kwargs: Any) -> None:
        if not any(value.strip() if isinstance(value, str) else value is not None
                   for name, value in given.items() if name != "after"):  # fmt: skip
            raise ValidationError(str(_ANY), "number")
        if given["paid_from"] and given["paid_to"] and given["paid_to"] < given["paid_from"]:
            raise ValidationError(str(_ORDER), "paid_to")
        if given["number"].strip():
            try:
                numbers.payment_number(given["number"])
            except numbers.UnusableNumber as refused:
                raise ValidationError(refused.sentence, "number") from None

    @post_load
    def _wanted(self, given: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        wanted = Wanted(
            given["number"].strip(), given["claim_number"].strip(), given["patient_control_number"].strip(),
            given["paid_from"], given["paid_to"], given["amount"],
        )  # fmt: skip
        return {"wanted": wanted, "after": given["after"] or None}
