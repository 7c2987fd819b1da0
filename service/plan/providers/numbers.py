"""The numbers by which providers and payments are known, normalised once, at the edge.

A Tax ID is an EIN of nine digits (26 USC 6109), an NPI ten digits whose last is the Luhn check digit over the
prefix 80840 (45 CFR 162.406, ISO 7812); vendor numbers, office ids and payment numbers are the plan's own.
"""

import re
import unicodedata

_DASHES = re.compile(r"[\s\-\u2010-\u2015.]+")
_NPI_PREFIX = "80840"
_LONGEST = 40
_NOTICE_MARK = re.compile(r"NON|NP")


class UnusableNumber(ValueError):
    """The text is no such number; `sentence` says what one looks like."""

    sentence = "Please check this number."


class UnusableTaxId(UnusableNumber):
    """No Tax ID."""

    sentence = "A Tax ID has 9 digits, for instance 12-3456789."


class UnusableNpi(UnusableNumber):
    """No NPI: wrong length, or the check digit does not fit."""

    sentence = "An NPI has 10 digits and starts with 1 or 2. Please check it for a mistyped digit."


class UnusableVendorNumber(UnusableNumber):
    """No vendor number or office id."""

    sentence = "This number has up to 40 letters and digits."


class UnusablePaymentNumber(UnusableNumber):
    """No check, EFT or non-payment number."""

    sentence = "Please enter the number as it stands on the check, EFT or notice; a notice's number starts with NP."


def tax_id(text: str) -> str:
    """The nine digits of a Tax ID; raises UnusableTaxId."""
    digits = _bare(text)
    if not re.fullmatch(r"[0-9]{9}", digits):
        raise UnusableTaxId
    return digits


def npi(text: str) -> str:
    """The ten digits of an NPI; raises UnusableNpi."""
    digits = _bare(text)
    if not re.fullmatch(r"[12][0-9]{9}", digits) or not _luhn(_NPI_PREFIX + digits):
        raise UnusableNpi
    return digits


def vendor_number(text: str) -> str:
    """A vendor number or office id in upper case without spaces and dashes; raises UnusableVendorNumber."""
    return _code(text, _LONGEST, UnusableVendorNumber)


def payment_number(text: str) -> str:
    """A check, EFT or non-payment (NP…) number as it is looked up; raises UnusablePaymentNumber."""
    return _code(text, 50, UnusablePaymentNumber)


def notice_number(trace: str) -> str:
    """The number of a non-payment notice as it is printed and looked up: "NP", then the trace without NON or NP.

    The plan's system sends the trace with or without a mark of its own (NON835000004, 835000004); people read and type
    NP835000004 (docs/decisions/0020-notice-numbers.md).
    """
    return f"NP{_without_mark(payment_number(trace))}"


def payment_keys(text: str) -> tuple[str, ...]:
    """Every key under which the payment that people call `text` may stand: as typed, and as a notice's trace.

    Raises UnusablePaymentNumber.
    """
    typed = payment_number(text)
    return tuple(dict.fromkeys((typed, notice_number(typed))))


def shown_tax_id(digits: str) -> str:
    """A Tax ID as people write it."""
    return f"{digits[:2]}-{digits[2:]}"


def last_four(digits: str) -> str:
    """What may be shown of a Tax ID to somebody who has not proven anything yet."""
    return f"•••••{digits[-4:]}"


def _bare(text: str) -> str:
    return _DASHES.sub("", unicodedata.normalize("NFKC", text))


def _code(text: str, longest: int, refused: type[UnusableNumber]) -> str:
    code = _bare(text).upper()
    if len(code) > longest or not re.fullmatch(r"[A-Z0-9]+", code):
        raise refused
    return code


def _without_mark(trace: str) -> str:
    mark = _NOTICE_MARK.match(trace)
    return trace[mark.end() :] if mark else trace


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0
