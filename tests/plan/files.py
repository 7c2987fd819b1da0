"""Files for tests: honest ones, and some that are not."""

import zipfile
from io import BytesIO

from PIL import Image

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
EXE = b"MZ\x90\x00\x03\x00\x00\x00" + b"\0" * 56 + b"This program cannot be run in DOS mode." + b"\0" * 200
# Written in two halves, so that scanners leave this file alone.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def picture(kind: str) -> bytes:
    """A small picture."""
    out = BytesIO()
    Image.new("RGB", (40, 30), "navy").save(out, kind)
    return out.getvalue()


def zipped(parts: dict[str, bytes]) -> bytes:
    """An archive of these parts."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def word(
    extra: dict[str, bytes] | None = None, *, main: str = "wordprocessingml.document", types: bytes = b""
) -> bytes:  # fmt: skip
    """A Word file, or another kind by `main`, with extra parts."""
    declared = f"application/vnd.openxmlformats-officedocument.{main}.main+xml".encode()
    parts = {
        "[Content_Types].xml": b'<?xml version="1.0"?><Types><Override ContentType="' + declared + b'"/>' + types,
        "_rels/.rels": b"<Relationships/>",
        "word/document.xml": b"<w:document><w:t>Hello</w:t></w:document>",
    }
    return zipped(parts | (extra or {}))
