"""Words that strangers wrote, as they may be shown: nothing in them turns the line around or hides in it.

What was written is kept as it is; only what is shown goes through here. HTML is escaped by the template.
"""

import unicodedata

_MARK = "\N{REPLACEMENT CHARACTER}"
# Joiners belong to the spelling of Persian, Hindi and of emoji, and reorder nothing.
_JOINERS = "\u200c\u200d"
_NEW_LINES = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\x85": "\n", "\f": "\n", "\v": "\n"}


def shown(text: str) -> str:
    """A text of several lines; bidirectional controls (Unicode TR 9), other controls and invisible signs are marked."""
    for written, line_end in _NEW_LINES.items():
        text = text.replace(written, line_end)
    return "".join(_MARK if _misleads(letter) else letter for letter in text)


def shown_line(text: str) -> str:
    """A text of one line, such as a subject or a person's name."""
    return " ".join(shown(text).split())


def without_misleading(text: str) -> str:
    """The text without the signs that `shown` marks, for names that are used as names."""
    return "".join(letter for letter in text if not _misleads(letter) and letter not in "\n\t" + _JOINERS)


def _misleads(letter: str) -> bool:
    return letter not in "\n\t" + _JOINERS and unicodedata.category(letter) in {"Cc", "Cf", "Co", "Cs"}
