"""The words that a person reads on the pages, in the story's language, out of the product's own catalogue."""

from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

_CATALOGUES = Path(__file__).parents[2] / "service/translations"


class Words:
    """Calls an English text of the catalogue by its words in `language`."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, english: str, **values: str) -> str:
        text = english if self.language == "en" else _catalogue(self.language)[english]
        return text % values if values else text


@cache
def _catalogue(language: str) -> dict[str, str]:
    with (_CATALOGUES / language / "LC_MESSAGES/messages.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file, locale=language) if message.string}
