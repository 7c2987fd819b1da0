"""User names and e-mail addresses: what is allowed, and when two are the same for us."""

import re
import unicodedata
from functools import cache
from importlib import import_module
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import domains
from service.accounts.models import Account

SHORTEST, LONGEST = 4, 64
LONGEST_EMAIL = 254
_LONGEST_SKELETON = 256
_MARKS = "._-@+'"
_EMAIL = re.compile(r"[^\s@<>\"(),:;\\\[\]\x00-\x1f\x7f]{1,64}@[^\s@<>\"(),:;\\\[\]\x00-\x1f\x7f]{1,253}")
_LOOK_ALIKES = {"1": "l", "|": "l", "0": "o", "m": "rn"}


class UnusableUsername(Exception):
    """The user name breaks a rule; the subclass says which."""


class WrongLength(UnusableUsername):
    """Too short or too long."""


class WrongCharacter(UnusableUsername):
    """A space, a control or invisible character, or a mark in the wrong place."""


class MixedScripts(UnusableUsername):
    """Letters of several scripts, which lets one name pass for another."""


class UsernameTaken(UnusableUsername):
    """Somebody has this name, or one that looks like it."""


def key(username: str) -> str:
    """The form in which user names are unique and looked up: NFKC and case folded (Unicode TR 36)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())


def shown(username: str) -> str:
    """The form in which a user name is kept and shown: what was typed, in as few characters as it takes (NFKC)."""
    return unicodedata.normalize("NFKC", username)


def email_key(address: str) -> str:
    """The form in which e-mail addresses are compared: local part folded, domain in Unicode (decision 136)."""
    plain = unicodedata.normalize("NFKC", address.strip())
    if plain.isascii() and "xn--" not in plain.casefold():
        return plain.casefold()
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    return f"{unicodedata.normalize('NFKC', local).casefold()}{at}{domains.folded(domain)}"


def is_email(address: str) -> bool:
    """Whether `address` has the shape of an e-mail address that we would write to."""
    local, _, domain = address.rpartition("@")
    # The form compared may be longer than what was typed: one letter may stand for eighteen (NFKC).
    if _EMAIL.fullmatch(address) is None or not local or max(len(address), len(email_key(address))) > LONGEST_EMAIL:
        return False
    # What nobody sees (a soft hyphen, a joiner) servers of mail drop: it would be another's address, or one's second.
    if any(unicodedata.category(letter) == "Cf" for letter in address):
        return False
    return domains.is_domain(domain)


def require_usable(session: Session, username: str) -> None:
    """Raise the UnusableUsername that says why `username` cannot be given to a new account."""
    text = shown(username)
    if not SHORTEST <= len(text) <= LONGEST:
        raise WrongLength
    if not all(letter.isalnum() or letter in _MARKS or unicodedata.combining(letter) for letter in text):
        raise WrongCharacter
    if not (text[0].isalnum() and text[-1].isalnum()):
        raise WrongCharacter
    if _confusables().is_mixed_script(text):
        raise MixedScripts
    if _is_taken(session, username):
        raise UsernameTaken


def skeleton(username: str) -> str:
    """The form in which names that look alike are equal (Unicode TR 39 §4): bi11 and bill, Latin and Cyrillic."""
    return "".join(_LOOK_ALIKES.get(letter, letter) for letter in map(_plain, key(username)))[:_LONGEST_SKELETON]


def _is_taken(session: Session, username: str) -> bool:
    same = (Account.username_key == key(username)) | (Account.username_skeleton == skeleton(username))
    return session.scalar(select(Account.id).where(same).limit(1)) is not None


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter
    likes: list[str] = [alias["c"].strip("\u200e") for alias in _confusables().confusables_data.get(letter, ())]
    ascii_like = next((like for like in likes if like.isascii()), None)
    return ascii_like.casefold() if ascii_like else min([letter, *likes])


@cache
def _confusables() -> Any:
    # Its tables take 6 MB: a process reads them when the first name is chosen in it.
    return import_module("confusable_homoglyphs.confusables")
