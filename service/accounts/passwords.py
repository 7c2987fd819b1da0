"""Passwords: the plan's rule, the list of common ones, argon2id with bounded concurrency.

The rule (8 to 64 characters, 3 of 4 groups) is the plan's documented one, kept on purpose where NIST SP 800-63B would
ask for no composition. The list and the own names are what 63B adds. A password is normalised to NFC once, here.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, partial
from importlib import import_module
from threading import local
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.accounts.hashing import OF_ONE_HASH, HashingThread
from service.door.admission import Places, step_aside
from service.watching import tracing

SHORTEST, LONGEST = 8, 64
SPECIALS = "!@#$%"
GROUPS_NEEDED = 3
_WAIT_SECONDS = 5.0
_MOST_WAITING = 6
"""With the one that is made: some 250 ms of hashing. Fewer would turn people away at an ordinary busy hour."""
_WAITING_IN_A_CROWD = 1
_MOST_COMMON = 200
_SHORTEST_NAME = 4
_DISGUISES = str.maketrans("@4310$5!7", "aaeiossit")
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")

# OWASP password storage: 19 MiB, two passes, one lane. The library's default is seven times dearer (security.md).
_hasher = PasswordHasher(time_cost=2, memory_cost=OF_ONE_HASH // 1024, parallelism=1, hash_len=32, salt_len=16)
# Of 32 random bytes that were thrown away: what is compared for people we do not know, at the same cost.
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$gSgswGznylCr6mpegfuQ7w$qp3+VCZT9YxxxK8dro+j6w4XDj+G2Xgm4Nsg8c+5EMo"
_hashing = HashingThread()
_places = Places(1 + _MOST_WAITING, 1 + _WAITING_IN_A_CROWD)
_here = local()

_NAME_LENGTH = 8
_peppers: dict[str, bytes] = {}

P = ParamSpec("P")
T = TypeVar("T")


class Part(StrEnum):
    """A part of the rule, as the page lists and ticks it."""

    LENGTH = "length"
    UPPERCASE = "uppercase"
    LOWERCASE = "lowercase"
    NUMBER = "number"
    SPECIAL = "special"
    GROUPS = "groups"
    NOT_COMMON = "not_common"
    NOT_OWN_NAME = "not_own_name"


_ALWAYS = frozenset({Part.LENGTH, Part.GROUPS})
_LISTED = frozenset({Part.NOT_COMMON, Part.NOT_OWN_NAME})
_GROUPS = (Part.UPPERCASE, Part.LOWERCASE, Part.NUMBER, Part.SPECIAL)


class UnusablePassword(Exception):
    """The password holds a character that no keyboard types (NUL, a lone surrogate)."""


class HashingBusy(Exception):
    """As many hashes as may wait are waiting."""


@dataclass(frozen=True)
class Verdict:
    """Which parts of the rule a password meets, and which it must."""

    met: frozenset[Part]
    required: frozenset[Part]

    @property
    def good(self) -> bool:
        """Whether the password may be used."""
        return self.met >= self.required

    @property
    def missing(self) -> list[Part]:
        """The required parts that are not met, in the order of the page."""
        return [part for part in Part if part in self.required and part not in self.met]


@dataclass(frozen=True)
class Rule:
    """The rule for one person: `names` must not be in the password; `refuse_common` is the installation's setting."""

    names: tuple[str, ...] = ()
    refuse_common: bool = True

    @property
    def required(self) -> frozenset[Part]:
        """The parts a password must meet."""
        return _ALWAYS | _LISTED if self.refuse_common else _ALWAYS

    def also(self, *names: str) -> "Rule":
        """The same rule with more names."""
        return replace(self, names=(*self.names, *names))


def normalise(password: str) -> str:
    """NFC, once; nothing trimmed, nothing cut. Raises UnusablePassword for NUL and lone surrogates."""
    if "\0" in password or any("\ud800" <= letter <= "\udfff" for letter in password):
        raise UnusablePassword
    return unicodedata.normalize("NFC", password)


def judge(password: str, rule: Rule = Rule()) -> Verdict:
    """Judge `password` by the rule for this person."""
    try:
        text = normalise(password)
    except UnusablePassword:
        return Verdict(frozenset(), rule.required)
    met = set(_groups_in(text))
    if len(met) >= GROUPS_NEEDED:
        met.add(Part.GROUPS)
    if SHORTEST <= len(text) <= LONGEST:
        met.add(Part.LENGTH)
    if text and not _is_common(text):
        met.add(Part.NOT_COMMON)
    if text and not _holds_a_name(text, rule.names):
        met.add(Part.NOT_OWN_NAME)
    return Verdict(frozenset(met), rule.required)


