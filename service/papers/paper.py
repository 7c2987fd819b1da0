"""A new document to write on.

The library of PDFs is opened at first use: it would add 29 MB to every worker, most of which never print.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.papers.sheets import Sheet

SANS = "Sans"
"""The family of every text; regular and bold ("B")."""


def new_sheet(title: str, *, author: str = "", language: str = "en-US") -> "Sheet":
    """A document in letter size, in a `language` (BCP 47) that readers read aloud in; `finish` gives its bytes."""
    made: Sheet = importlib.import_module("service.papers.sheets").Sheet()
    made.set_title(title)
    if author:
        made.set_author(author)
    made.set_lang(language)
    return made
