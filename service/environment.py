"""Reading environment variables: each reader raises UnsafeSetting, which names the variable and what it may hold."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from click import ClickException

from service.plan_file import Plan

_Choice = TypeVar("_Choice", bound=StrEnum)


class UnsafeSetting(ClickException):
    """Settings that must not be used in this mode; each line names one and says what to set.

    At the command line it is told as any wrong input, without a stack trace.
    """


def yes(environment: Mapping[str, str], name: str, *, usual: str = "no") -> bool:
    """Whether the variable says yes; `usual`, where it is not given."""
    given = environment.get(name, usual).lower()
    if given not in {"yes", "no"}:
        raise UnsafeSetting(f"{name} must be yes or no")
    return given == "yes"


def choice(environment: Mapping[str, str], name: str, usual: _Choice) -> _Choice:
    """One of the words of an enumeration; `usual` where none is given."""
    words = type(usual)
    try:
        return words((environment.get(name) or usual).lower())
    except ValueError:
        raise UnsafeSetting(f"{name} must be {' or '.join(words)}") from None


def number(environment: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    """A whole number within both bounds; `usual` where none is given."""
    given = environment.get(name) or str(usual)
    if not (given.isascii() and given.isdigit() and least <= int(given) <= most):
        raise UnsafeSetting(f"{name} must be a whole number from {least} to {most}")
    return int(given)


def seconds(environment: Mapping[str, str], name: str, usual: float, most: float) -> float:
    """A time in seconds, more than 0."""
    try:
        given = float(environment.get(name) or usual)
    except ValueError:
        given = -1
    if not 0 < given <= most:
        raise UnsafeSetting(f"{name} must be a number of seconds, more than 0 and at most {most:g}")
    return given


def share(environment: Mapping[str, str], name: str) -> float:
    """A part of the whole, 0 to 1; all of it where none is given."""
    try:
        given = float(environment.get(name) or "1")
    except ValueError:
        given = -1
    if not 0 <= given <= 1:
        raise UnsafeSetting(f"{name} must be a number from 0 to 1")
    return given


def path(environment: Mapping[str, str], name: str) -> Path | None:
    """A file or folder, from the root on; None where none is given."""
    return Path(environment[name]).resolve() if environment.get(name) else None


def plan(environment: Mapping[str, str], name: str) -> Plan:
    """What the plan's file says; the sandbox's where none is given."""
    try:
        return Plan.read(path(environment, name))
    except OSError as problem:
        raise UnsafeSetting(f"{name} cannot be read: {problem.strerror}") from None
    except KeyError as missing:
        raise UnsafeSetting(f"{name} lacks {missing}") from None
    except (ValueError, TypeError, AttributeError) as problem:
        # It holds no secret, and its own words lead to the line.
        raise UnsafeSetting(f"{name} is not as it should be: {problem}") from None


def secret(environment: Mapping[str, str], name: str) -> str:
    """A secret: the value of `name`, or what stands in the file that `name`_FILE says."""
    given, path = environment.get(name, ""), environment.get(f"{name}_FILE")
    if not path:
        return given
    if given:
        raise UnsafeSetting(f"{name} and {name}_FILE are both set: keep one of them")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise UnsafeSetting(f"{name}_FILE cannot be read") from None


def key(name: str, given: str) -> bytes:
    """The bytes of a key given in hexadecimal."""
    try:
        return bytes.fromhex(given)
    except ValueError:
        raise UnsafeSetting(f"{name} must be hexadecimal; make one with `openssl rand -hex 32`") from None
