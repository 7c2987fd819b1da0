"""Files that come with a message: which kinds are taken, found out from their content, and the name they keep.

A file is never opened here beyond what telling its kind needs, and is given out again only as a download. What a
signature scanner would find is not found here (docs/decisions/0031-mailbox-files.md).
"""

import importlib
import re
import struct
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from service.plan.mailbox import office_files
from service.plan.mailbox.office_files import UnusableFile
from service.plan.mailbox.plain_text import without_misleading

if TYPE_CHECKING:
    from puremagic import PureMagicWithConfidence

MOST_FILES = 5
MOST_BYTES = 10 * 1024 * 1024
_MOST_PIXELS = 80_000_000
_LONGEST_NAME = 120
_ZIP = b"PK\x03\x04"
_END_OF_ZIP = b"PK\x05\x06"
_TEST_VIRUS = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"
_MARKUP = re.compile(rb"<(?:!doctype|html|script|svg|iframe|body|head|\?php|\?xml|object|embed)", re.IGNORECASE)
_ACTIVE_PDF = re.compile(rb"/(?:JavaScript|Launch|EmbeddedFile|RichMedia)\b")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_BROKEN_IMAGE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
)  # fmt: skip


class EmptyFile(UnusableFile):
    """No bytes."""

    sentence = "This file is empty. Please choose it again."


class FileTooLarge(UnusableFile):
    """More than the limit."""

    sentence = "This file is larger than 10 MB. Please split it or send fewer pages."


class TooManyFiles(UnusableFile):
    """More files than a message takes."""

    sentence = "A message takes up to 5 files. Please send the others with a second message."


class WrongKind(UnusableFile):
    """The content is none of the kinds that are taken, whatever the name says."""

    sentence = "We take PDF, PNG, JPEG, TIFF, text, CSV, Word (docx) and Excel (xlsx) files. This one is none of them."


class HarmfulFile(UnusableFile):
    """The content is two things at once, or known to be harmful."""

    sentence = (
        "This file looks harmful, so we did not take it. Please save it anew from its program, or print it to PDF."
    )


class ActivePdf(UnusableFile):
    """A PDF with a program or a file in it."""

    sentence = "This PDF holds a program or another file. Please print it to a new PDF and attach that."


class BrokenImage(UnusableFile):
    """No image program could read it, or it is far too large a picture."""

    sentence = "We could not read this picture. Please save it again as PNG, JPEG or PDF."


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that may be kept: its cleaned name and the media type of its content."""

    name: str
    media_type: str
    content: bytes


def check_all(files: Sequence[tuple[str, bytes]]) -> list[CheckedFile]:
    """The (name, content) pairs as they may be kept; raises UnusableFile for the first that may not."""
    if len(files) > MOST_FILES:
        raise TooManyFiles(clean_name(files[MOST_FILES][0]))
    return [check(name, content) for name, content in files]


def check(name: str, content: bytes) -> CheckedFile:
    """One file as it may be kept; raises UnusableFile, which tells the cleaned name and says what to do."""
    cleaned = clean_name(name)
    if not content:
        raise EmptyFile(cleaned)
    if len(content) > MOST_BYTES:
        raise FileTooLarge(cleaned)
    if _TEST_VIRUS in content:
        raise HarmfulFile(cleaned)
    media_type = _sniff(cleaned, content)
    return CheckedFile(_with_extension(cleaned, media_type), media_type, content)


def clean_name(name: str) -> str:
    """The last part of a path as a plain name of at most 120 characters (240 bytes); `file` where nothing is left."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    letters = re.sub(r'[<>:"|?*]', "_", without_misleading(last))
    cleaned = " ".join(letters.split()).strip(" .")
    if _DEVICES.fullmatch(cleaned):
        cleaned = f"_{cleaned}"
    return _shortened(cleaned) or "file"


