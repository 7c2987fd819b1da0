"""What is wrong with a resource that came in: the rule it breaks, where, and what to do about it."""

from dataclasses import dataclass


class Rejected(Exception):
    """A resource that is not stored: which rule, at which path, and a hint for who mends it."""

    def __init__(self, rule: str, hint: str, path: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.hint = hint
        self.path = path


@dataclass(frozen=True, slots=True)
class Finding:
    """The same as a value: something a check found, for which the resource need not be refused."""

    rule: str
    hint: str
    path: str = ""
