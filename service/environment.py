"""Reading environment variables: each reader raises UnsafeSetting, which names the variable and what it may hold.

The one key that nobody has to give is here too: a sandbox makes its own.
"""

import os
import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from click import ClickException

from service.databases.connections import PoolLimits
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


def pool(environment: Mapping[str, str]) -> PoolLimits:
    """How many connections to the database a process keeps, and how long a request waits for one."""
    # A request of the API may hold two: one that is kept for reading, and one for what is written besides.
    return PoolLimits(
        size=number(environment, "POOL_SIZE", 10, 2, 1_000),
        overflow=number(environment, "POOL_OVERFLOW", 0, 0, 1_000),
        seconds=seconds(environment, "POOL_SECONDS", 10, 60),
    )


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


def keys(environment: Mapping[str, str], name: str) -> tuple[bytes, ...]:
    """Keys in hexadecimal, parted by commas; none where the variable is not given."""
    given = secret(environment, name)
    return tuple(key(name, one.strip()) for one in given.split(",")) if given else ()


def found_sandbox_key(var: Path) -> bytes | None:
    """The key of the sandbox in this folder, where there was one."""
    path = var / "secret_key"
    return bytes.fromhex(path.read_text("ascii").strip()) if path.is_file() else None


def sandbox_key(var: Path) -> bytes:
    """The same, made where there is none."""
    path = var / "secret_key"
    if not path.exists():
        _write_once(path, secrets.token_hex(32))
    return bytes.fromhex(path.read_text("ascii").strip())


def _write_once(path: Path, text: str) -> None:
    # Several processes may start at once: link() lets exactly one key in, and never half of one.
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
