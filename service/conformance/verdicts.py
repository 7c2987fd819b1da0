"""How a check speaks: it returns, or raises Failed or NotOffered. Texts hold no token, secret or health datum."""

from collections.abc import Collection


class Failed(Exception):
    """The server does not do what the requirement says."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected, self.found = expected, found


class NotOffered(Exception):
    """The server does not say that it can do this; `reason` names where it would say so."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def expect(condition: object, expected: str, found: object) -> None:
    """Raise Failed unless `condition` holds."""
    if not condition:
        raise Failed(expected, str(found))


def expect_status(status: int, allowed: Collection[int], of: str) -> None:
    """Raise Failed unless the answer's status is one of `allowed`."""
    wanted = " or ".join(str(one) for one in sorted(allowed))
    expect(status in allowed, f"{wanted} to {of}", status)
