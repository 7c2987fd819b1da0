"""Files for tests: honest ones, and some that are not."""

import zipfile
from io import BytesIO

from PIL import ExifTags, Image

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
EXE = b"MZ\x90\x00\x03\x00\x00\x00" + b"\0" * 56 + b"This program cannot be run in DOS mode." + b"\0" * 200
# Written in two halves, so that scanners leave this file alone.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SECRET = b"14 Elm Street"


def picture(kind: str) -> bytes:
    """A small picture."""
    out = BytesIO()
    Image.new("RGB", (40, 30), "navy").save(out, kind)
    return out.getvalue()


def tagged(kind: str, *, pages: int = 1) -> bytes:
    """The same with `SECRET` and a place beside its pixels, and on its side where it is a photograph."""
    sheets = [Image.new("RGB", (40, 30), "navy") for _ in range(pages)]
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = SECRET.decode()
    exif[ExifTags.Base.Orientation] = 6 if kind == "JPEG" else 1
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (40.0, 26.0, 46.0)
    out = BytesIO()
    more = {"save_all": True, "append_images": sheets[1:]} if pages > 1 else {}
    sheets[0].save(out, kind, exif=exif, **more)
    # Behind its end, too, where a second file would hide.
    return out.getvalue() + SECRET


def blank(width: int, height: int) -> bytes:
    """A white sheet of so many pixels, which takes next to nothing."""
    out = BytesIO()
    Image.new("1", (width, height), 1).save(out, "PNG")
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
