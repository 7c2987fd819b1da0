"""The shapes of the staff console's forms about representatives."""

from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from consent.models import Basis, LinkScope
from consent.request_models import RefusalReason
from service.plan.mailbox.message_schemas import Words

_CHOOSE = "Please choose one."
_DAY = "Please enter a day."
# Later ones have no day after them, at which a right would end.
_SENSIBLE = validate.Range(date(1850, 1, 1), date(2199, 12, 31), error=_DAY)


def _day(*, required: bool = False) -> fields.Date:
    given: dict[str, Any] = {"required": True} if required else {"load_default": None}
    return fields.Date(format="iso", validate=_SENSIBLE, error_messages={"invalid": _DAY, "required": _DAY}, **given)


def _scope() -> "fields.Enum[LinkScope]":
    return fields.Enum(
        LinkScope, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )


class _WithoutEmpty(Schema):
    @pre_load
    def _leave_out_empty(self, given: Any, **_kwargs: Any) -> Any:
        return {name: value for name, value in given.items() if value.strip()}


class AskedOnPaper(_WithoutEmpty):
    """A Request for Access to Protected Health Information that came on paper, as it stands there."""

    given_name, family_name = Words(100), Words(100)
    birth_date = _day(required=True)
    number = Words(40, required=False)
    address_line, city = Words(200, required=False), Words(100, required=False)
    state, zip_code = Words(40, required=False), Words(10, required=False)
    member_number, member_family_name = Words(40), Words(100)
    member_birth_date = _day(required=True)
    basis = fields.Enum(Basis, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE})
    scope = _scope()
    valid_from, valid_until = _day(), _day()
    explanation = Words(1_000, required=False)


class MemberNumber(Schema):
    """Which member a request is about, or whose links are looked for."""

    member_number = Words(40)


class Proposed(_WithoutEmpty):
    """What is to be linked, and what was seen."""

    scope = _scope()
    valid_from = _day()
    valid_until = _day()
    evidence = Words(200)

    @validates_schema(skip_on_field_errors=True)
    def _require_order(self, form: dict[str, Any], **_kwargs: Any) -> None:
        if form["valid_from"] and form["valid_until"] and form["valid_until"] < form["valid_from"]:
            raise ValidationError("The last day is before the first day.", "valid_until")


class Refusal(Schema):
    """Why not, and what whoever asked reads."""

    reason = fields.Enum(
        RefusalReason, by_value=True, required=True, error_messages={"required": _CHOOSE, "unknown": _CHOOSE}
    )
    words = Words(2_000)


class Limit(Schema):
    """How much a link covers from now on, and why."""

    scope = _scope()
    reason = Words(500)
