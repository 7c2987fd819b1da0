"""The authenticator apps of the people of a sandbox."""

from dataclasses import dataclass, field

import pyotp

from tests.browser.sandbox import Sandbox

_STEP = 30


@dataclass
class Codes:
    """The authenticator apps of a sandbox's people; each code is good once, as the product has it."""

    sandbox: Sandbox
    _used: dict[str, int] = field(default_factory=dict)

    def next_of(self, secret: str) -> str:
        """A code that was not used yet; the sandbox's clock is moved where all of now's were."""
        current = int(self.sandbox.now()) // _STEP
        fresh = [step for step in (current, current + 1) if step > self._used.get(secret, 0)]
        if not fresh:
            self.sandbox.advance(_STEP)
            return self.next_of(secret)
        self._used[secret] = fresh[0]
        return pyotp.TOTP(secret).generate_otp(fresh[0])
