"""Single elements of an 835 segment as values: amounts in cents, days, texts, adjustments."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from service.plan.remittances.x12 import Segment

_AMOUNT = re.compile(r"(-?)([0-9]{0,13})(?:\.([0-9]{1,2})0*)?")
_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_CODE = re.compile(r"[A-Z0-9]{1,10}")


class Unreadable(Exception):
    """The set cannot be taken: at which segment, and why, without quoting what stands there."""

    def __init__(self, segment: Segment, why: str) -> None:
        super().__init__(why)
        self.position, self.tag, self.why = segment.position, segment.tag, why


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Why so much less was paid (CAS): group (CO, PR, OA, PI), reason code, cents, units where they changed."""

    group: str
    reason: str
    cents: int
    quantity: str = ""


def amount(segment: Segment, place: int) -> int:
    """An amount of money in cents; raises Unreadable where there is none."""
    found = optional_amount(segment, place)
    if found is None:
        raise Unreadable(segment, f"{_name(segment, place)} holds no amount")
    return found


def optional_amount(segment: Segment, place: int) -> int | None:
    """An amount in cents, None where none was sent; raises Unreadable for what is no amount."""
    given = segment.get(place)
    if not given:
        return None
    found = _AMOUNT.fullmatch(given)
    if found is None or not (found[2] or found[3]):
        raise Unreadable(segment, f"{_name(segment, place)} is no amount of money")
    cents = int(found[2] or "0") * 100 + int((found[3] or "0").ljust(2, "0"))
    return -cents if found[1] else cents


def day(segment: Segment, place: int) -> date:
    """A date written CCYYMMDD; raises Unreadable."""
    found = _DAY.fullmatch(segment.get(place))
    try:
        if found is not None:
            return date(*(int(part) for part in found.groups()))
    except ValueError:
        pass
    raise Unreadable(segment, f"{_name(segment, place)} is no date (CCYYMMDD)")


def text(segment: Segment, place: int, longest: int) -> str:
    """A text of at most `longest` characters, perhaps empty; raises Unreadable."""
    given = segment.get(place)
    if len(given) > longest:
        raise Unreadable(segment, f"{_name(segment, place)} is longer than {longest} characters")
    if not given.isprintable():
        raise Unreadable(segment, f"{_name(segment, place)} holds a control character")
    return given


def require(segment: Segment, place: int, longest: int) -> str:
    """A text that must be there; raises Unreadable."""
    given = text(segment, place, longest)
    if not given:
        raise Unreadable(segment, f"{_name(segment, place)} is missing")
    return given


def codes(segment: Segment, places: Iterable[int]) -> list[str]:
    """The codes in these places, those that were sent; raises Unreadable for what is no code."""
    given = [(place, segment.get(place)) for place in places if segment.get(place)]
    for place, code in given:
        if not _CODE.fullmatch(code):
            raise Unreadable(segment, f"{_name(segment, place)} is no code")
    return [code for _, code in given]


def adjustments(segment: Segment) -> list[Adjustment]:
    """The up to six reasons of a CAS segment; raises Unreadable."""
    group = require(segment, 1, 2)
    found = []
    for place in range(2, 20, 3):
        if not segment.get(place) and not segment.get(place + 1):
            continue
        if not codes(segment, (place,)):
            raise Unreadable(segment, f"{_name(segment, place)} is missing: an adjustment has a reason")
        found.append(
            Adjustment(group, segment.get(place), amount(segment, place + 1), text(segment, place + 2, 20))
        )  # fmt: skip
    return found


def _name(segment: Segment, place: int) -> str:
    return f"{segment.tag}{place:02}"
