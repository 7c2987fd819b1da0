"""The sheet: Latin, Greek and Cyrillic letters with their accents; a letter that the font lacks is told of, not lost.

The fonts are DejaVu Sans Condensed, cut down to those scripts (docs/decisions/0130-letters-of-papers.md).
"""

import functools
import io
import unicodedata
from pathlib import Path

from flask_babel import gettext
from fpdf import FPDF

from service.papers.paper import SANS

FONTS = Path(__file__).with_name("fonts")
LACKING = "\N{REPLACEMENT CHARACTER}"
_KEPT = frozenset("\n\r\N{SOFT HYPHEN}")


class Sheet(FPDF):
    """A document in letter size whose texts may hold any letter; every text goes through `normalize_text`."""

    def __init__(self) -> None:
        super().__init__(format="letter", unit="mm")
        self._lacking = False
        self._add_letters("", FONTS / "DejaVuSansCondensed.ttf")
        self._add_letters("B", FONTS / "DejaVuSansCondensed-Bold.ttf")

    def normalize_text(self, text: str) -> str:
        """The text as this font can show it: accents joined to their letters, a mark for each letter it lacks."""
        if not self.is_ttf_font:
            return super().normalize_text(text)
        return "".join(map(self._shown, unicodedata.normalize("NFC", text)))

    def write_lines(self, height: float, text: str) -> None:
        """Write `text` in lines of `height` mm over the width of the paper, and go to the next line.

        Flush left: lines stretched to both margins are harder to read.
        """
        self.multi_cell(0, height, text, align="L", new_x="LMARGIN", new_y="NEXT")

    def finish(self) -> bytes:
        """The PDF; where letters were missing, a last line says so."""
        if self._lacking:
            self.ln(4)
            self.set_font(SANS, "", 9)
            told = gettext(
                "Where you see %(mark)s, this paper could not show a letter of the name or word. Our website shows it.",
                mark=LACKING,
            )
            self.write_lines(5, told)
        return bytes(self.output())

    def _add_letters(self, style: str, path: Path) -> None:
        """Add a font and read it from memory: the library would hold its file open as long as the sheet lives."""
        self.add_font(SANS, style, path)
        reader = self.fonts[f"{SANS.lower()}{style}"].ttfont.reader  # type: ignore[union-attr]  # no core font
        reader.file.close()
        reader.file = io.BytesIO(_letters(path))

    def _shown(self, letter: str) -> str:
        if letter in _KEPT or self._has(letter):
            return letter
        if letter.isspace():
            return " "
        if unicodedata.category(letter) in ("Cf", "Mn", "Cc"):
            # Joiners and marks of direction, which nobody sees, and accents for which there is no room.
            return ""
        plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
        if plain and all(map(self._has, plain)):
            return plain
        self._lacking = True
        return LACKING

    def _has(self, letter: str) -> bool:
        return ord(letter) in self.current_font.cmap  # type: ignore[union-attr]  # every font that is no core font has one


@functools.cache
def _letters(path: Path) -> bytes:
    return path.read_bytes()
