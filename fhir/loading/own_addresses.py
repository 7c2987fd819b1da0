"""References by an address of ours, made relative before anything is read of them.

A literal reference names a resource of ours only where it is relative, or below a base that is ours or that a load says
its files came from: another server's Patient is not the member who happens to have that id here.
"""

import re
from collections.abc import Iterable
from functools import lru_cache


def relative(raw: bytes, bases: Iterable[str]) -> bytes:
    """The same JSON with each `reference` below one of the bases relative to it."""
    if b"://" not in raw and b":\\/\\/" not in raw:
        return raw
    pattern = _below(tuple(bases))
    return pattern.sub(rb"\1", raw) if pattern else raw


@lru_cache(maxsize=16)
def _below(bases: tuple[str, ...]) -> re.Pattern[bytes] | None:
    if not bases:
        return None
    # Within a string every quote is escaped, so that this is the name of an element. Some write a slash as \\/.
    slash = rb"\\?/"
    any_base = b"|".join(slash.join(map(re.escape, one.rstrip("/").encode().split(b"/"))) for one in bases)
    return re.compile(rb'("reference"\s*:\s*")(?:' + any_base + rb")" + slash)
