"""Names on paper: as people write them, and told of where a letter cannot be shown."""

from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from service.papers.paper import SANS, new_sheet
from tests.papers import words_of


def written(text: str, style: str = "") -> str:
    sheet = new_sheet("Names")
    sheet.add_page()
    sheet.set_font(SANS, style, 11)
    sheet.write_lines(6, text)
    return words_of(sheet.finish())


@pytest.mark.parametrize("style", ["", "B"])
@pytest.mark.parametrize(
    "name", ["Łukasz Čapek", "Nguyễn Thị Hạnh", "Ελένη Παπαδοπούλου", "Олена Ґонта", "José Ñandú", "“Zoë” · 20 €"]
)
def test_a_name_is_written_as_its_owner_writes_it(name: str, style: str) -> None:
    assert written(name, style) == name


def test_accents_that_come_apart_are_joined_to_their_letters() -> None:
    assert written("Zoe\u0308 C\u030capek") == "Zo\u00eb \u010capek"


def test_letters_of_other_widths_are_written_plainly_and_what_nobody_sees_is_left_out() -> None:
    assert written("\uff21\uff22 \u200bC\u2060D\u3000E") == "AB CD E"


def test_a_letter_that_the_font_lacks_is_marked_and_told_of_once() -> None:
    words = written("Wang 中文")
    assert words.startswith("Wang \ufffd\ufffd Where you see \ufffd, this paper could not show a letter")
    assert "Where" not in written("Wang")


def test_a_paper_says_its_title_author_and_language() -> None:
    sheet = new_sheet("Información de Łukasz", author="Plan", language="es-US")
    sheet.add_page()
    read = PdfReader(BytesIO(sheet.finish()))
    assert read.metadata is not None
    assert (read.metadata.title, read.metadata.author) == ("Información de Łukasz", "Plan")
    assert str(read.root_object["/Lang"]) == "es-US"


def test_a_sheet_holds_no_file_open() -> None:
    sheet = new_sheet("Begun")
    sheet.add_page()
    held = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not [name for name in held if name.endswith(".ttf")]
    assert sheet.finish()
