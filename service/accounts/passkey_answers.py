"""What the ceremonies of WebAuthn give and refuse; they themselves are opened at first use.

Their library reads a list of every public suffix as it is imported: 3 MB of each worker, most of which meet no passkey.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fido2.webauthn import AuthenticationResponse


class NoPasskeysHere(Exception):
    """The service is reached under a bare IP address, for which browsers make no passkeys."""


class QuestionOver(Exception):
    """The challenge is too old, was answered already, was for somebody else, or was altered."""


class WrongAnswer(Exception):
    """The answer does not prove what was asked."""


@dataclass(frozen=True)
class Made:
    """A passkey just made, as its device tells it; nothing about the kind of device was asked for or is believed."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: str


@dataclass(frozen=True)
class Shown:
    """What an answer says before anything of it is proven: which passkey, and whose."""

    credential_id: bytes
    user_handle: bytes | None
    state: Mapping[str, Any]
    response: "AuthenticationResponse"

    @property
    def sign_count(self) -> int:
        """The count that the device tells; it is signed."""
        return int(self.response.response.authenticator_data.counter)


def ceremonies() -> ModuleType:
    """The module `passkey_ceremonies`."""
    return importlib.import_module("service.accounts.passkey_ceremonies")
