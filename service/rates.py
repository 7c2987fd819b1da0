"""How often somebody may ask: token buckets in this process's memory, and what the client is told of them.

A bucket holds a minute's worth, and fills evenly. Nothing is counted in the database, which would cost more than most
requests do: each process enforces its share (decision 98). What has to be counted exactly, since it is guessing or
sends mail, is counted by `service.accounts.throttling`.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from service.settings import Settings

WINDOW = 60
_MOST_KNOWN = 10_000


class Left(NamedTuple):
    """What is left after a request was counted."""

    policy: "Policy"
    remaining: int
    seconds: int
    """Where nothing is left: after how long a request is allowed again. Else until the bucket is full."""
    allowed: bool

    def headers(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11)."""
        name = self.policy.name
        return (
            ("RateLimit-Policy", self.policy.told),
            ("RateLimit", f'"{name}";r={self.remaining};t={self.seconds}'),
        )


class Policy:
    """`share` requests a minute for each key, in this process; as many at once, if the minute before was quiet."""

    def __init__(self, name: str, share: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self._most, self._clock = name, float(share), clock
        self._a_second = share / WINDOW
        self.told = f'"{name}";q={share};w={WINDOW}'
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, key: str) -> Left:
        """Count a request under `key`; one that is not allowed costs nothing."""
        with self._lock:
            moment = self._clock()
            left, at = self._known.pop(key, (self._most, moment))
            left = min(self._most, left + (moment - at) * self._a_second)
            allowed = left >= 1
            if allowed:
                left -= 1
            self._known[key] = (left, moment)
            if len(self._known) > _MOST_KNOWN:
                # Whoever was away longest has the fullest bucket.
                self._known.popitem(last=False)
        if allowed:
            return Left(self, int(left), math.ceil((self._most - left) / self._a_second), True)
        return Left(self, 0, math.ceil((1 - left) / self._a_second), False)


@dataclass(frozen=True)
class Limits:
    """The policies of an installation; None where there is no limit."""

    app: Policy | None
    """Of the FHIR API, by app."""
    tokens: Policy | None
    """Of the token endpoint, by app."""
    account: Policy | None
    """Of pages, by who is signed in."""
    address: Policy | None
    """Of pages, by network address."""
    directory: Policy | None
    """Of the open directory, by network address."""


def limits_of(settings: Settings) -> Limits:
    """What one process of the installation enforces."""

    def policy(name: str, limit: int) -> Policy | None:
        return Policy(name, max(1, limit // settings.processes)) if limit else None

    return Limits(
        policy("app", settings.app_requests_per_minute), policy("tokens", settings.app_tokens_per_minute),
        policy("account", settings.account_pages_per_minute), policy("address", settings.address_pages_per_minute),
        policy("directory", settings.directory_requests_per_minute),
    )  # fmt: skip
