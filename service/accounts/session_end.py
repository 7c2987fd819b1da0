"""When the session at hand ends if nothing more is done (identity.md ID-33), and whether that can be put off."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from service.accounts.sessions import IDLE, Login
from service.clock import now

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class SessionEnd:
    """The moment; `is_last` where no use of the pages puts it off, since the 12 hours (of staff 8) are over then."""

    at: datetime
    is_last: bool

    @property
    def seconds(self) -> int:
        """How long it still is, whole seconds up: who waits so long and then looks finds the session over."""
        return max(0, -((now() - self.at) // _SECOND))


def end_of(login: Login) -> SessionEnd:
    """When this login's session ends."""
    idle_over: datetime = login.session.last_seen_at + IDLE
    over: datetime = login.session.expires_at
    return SessionEnd(min(idle_over, over), over <= idle_over)
