"""What a person or an organisation may be called: the plan's mails repeat it to people who never heard of the sender.

So it is one line, and no link: a stranger would else write letters under the plan's name (security.md 154).
"""

import re
from unicodedata import category

from flask_babel import lazy_gettext as _

NOT_A_NAME = _("A name has letters, and may have spaces, dashes, apostrophes, and dots with a space behind them.")
_OF_PERSONS = frozenset(" .,'-\u2018\u2019")
_OF_ORGANIZATIONS = _OF_PERSONS | frozenset("0123456789&/()#\u2013")
# A dot is followed by a space, a mark or an initial: mail programs make a link of a dot with a word behind it.
_LINK = re.compile(r"://|\bwww\.|\.[^\W_]{2}", re.IGNORECASE)


def is_of_person(text: str) -> bool:
    """Whether it could be a name: letters, spaces, dots, commas, dashes and apostrophes."""
    return _is_plain(text, _OF_PERSONS)


def is_of_organization(text: str) -> bool:
    """Whether it could be an organisation's name: beside what persons have, digits and & / ( ) #."""
    return _is_plain(text, _OF_ORGANIZATIONS)


def _is_plain(text: str, marks: frozenset[str]) -> bool:
    if not any(map(str.isalpha, text)) or _LINK.search(text):
        return False
    # Category M: accents that stand as letters of their own, and the vowels of many scripts.
    return all(letter.isalpha() or letter in marks or category(letter).startswith("M") for letter in text.strip(" "))
