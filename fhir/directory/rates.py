"""How often one address on the network may ask the open directory: so many at once, then so many a second.

Kept by each process for itself: it is there so that one reader does not slow down the others, not to count.
"""

import threading
import time
from collections import OrderedDict

AT_ONCE = 200
A_SECOND = 20.0
_MOST_KNOWN = 10_000
_lock = threading.Lock()
_known: OrderedDict[str, tuple[float, float]] = OrderedDict()


def seconds_to_wait(address: str) -> int:
    """0 where the address may ask now, which is counted; else in how many seconds it may."""
    with _lock:
        moment = time.monotonic()
        left, at = _known.pop(address, (float(AT_ONCE), moment))
        left = min(float(AT_ONCE), left + (moment - at) * A_SECOND)
        allowed = left >= 1
        _known[address] = (left - 1 if allowed else left, moment)
        if len(_known) > _MOST_KNOWN:
            _known.popitem(last=False)
    return 0 if allowed else 1


def forget() -> None:
    """Forget every address."""
    with _lock:
        _known.clear()
