"""The shapes of the forms of Tax ID & NPI access."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service.accounts.schemas import require_storable
from service.accounts.usernames import is_email
from service.days import typed_day
from service.plan.providers import numbers
from service.provider.marking import N_
from service.provider.registering import plain_names

_FILL_IN = N_("Please fill this in.")
_NAME = N_("Please enter the person's first and last name, in letters only.")
_PHONE = N_("Please enter a phone number with area code, for instance 555-555-0101.")
_EMAIL = N_("Please enter an e-mail address like name@example.org.")
_CHOOSE = N_("Please choose at least one.")
_DATE = N_("Please enter the date as month/day/year, for instance 04/30/2026.")
_REASON = N_("Please give a reason, in up to 500 letters.")
_ONE_MORE = N_("Please enter the Type 2 NPI or the vendor number of that payment.")
_WHICH = N_("Please choose your client.")


class Number(fields.Field[str]):
    """A number as `service.plan.providers.numbers` normalises it; empty is None."""

    default_error_messages = {"required": _FILL_IN, "null": _FILL_IN}

    def __init__(self, normalize: Callable[[str], str], *, optional: bool = False) -> None:
        if optional:
            super().__init__(load_default=None, allow_none=True)
        else:
            super().__init__(required=True)
        self._normalize = normalize

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not str(value).strip():
            if self.required:
                raise self.make_error("required")
            return None
        try:
            return self._normalize(str(value))
        except numbers.UnusableNumber as unusable:
            raise ValidationError(unusable.sentence) from None


class Day(fields.Field[date]):
    """A day, or none: as date inputs send it, or month/day/year as people type it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not str(value).strip():
            return None
        day = typed_day(str(value))
        if day is not None and date(1990, 1, 1) <= day <= date(2100, 1, 1):
            return day
        raise ValidationError(_DATE)


def _text(most: int, sentence: str, *checks: Callable[[str], None]) -> fields.String:
    return fields.String(
        required=True,
        validate=[_filled(most, sentence), require_storable, *checks],
        error_messages={"required": sentence, "invalid": sentence, "invalid_utf8": sentence},
    )


def _filled(most: int, sentence: str) -> Callable[[str], None]:
    def require(text: str) -> None:
        if not 1 <= len(text.strip()) <= most:
            raise ValidationError(sentence)

    return require


def _require_name(text: str) -> None:
    # It greets somebody in a mail of the plan: no link and no second line can be smuggled in.
    name = text.strip()
    if not plain_names.is_of_person(name) or sum(map(str.isalpha, name)) < 2:
        raise ValidationError(_NAME)


def _require_phone(text: str) -> None:
    digits = [letter for letter in text if letter.isdigit()]
    if not 7 <= len(digits) <= 15 or not all(letter.isdigit() or letter in " +-.()x" for letter in text.strip()):
        raise ValidationError(_PHONE)


def _require_email(text: str) -> None:
    if not is_email(text.strip()):
        raise ValidationError(_EMAIL)


def _choices() -> fields.List[str]:
    return fields.List(fields.String(), required=True, validate=validate.Length(1, 10, error=_CHOOSE))


class NewEntry(Schema):
    """A payment that proves a provider."""

    tax_id = Number(numbers.tax_id)
    number = Number(numbers.payment_number)
    npi = Number(numbers.npi, optional=True)
    vendor_number = Number(numbers.vendor_number, optional=True)

    @validates_schema(skip_on_field_errors=True)
    def require_one_more(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """A Tax ID may be shared by several providers."""
        if not data.get("npi") and not data.get("vendor_number"):
            raise ValidationError(_ONE_MORE, "npi")


class ClientNumbers(Schema):
    """A client's Tax ID, and the number of a payment to it where there is one."""

    tax_id = Number(numbers.tax_id)
    number = Number(numbers.payment_number, optional=True)


class ChosenClient(ClientNumbers):
    """The provider chosen among those of the Tax ID."""

    group_id = fields.UUID(required=True, error_messages={"required": _WHICH, "invalid_uuid": _WHICH})


class ContactDetails(ChosenClient):
    """The person at the client's office who shall answer, and what is asked."""

    contact_name = _text(200, _NAME, _require_name)
    contact_email = _text(254, _EMAIL, _require_email)
    contact_phone = _text(40, _PHONE, _require_phone)
    functions = _choices()


class Terms(Schema):
    """To what a provider says yes."""

    functions = _choices()
    covers_from = Day(load_default=None)
    covers_until = Day(load_default=None)

    @validates_schema(skip_on_field_errors=True)
    def require_days(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """The first day does not come after the last."""
        first, last = data.get("covers_from"), data.get("covers_until")
        if first and last and last < first:
            raise ValidationError(N_("The last day lies before the first."), "covers_until")


class Reason(Schema):
    """Why not."""

    reason = _text(500, _REASON)


class Ending(Schema):
    """Why a permission ends; need not be said."""

    reason = fields.String(load_default="", validate=[validate.Length(0, 200), require_storable])
