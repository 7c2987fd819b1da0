"""The shapes of the Request for Access to Protected Health Information and of what follows it."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from consent.models import Basis, LinkScope
from consent.representative_requests import BASES_FOR_ANOTHER, BASES_FOR_ONESELF
from service.accounts.schemas import require_storable
from service.member.marking import N_
from service.member.registering.registration_schemas import BirthDate
from service.member.schemas import Day

_FILL_IN = N_("Please fill this in.")
_CHOOSE = N_("Please choose one.")
_LONG = N_("This is too long. Please shorten it.")
_DECLARE = N_("Please check this box. Without it we cannot take the request.")
_ADDRESS = N_("Please give the full address, or a member ID or Personal Representative ID above.")
_ORDER = N_("The last day must not be before the first day.")


def _text(most: int, *, required: bool = True) -> fields.String:
    given: dict[str, Any] = {"required": True} if required else {"load_default": ""}
    return fields.String(
        validate=[validate.Length(max=most, error=_LONG), require_storable],
        error_messages={"required": _FILL_IN, "invalid": _FILL_IN, "invalid_utf8": _FILL_IN}, **given,
    )  # fmt: skip


def _basis(among: tuple[Basis, ...]) -> "fields.Enum[Basis]":
    return fields.Enum(
        Basis, by_value=True, required=True, validate=validate.OneOf(among, error=_CHOOSE),
        error_messages={"required": _CHOOSE, "unknown": _CHOOSE},
    )  # fmt: skip


class _Trimmed(Schema):
    @pre_load
    def _leave_out_empty(self, given: Any, **_kwargs: Any) -> Any:
        # What nobody filled in is not given; line ends as browsers send them are turned back.
        typed = {name: value.strip().replace("\r\n", "\n") for name, value in given.items()}
        return {name: value for name, value in typed.items() if value}


class Right(_Trimmed):
    """What is asked for, and that it is true."""

    scope = fields.Enum(
        LinkScope, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )
    valid_from = Day(load_default=None)
    valid_until = Day(load_default=None)
    explanation = _text(1000, required=False)
    declared = fields.Boolean(required=True, truthy={"yes"}, falsy={"no"}, error_messages={"required": _DECLARE})

    @validates_schema(skip_on_field_errors=True)
    def _require_order(self, form: dict[str, Any], **_kwargs: Any) -> None:
        if form["valid_until"] and form["valid_from"] and form["valid_until"] < form["valid_from"]:
            raise ValidationError(_ORDER, "valid_until")
        if form["declared"] is not True:
            raise ValidationError(_DECLARE, "declared")


class AskedForOneself(Right):
    """A member names who is to act for them: with a number, or an address to which one is mailed."""

    basis = _basis(BASES_FOR_ONESELF)
    given_name = _text(100)
    family_name = _text(100)
    birth_date = BirthDate(required=True)
    number = _text(40, required=False)
    address_line = _text(200, required=False)
    city = _text(100, required=False)
    state = _text(40, required=False)
    zip_code = _text(10, required=False)

    @validates_schema(skip_on_field_errors=True)
    def _require_way(self, form: dict[str, Any], **_kwargs: Any) -> None:
        if not form["number"] and not all(form[name] for name in ("address_line", "city", "state", "zip_code")):
            raise ValidationError(_ADDRESS, "address_line")


class AskedForAnother(Right):
    """Somebody asks to act for a member; `birth_date` is their own, asked for where the plan does not have it."""

    member_number = _text(40)
    member_family_name = _text(100)
    member_birth_date = BirthDate(required=True)
    basis = _basis(BASES_FOR_ANOTHER)
    birth_date = BirthDate(load_default=None)


class Answer(_Trimmed):
    """What somebody answers to a question of the plan."""

    words = _text(2000)
