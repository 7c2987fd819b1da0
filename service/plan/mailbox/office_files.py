"""Word and Excel files are ZIP archives (ECMA-376 part 2): which are taken, and what none of their parts may be."""

import re
import zipfile
import zlib
from io import BytesIO

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MAIN_PARTS = {
    b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": WORD,
    b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml": EXCEL,
}
_CONTENT_TYPES = "[Content_Types].xml"
_MOST_PARTS = 2_000
_MOST_UNPACKED = 60 * 1024 * 1024
_MOST_RATIO = 200
_BITE = 256 * 1024
_END = b"PK\x05\x06"
_TEST_VIRUS = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"
_ACTIVE_PART = re.compile(
    r"vbaproject|vbadata|activex|/embeddings/|macrosheets|customui|\.(?:exe|dll|com|scr|js|vbs|bat|cmd|ps1|hta|jar|zip|html?)$",
    re.IGNORECASE,
)
_FOREIGN_TEMPLATE = re.compile(rb"relationships/(?:attachedTemplate|oleObject|frame)", re.IGNORECASE)


class UnusableFile(ValueError):
    """The file is not taken; `name` is its cleaned name and `sentence` says what to do."""

    sentence = "We cannot take this file."

    def __init__(self, name: str) -> None:
        super().__init__(self.sentence)
        self.name = name


class NotAnOfficeFile(UnusableFile):
    """Another archive, or a damaged one."""

    sentence = (
        "We take PDF, PNG, JPEG, TIFF, text, CSV, Word (docx) and Excel (xlsx) files, no archives. "
        "Please attach the files one by one."
    )


class HasMacros(UnusableFile):
    """Macros, embedded programs or a template from elsewhere."""

    sentence = "This file holds macros or embedded objects. Please save it without them, or print it to PDF."


class Overfull(UnusableFile):
    """It would unpack to far more than any document holds."""

    sentence = "This file unpacks to far more than a document holds. Please print it to PDF and attach that."


class LockedFile(UnusableFile):
    """Encrypted."""

    sentence = "This file is locked with a password, so we cannot open it. Please save it without one."


def kind_of(name: str, content: bytes) -> str:
    """WORD or EXCEL; raises UnusableFile for every other archive and for what a document must not hold."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            parts = archive.infolist()
            _require_bounds(name, content, parts)
            return _look_through(name, archive, parts)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as problem:
        if isinstance(problem, UnusableFile):
            raise
        raise NotAnOfficeFile(name) from problem


def _require_bounds(name: str, content: bytes, parts: list[zipfile.ZipInfo]) -> None:
    names = [part.filename for part in parts]
    # The archive ends with its own end record: what follows or stands before it would be a second file.
    if content[-22:-18] != _END or len(set(map(str.casefold, names))) != len(names) or _CONTENT_TYPES not in names:
        raise NotAnOfficeFile(name)
    if any(part.flag_bits & 1 for part in parts):
        raise LockedFile(name)
    if any(each.startswith("/") or "\\" in each or ":" in each or ".." in each.split("/") for each in names):
        raise NotAnOfficeFile(name)
    unpacked = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts) or 1
    if (
        len(parts) > _MOST_PARTS
        or unpacked > _MOST_UNPACKED
        or (unpacked > 1 << 20 and unpacked / packed > _MOST_RATIO)
    ):
        raise Overfull(name)
    if any(_ACTIVE_PART.search(each) for each in names):
        raise HasMacros(name)


def _look_through(name: str, archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> str:
    types = b""
    for part in parts:
        held = _unpacked(archive, part)
        if _TEST_VIRUS in held or held.startswith((b"MZ", b"\x7fELF", b"\xd0\xcf\x11\xe0")):
            raise HasMacros(name)
        if part.filename.endswith(".rels") and b"External" in held and _FOREIGN_TEMPLATE.search(held):
            raise HasMacros(name)
        if part.filename == _CONTENT_TYPES:
            types = held
    if b"macroEnabled" in types or b"vbaProject" in types or b"ms-office.activeX" in types:
        raise HasMacros(name)
    found = [kind for main, kind in _MAIN_PARTS.items() if main in types]
    if len(found) != 1:
        raise NotAnOfficeFile(name)
    return found[0]


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    # In small bites: the reader gives no more than the directory says, but asked for all it would unpack all at once.
    with archive.open(part) as stream:
        return b"".join(iter(lambda: stream.read(_BITE), b""))
