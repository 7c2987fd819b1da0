"""The shapes of the forms of accounts."""

from marshmallow import Schema, ValidationError, fields, missing, validate, validates_schema

from service.accounts import usernames
from service.accounts.wording import FILL_IN, NOT_AN_ADDRESS, PASSKEY_NAME

# A password field holds 64 characters of at most four bytes; what is longer is refused before it is hashed (ID-5).
_MOST = 1_024


def require_storable(text: str) -> None:
    """Refuse a null character: PostgreSQL keeps none in texts, a look-up would fail."""
    if "\0" in text:
        raise ValidationError(str(FILL_IN))


def _text(most: int = _MOST) -> fields.String:
    return fields.String(
        required=True,
        validate=validate.Length(1, most, error=FILL_IN),
        error_messages={"required": FILL_IN, "invalid": FILL_IN, "invalid_utf8": FILL_IN},
    )


def _address() -> fields.String:
    # Only what no account can have is refused here: everything else gets one answer, whoever asks.
    return fields.String(
        required=True,
        validate=[validate.Length(1, 254, error=FILL_IN), require_storable, _require_comparable],
        error_messages={"required": FILL_IN, "invalid": FILL_IN, "invalid_utf8": FILL_IN},
    )


def _require_comparable(text: str) -> None:
    if len(usernames.email_key(text)) > usernames.LONGEST_EMAIL:
        raise ValidationError(str(NOT_AN_ADDRESS))


def _require_email(text: str) -> None:
    if not usernames.is_email(text.strip()):
        raise ValidationError(str(NOT_AN_ADDRESS))


class SignIn(Schema):
    """User name and password."""

    username = _text()
    password = _text()


class Recipient(Schema):
    """Who wants a code, and where."""

    username = _text()
    email = _address()


class EnteredCode(Schema):
    """The code out of the mail."""

    username = _text()
    email = _address()
    code = _text(64)


class NewPassword(Schema):
    """The new password, twice."""

    password = _text()
    confirmation = _text()


class NewAddress(Schema):
    """The address to prove."""

    email = fields.String(required=True, validate=_require_email, error_messages={"required": FILL_IN})


class OnlyCode(Schema):
    """The code out of the mail, where the registration knows the rest."""

    code = _text(64)


class NewAccount(Schema):
    """User name and password, twice."""

    username = _text(256)
    password = _text()
    confirmation = _text()


class FactorCode(Schema):
    """A code of the authenticator app, or a recovery code in its own field."""

    code = fields.String(validate=validate.Length(0, 64, error=FILL_IN), error_messages={"invalid_utf8": FILL_IN})
    recovery_code = fields.String(
        validate=validate.Length(0, 64, error=FILL_IN), error_messages={"invalid_utf8": FILL_IN}
    )

    @validates_schema
    def _require_one(self, values: dict[str, str], **_: object) -> None:
        if not any(text.strip() for text in values.values()):
            raise ValidationError(str(FILL_IN), "code")


class FirstCode(Schema):
    """The secret that the page showed, sealed, and the app's first code for it."""

    offered = _text(2_000)
    code = _text(64)


def _passkey_name(*, required: bool) -> fields.String:
    def one_line(text: str) -> None:
        if not text.isprintable() or len(text.strip()) > 60 or (required and not text.strip()):
            raise ValidationError(str(PASSKEY_NAME))

    return fields.String(
        required=required, load_default="" if not required else missing, validate=one_line,
        error_messages={"required": PASSKEY_NAME, "invalid": PASSKEY_NAME, "invalid_utf8": PASSKEY_NAME},
    )  # fmt: skip


class PasskeyAnswer(Schema):
    """The sealed question, and what the device answered, as JSON."""

    question = _text(2_000)
    answer = _text(32_000)


class NewPasskey(PasskeyAnswer):
    """A passkey just made, with its name if the person gave it one."""

    name = _passkey_name(required=False)


class PasskeyName(Schema):
    """Another name for a passkey."""

    name = _passkey_name(required=True)
