"""By what a person signed in, in the words of RFC 8176: what apps read as `amr` in ID tokens (OA-66)."""

from enum import StrEnum

_BOTH = "mfa"


class Method(StrEnum):
    """What somebody showed; the value is one word of RFC 8176 or more."""

    PASSWORD = "pwd"
    ONE_TIME_CODE = "otp"
    """A code of the authenticator app, or one of the recovery codes that stand for it."""
    PASSKEY = "pop user"
    """A key of the device, which checks the person before it signs."""
    EMAIL_CODE = "mca"
    """A code by e-mail, where the account has no second factor: another channel, no other factor."""

    @property
    def is_factor(self) -> bool:
        """Whether it is a second factor."""
        return self in {Method.ONE_TIME_CODE, Method.PASSKEY}


def and_also(before: str | None, shown: Method) -> str:
    """What was shown in a session by now, as its row keeps it."""
    return " ".join(sorted({*(before or "").split(), *shown.split()}))


def methods(kept: str) -> list[str]:
    """The `amr` of what a row keeps: with `mfa` where two factors were shown, or a passkey, which is two."""
    words = kept.split()
    both = "pop" in words or {"pwd", "otp"} <= set(words)
    return [*words, _BOTH] if both else words
