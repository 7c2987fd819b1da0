"""Numbers and ids: FHIR ids from the seed, and identifiers that look right but belong to nobody."""

from functools import lru_cache
from hashlib import sha1
from uuid import NAMESPACE_URL, UUID, uuid5

# Prefixes the IRS has never assigned to a campus, so no employer holds such a number.
_UNUSED_EIN_PREFIXES = ("07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89", "96", "97")


@lru_cache(maxsize=32)
def namespace(seed: int | str) -> UUID:
    """The namespace of every id of the plan grown from this seed."""
    return uuid5(NAMESPACE_URL, f"https://meridian.example/sandbox/{seed}")


def fhir_id(seed: int | str, name: str) -> str:
    """The id of the resource called `name` in the plan of `seed`: always the same, never telling."""
    # RFC 9562 §5.5, as uuid.uuid5 does it but without the object: a hundred for each member.
    digest = sha1(namespace(seed).bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def npi(number: int) -> str:
    """The `number`-th NPI: begins with 2, from which none is issued, and passes the check digit (45 CFR 162.406)."""
    digits = f"2{number * 7919 + 10_007_003:08d}"[:9]
    return digits + str(luhn_check_digit("80840" + digits))


def luhn_check_digit(digits: str) -> int:
    """The digit that makes `digits` pass the Luhn formula (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


def tax_id(number: int) -> str:
    """The `number`-th Tax ID, in the form of an EIN whose prefix is in no use."""
    prefix = _UNUSED_EIN_PREFIXES[number % len(_UNUSED_EIN_PREFIXES)]
    return f"{prefix}-{4_100_013 + number * 137:07d}"


def member_number(index: int) -> str:
    """The number on the card of the member with this index."""
    return f"MHP{1_000_001 + index}"
