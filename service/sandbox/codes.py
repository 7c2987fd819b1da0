"""The authenticator apps of the sandbox's people: their secrets, and the code each shows at this moment."""

import base64

import pyotp

from service.accounts.second_factors import STEP_SECONDS
from service.clock import now
from service.db import keyed_digest
from service.sandbox.portal_people import PORTAL_PEOPLE
from service.settings import Settings

_BYTES = 20


class NoFactor(Exception):
    """The sandbox gave nobody of this name an authenticator app; the sentence says who has one."""

    def __init__(self) -> None:
        super().__init__(f"The sandbox knows the codes of {', '.join(with_factor())}.")


def with_factor() -> list[str]:
    """The user names that have an authenticator app."""
    return [person.username for person in PORTAL_PEOPLE if person.has_factor]


def secret_of(settings: Settings, username: str) -> str:
    """The app's secret in base32: of this installation's key, so that no other sandbox has the same."""
    digest = bytes.fromhex(keyed_digest(settings.secret_key, "sandbox authenticator", username))
    return base64.b32encode(digest[:_BYTES]).decode("ascii")


def current(settings: Settings, username: str) -> tuple[str, int]:
    """The six digits that this person's app shows now, and for how many seconds; raises NoFactor."""
    wanted = username.strip().casefold()
    if wanted not in with_factor():
        raise NoFactor
    moment = now().timestamp()
    code = pyotp.TOTP(secret_of(settings, wanted)).generate_otp(int(moment) // STEP_SECONDS)
    return code, STEP_SECONDS - int(moment) % STEP_SECONDS
