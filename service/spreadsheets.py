"""Cells of CSV files that people open in a spreadsheet."""

import unicodedata

_STARTS_A_FORMULA = frozenset("=+-@\t\r\n|%")


def plain_cell(text: str | None) -> str:
    """A text as a cell that no spreadsheet runs (security.md 154); also where full-width signs or blanks come first."""
    text = text or ""
    first = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if text[:1] in _STARTS_A_FORMULA or first in _STARTS_A_FORMULA else text
