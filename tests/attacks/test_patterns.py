"""security.md, case 162: no regular expression of the product takes long over what a stranger can write."""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from itertools import product
from types import ModuleType

import consent
import fhir
import oauth
import service

_LENGTH = 64_000
_PIECES = (
    "a", "A", "0", " ", "\t", "\n", ".", "-", "_", "/", ",", "|", "&", "%", "=", "@", "<", "(", "{", '"', "é",
    "a1", "a.", "a-", "a ", "0-", "0,", "%41", "a@", "a=b&", "<a>", " a", "a,b|", "2020-01-01T", "xn--",
)  # fmt: skip
_ENDS = ("", "!", "\0", "\n", "é")
_MOST_SECONDS = 0.25
"""Who tries each place anew needs seconds for 64 kB; a machine that others use is a few times slower than 10 ms."""


def modules() -> Iterator[ModuleType]:
    """Every module of the product."""
    for package in (consent, fhir, oauth, service):
        for found in pkgutil.walk_packages([next(iter(package.__path__))], f"{package.__name__}."):
            yield importlib.import_module(found.name)


def patterns() -> dict[re.Pattern[str], str]:
    """Every compiled pattern, and a module that holds it."""
    return {
        held: f"{module.__name__}.{name}"
        for module in modules()
        for name, held in vars(module).items()
        if isinstance(held, re.Pattern) and isinstance(held.pattern, str)
    }


def test_case_162_no_pattern_takes_long_over_64_kilobytes() -> None:
    every, slow = patterns(), []
    assert len(every) > 60
    for pattern, place in every.items():
        for piece, end in product(_PIECES, _ENDS):
            text = piece * (_LENGTH // len(piece)) + end
            for look in (pattern.match, pattern.fullmatch):
                began = time.process_time()
                look(text)
                if time.process_time() - began > _MOST_SECONDS:
                    slow.append((place, pattern.pattern, look.__name__, piece, end))
    assert slow == []
