"""The shapes of the forms about logins."""

from uuid import UUID

from flask_babel import lazy_gettext as _
from marshmallow import Schema, ValidationError, fields, pre_load, validate
from werkzeug.datastructures import MultiDict

from service.accounts import usernames
from service.accounts.schemas import require_storable
from service.accounts.wording import FILL_IN, NOT_AN_ADDRESS
from service.plan.models import PortalFunction
from service.provider.registering import plain_names

_UNKNOWN = _("That choice is not on the list.")
_PHONE = _("Please enter a phone number with area code, like 555-010-0123.")


def _name() -> fields.String:
    return fields.String(
        required=True, validate=[_require_filled, validate.Length(1, 100, error=FILL_IN), _require_name],
        error_messages={"required": FILL_IN, "invalid": FILL_IN, "invalid_utf8": FILL_IN},
    )  # fmt: skip


def _require_name(text: str) -> None:
    if text.strip() and not plain_names.is_of_person(text):
        raise ValidationError(str(plain_names.NOT_A_NAME))


def _require_filled(text: str) -> None:
    if not text.strip():
        raise ValidationError(str(FILL_IN))


def _require_email(text: str) -> None:
    if not usernames.is_email(text.strip()):
        raise ValidationError(str(NOT_AN_ADDRESS))


def _require_phone(text: str) -> None:
    digits = [letter for letter in text if letter.isascii() and letter.isdigit()]
    if not (len(text) <= 40 and 10 <= len(digits) <= 20 and set(text) <= set("0123456789 +-().ext/#")):
        raise ValidationError(str(_PHONE))


def _ids() -> fields.List[UUID]:
    return fields.List(fields.UUID(error_messages={"invalid_uuid": _UNKNOWN}), load_default=list)


class _FormLists(Schema):
    """A form whose tick boxes share a name."""

    @pre_load
    def _gather(self, given: MultiDict[str, str], **_: object) -> dict[str, object]:
        lists = {name for name, field in self.fields.items() if isinstance(field, fields.List)}
        return {
            name: given.getlist(field.data_key or name) if name in lists else given.get(name)
            for name, field in self.fields.items()
            if name in lists or name in given
        }


class Person(Schema):
    """Who is looked for, before an account is made."""

    given_name = _name()
    family_name = _name()
    email = fields.String(required=True, validate=_require_email, error_messages={"required": NOT_AN_ADDRESS})


class Rights(_FormLists):
    """Functions; the person's own entries that stay, the delegate's that are given."""

    functions = fields.List(fields.Enum(PortalFunction, by_value=True), load_default=list)
    kept = _ids()
    given = _ids()


class NewLogin(Rights):
    """Everything about a person who is invited."""

    given_name = _name()
    family_name = _name()
    email = fields.String(required=True, validate=_require_email, error_messages={"required": NOT_AN_ADDRESS})
    phone = fields.String(
        required=True, validate=_require_phone,
        error_messages={"required": _PHONE, "invalid_utf8": _PHONE},
    )  # fmt: skip
    delegate = fields.String(load_default="")
    another = fields.String(load_default="")


class Decision(Schema):
    """A delegate's word on a colleague's request."""

    decision = fields.String(required=True, validate=validate.OneOf(["approve", "refuse"], error=_UNKNOWN))
    reason = fields.String(
        load_default="",
        validate=[validate.Length(0, 500, error=_("Please use at most 500 letters.")), require_storable],
    )