def season(peppers: Sequence[bytes]) -> None:
    """Keep these peppers, the one for new hashes first; without any, hashes are made of the bare password (ID-3).

    A pepper is a key outside the database: hashes that leak without it cannot even be guessed at. The name in front of
    a hash tells which pepper it was made with, so that one can follow another while people sign in.
    """
    _peppers.clear()
    _peppers.update({hashlib.sha256(pepper).hexdigest()[:_NAME_LENGTH]: pepper for pepper in peppers})


def make_hash(password: str) -> str:
    """The argon2id hash to store, after its pepper's name; takes about 35 ms of one core."""
    name = _newest_pepper()
    return name + _in_turn(_hasher.hash, _peppered(normalise(password), name))


def verify_hash(stored: str | None, password: str) -> bool:
    """Whether `password` fits `stored`; without a stored hash the same work is done and the answer is False."""
    with tracing.step("password"):
        return _fits(stored, password)


def _fits(stored: str | None, password: str) -> bool:
    try:
        text = normalise(password)
    except UnusablePassword:
        text, stored = "", None
    if len(text) > LONGEST:
        # Argon2's cost does not grow with the password, but its first pass reads all of it.
        text, stored = text[:LONGEST], None
    name, made = _parted(stored or _newest_pepper() + _NOBODYS)
    if name and name not in _peppers:
        # Made with a pepper that is gone: nobody can say yes, and it takes as long as any other no.
        name, made, stored = "", _NOBODYS, None
    try:
        fits = _in_turn(_hasher.verify, made, _peppered(text, name))
    except (VerificationError, InvalidHashError):
        return False
    return fits and stored is not None


@contextmanager
def place_kept() -> Iterator[None]:
    """Keep a place for the hash that this thread makes next; raises HashingBusy.

    For who counts a try before it is judged: one that finds no place must not be counted.
    """
    _take_place()
    _here.kept = True
    try:
        yield
    finally:
        if _here.kept:
            _here.kept = False
            _places.leave()


def is_outdated(stored: str) -> bool:
    """Whether `stored` was made with weaker parameters or an older pepper, to be made anew at sign-in."""
    name, made = _parted(stored)
    return name != _newest_pepper() or _hasher.check_needs_rehash(made)


def _newest_pepper() -> str:
    return next(iter(_peppers), "")


def _parted(stored: str) -> tuple[str, str]:
    name, mark, rest = stored.partition("$")
    return name, mark + rest


def _peppered(text: str, name: str) -> str:
    return hmac.new(_peppers[name], text.encode(), hashlib.sha256).hexdigest() if name else text


def _in_turn(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    if getattr(_here, "kept", False):
        _here.kept = False
    else:
        _take_place()
    waiting: Future[T] = _hashing.submit(partial(work, *given, **named))
    waiting.add_done_callback(lambda _: _places.leave())
    try:
        # Its place goes to others meanwhile: hashes must not starve the reads of everybody else.
        with step_aside():
            return waiting.result(_WAIT_SECONDS)
    except TimeoutError:
        waiting.cancel()
        raise HashingBusy from None


def _take_place() -> None:
    if not _places.take():
        raise HashingBusy


def _groups_in(text: str) -> Iterator[Part]:
    tests: tuple[Callable[[str], bool], ...] = (
        str.isupper, str.islower, lambda letter: letter in "0123456789", lambda letter: letter in SPECIALS,
    )  # fmt: skip
    for part, test in zip(_GROUPS, tests, strict=True):
        if any(test(letter) for letter in text):
            yield part


def _is_common(text: str) -> bool:
    """Whether the password, plain or in its usual disguise, is among those that attackers try first."""
    folded = text.casefold()
    stem = _ENDS.sub("", folded)
    if {folded, folded.translate(_DISGUISES)} & _common():
        return True
    return bool({stem, _ENDS.sub("", folded.translate(_DISGUISES))} & _most_common())


@cache
def _common() -> frozenset[str]:
    return frozenset(_list_of_common())


@cache
def _most_common() -> frozenset[str]:
    """Words so common that digits before or after them add nothing (Password1!, Welcome2024)."""
    return frozenset(word for word in _list_of_common()[:_MOST_COMMON] if len(word) >= 6 and word.isalpha())


def _list_of_common() -> list[str]:
    # The lists take 12 MB: a process reads them when the first password is chosen in it.
    found: list[str] = import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS["passwords"]
    return found


def _holds_a_name(text: str, names: Collection[str]) -> bool:
    folded = text.casefold()
    whole = [unicodedata.normalize("NFC", name).casefold() for name in names]
    parts = [part for name in whole for part in re.split(r"[\s@.,_+-]+", name)]
    return any(part in folded for part in {*whole, *parts} if len(part) >= _SHORTEST_NAME)