def _shortened(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 5:
        stem, extension = name, ""
    end = f".{extension}" if extension else ""
    room = _LONGEST_NAME - len(end)
    stem = stem[:room]
    while len(f"{stem}{end}".encode()) > 240:
        stem = stem[:-1]
    return f"{stem.strip(' .')}{end}" if stem else end.lstrip(".")


def _sniff(name: str, content: bytes) -> str:
    if content.startswith(_ZIP):
        return office_files.kind_of(name, content)
    found = {match.mime_type for match in _matches(content) if match.offset == 0}
    for media_type, (_extensions, verify) in _KINDS.items():
        if media_type in found:
            verify(name, content)
            return media_type
    return _text_kind(name, content)


def _matches(content: bytes) -> "list[PureMagicWithConfidence]":
    # Opened at first use: its table of signatures takes a megabyte.
    library = importlib.import_module("puremagic")
    try:
        found: list[PureMagicWithConfidence] = library.magic_string(content)
    except library.PureError:
        return []
    return found


def _verify_pdf(name: str, content: bytes) -> None:
    if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-1024:]:
        raise WrongKind(name)
    if _MARKUP.search(content[:1024]) or _MARKUP.search(content[content.rfind(b"%%EOF") :]):
        raise HarmfulFile(name)
    _refuse_second_nature(name, content)
    # A name may be written with #xx for any of its letters (ISO 32000-1 §7.3.5).
    if _ACTIVE_PDF.search(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), content)):
        raise ActivePdf(name)


def _verify_image(kind: str) -> Callable[[str, bytes], None]:
    def verify(name: str, content: bytes) -> None:
        # Opened at first use: the library would add to every worker, most of which see no picture.
        opener = importlib.import_module("PIL.Image")
        try:
            with opener.open(BytesIO(content), formats=[kind]) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise BrokenImage(name)
                image.verify()
        except (*_BROKEN_IMAGE, opener.DecompressionBombError, opener.DecompressionBombWarning) as problem:
            raise BrokenImage(name) from problem
        if _MARKUP.search(content.replace(b"<?xml", b"").replace(b"<?XML", b"")):
            raise HarmfulFile(name)
        _refuse_second_nature(name, content)

    return verify


def _refuse_second_nature(name: str, content: bytes) -> None:
    # A ZIP is read from its end, an executable from its start: both can hide in a file of another kind.
    if _END_OF_ZIP in content[-66_000:]:
        raise HarmfulFile(name)


def _text_kind(name: str, content: bytes) -> str:
    text = _decoded(content)
    if text is None:
        raise WrongKind(name)
    if text.lstrip("\ufeff \t\r\n").startswith(("<", "#!", "{\\rtf", "%!")) or _MARKUP.search(content[:4096]):
        raise WrongKind(name)
    return "text/csv" if name.casefold().endswith(".csv") else "text/plain"


def _decoded(content: bytes) -> str | None:
    """The text of a text file; None where it holds what no text holds."""
    for encoding in ("utf-8", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return (
            None if any(unicodedata.category(sign) == "Cc" and sign not in "\t\r\n\f" for sign in set(text)) else text
        )
    return None


def _with_extension(name: str, media_type: str) -> str:
    extensions = _KINDS[media_type][0] if media_type in _KINDS else _EXTENSIONS[media_type]
    return name if name.casefold().endswith(extensions) else f"{name}{extensions[0]}"


_KINDS: dict[str, tuple[tuple[str, ...], Callable[[str, bytes], None]]] = {
    "application/pdf": ((".pdf",), _verify_pdf),
    "image/png": ((".png",), _verify_image("PNG")),
    "image/jpeg": ((".jpg", ".jpeg"), _verify_image("JPEG")),
    "image/tiff": ((".tif", ".tiff"), _verify_image("TIFF")),
}
_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "text/plain": (".txt", ".text", ".log"),
    "text/csv": (".csv",),
    office_files.WORD: (".docx",),
    office_files.EXCEL: (".xlsx",),
}
