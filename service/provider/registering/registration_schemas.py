"""The shapes of the registration forms, and how they are read: what no form of ours asks for is ignored and logged."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from flask import request
from flask_babel import lazy_gettext as _
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service import audit
from service.accounts import usernames
from service.accounts.schemas import require_storable
from service.accounts.wording import FILL_IN, NOT_AN_ADDRESS
from service.plan.providers import numbers
from service.plan.registering.joining import AbsenceReason
from service.provider.registering import plain_names
from service.web import db_session, load_form

_ALWAYS = frozenset({"csrf_token", "check"})
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,40}")
_PHONE_FORM = re.compile(r"[0-9+()\-.\s]{7,30}(x\s?[0-9]{1,6})?", re.IGNORECASE)
_FEWEST_DIGITS = 7
_PHONE = _("Please enter a phone number with its area code, for instance 555-555-0100.")
_TOO_LONG = _("This is too long. Please shorten it.")
_CHOOSE = _("Please choose one.")
_SAY_WHICH = _("Please say in a few words what the reason is.")
_ORGANIZATION_MARKS = _(
    "Please enter the name in one line: letters, digits and the marks & . , ' - / ( ) #, no web address."
)
log = structlog.get_logger("service.provider.registering.registration")


class Number(fields.Field[str]):
    """A number of a provider, read by a function of `service.plan.providers.numbers`; empty where it may be."""

    def __init__(self, read: Callable[[str], str], **given: Any) -> None:
        super().__init__(error_messages={"required": FILL_IN, "null": FILL_IN}, **given)
        self._read = read

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(value).strip()
        if not text:
            if self.required:
                raise ValidationError(str(FILL_IN))
            return ""
        try:
            return self._read(text)
        except numbers.UnusableNumber as unusable:
            raise ValidationError(unusable.sentence) from None


def _text(most: int, *checks: Callable[[str], None]) -> fields.String:
    return fields.String(
        required=True, validate=[_require_text(most), require_storable, *checks],
        error_messages={"required": FILL_IN, "invalid": FILL_IN, "invalid_utf8": FILL_IN},
    )  # fmt: skip


def _optional(most: int) -> fields.String:
    return fields.String(load_default="", validate=[validate.Length(max=most), require_storable])


def _require_text(most: int) -> Callable[[str], None]:
    def require(text: str) -> None:
        if not text.strip():
            raise ValidationError(str(FILL_IN))
        if len(text) > most:
            raise ValidationError(str(_TOO_LONG))

    return require


def _require_name(text: str) -> None:
    if text.strip() and not plain_names.is_of_person(text):
        raise ValidationError(str(plain_names.NOT_A_NAME))


def _require_organization(text: str) -> None:
    if text.strip() and not plain_names.is_of_organization(text):
        raise ValidationError(str(_ORGANIZATION_MARKS))


def _require_phone(text: str) -> None:
    if text.strip() and (not _PHONE_FORM.fullmatch(text.strip()) or sum(map(str.isdigit, text)) < _FEWEST_DIGITS):
        raise ValidationError(str(_PHONE))


def _require_email(text: str) -> None:
    if text.strip() and not usernames.is_email(text.strip()):
        raise ValidationError(str(NOT_AN_ADDRESS))


class PaymentByNpi(Schema):
    """Tax ID/NPI. Only what is empty is told: all else that is wrong has one answer (security.md 122)."""

    tax_id = _text(60)
    number = _text(80)
    npi = _text(60)


class PaymentByVendorNumber(Schema):
    """Tax ID/Vendor#."""

    tax_id = _text(60)
    number = _text(80)
    vendor_number = _text(80)


class ByMail(Schema):
    """US Mail."""

    tax_id = Number(numbers.tax_id, required=True)


class Chosen(Schema):
    """The provider chosen from the matches."""

    provider = fields.String(
        required=True, validate=validate.Length(1, 40, error=_CHOOSE), error_messages={"required": _CHOOSE}
    )  # fmt: skip


class Reason(Schema):
    """Why the delegate there cannot assist."""

    reason = fields.Enum(
        AbsenceReason, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )
    detail = _optional(500)

    @validates_schema
    def _require_detail(self, form: dict[str, Any], **_: Any) -> None:
        if form["reason"] is AbsenceReason.OTHER and not form["detail"].strip():
            raise ValidationError({"detail": [str(_SAY_WHICH)]})


class ContactDetails(Schema):
    """Who the person is."""

    given_name = _text(100, _require_name)
    family_name = _text(100, _require_name)
    phone = _text(40, _require_phone)
    email = _text(254, _require_email)


class OnlyPhone(Schema):
    """What an account does not tell of its person."""

    phone = _text(40, _require_phone)


class BillingOrganization(Schema):
    """A billing organisation's name and Tax ID."""

    name = _text(200, _require_organization)
    tax_id = Number(numbers.tax_id, required=True)


class NotListedForm(Schema):
    """My provider is not listed."""

    organization_name = _text(200, _require_organization)
    tax_id = Number(numbers.tax_id, load_default="")
    npi = Number(numbers.npi, load_default="")
    contact_name = _text(200, _require_name)
    contact_email = _text(254, _require_email)
    contact_phone = _text(40, _require_phone)
    message = _optional(2_000)


class EnteredPin(Schema):
    """The PIN out of the letter."""

    pin = _text(100)


def load(schema: Schema) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The posted form as `service.web.load_form` reads it; fields it does not have are logged (security.md 137)."""
    unknown = sorted(set(request.form) - set(schema.fields) - _ALWAYS)
    if unknown:
        # A name that looks like none is not written down: it could hold anything.
        named = [name for name in unknown if _NAME.fullmatch(name)][:20]
        log.warning("unknown_form_fields", fields=named, count=len(unknown), endpoint=request.endpoint)
        audit.record(
            db_session(), "provider:registration:unknown_fields", outcome=audit.Outcome.REFUSED, count=len(unknown),
            detail={"fields": named, "endpoint": request.endpoint},
        )  # fmt: skip
    form, errors = load_form(schema)
    return {name: value.strip() if type(value) is str else value for name, value in form.items()}, errors
