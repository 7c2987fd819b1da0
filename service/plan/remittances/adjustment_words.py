"""What the codes of a remittance mean, in the plan's own short words (adjustment_words.toml beside this module).

The lists of claim adjustment reasons, remarks and provider adjustments (CARC, RARC, PLB) have owners and their texts
are not free to copy; a code without words of ours is shown as it is.
"""

import tomllib
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_suffix(".toml")
_PROCESSED = frozenset({"1", "2", "3", "19", "20", "21"})


def adjustment(group: str, reason: str) -> str:
    """What a CAS adjustment means: the reason and who bears it."""
    bearer = _words()["groups"].get(group)
    return f"{_of('reasons', reason)} ({bearer})" if bearer else _of("reasons", reason)


def reason(code: str) -> str | None:
    """What a reason means (CARC) where we have words for it, as the beginning of a sentence."""
    words = _words()["reasons"].get(code)
    return words and words[0].upper() + words[1:]


def remark(code: str) -> str:
    """What a remark code means."""
    return _of("remarks", code)


def provider_adjustment(reason: str) -> str:
    """What a PLB adjustment means."""
    return _of("provider", reason)


def claim_status(status: str, paid_cents: int) -> str:
    """What became of a claim (CLP02). That it was processed does not say that it was paid: that is added."""
    words = _of("statuses", status)
    if status not in _PROCESSED:
        return words
    return f"{words}: {'paid' if paid_cents > 0 else 'not paid'}"


def _of(table: str, code: str) -> str:
    return _words()[table].get(code) or f"code {code}"


@cache
def _words() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return found
