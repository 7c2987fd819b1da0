"""Pictures as developers and others send them."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (600, 300), mode: str = "RGB", **given: Any) -> bytes:
    """A picture of this kind: red on the left, blue on the right."""
    made = Image.new(mode, size, "blue" if mode != "1" else 0)
    if mode != "1":
        made.paste("red", (0, 0, size[0] // 2, size[1]))
    return saved(made, kind, **given)


def saved(made: Image.Image, kind: str, **given: Any) -> bytes:
    """The file of a picture."""
    written = BytesIO()
    made.save(written, kind, **given)
    return written.getvalue()


def chunks(png: bytes) -> list[str]:
    """The names of a PNG's chunks, in order; nothing may follow the last."""
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.append(png[at + 4 : at + 8].decode("ascii"))
        at += 12 + length
    assert at == len(png)
    return found


def png_head(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds hardly anything."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"\0" * 64)) + _chunk(b"IEND", b"")
    )


def webp_head(width: int, height: int) -> bytes:
    """A moving WebP that claims a size: the canvas is made by the decoder before it tells its size."""
    still = picture("WEBP", (16, 16))[12:]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frame = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes(4) + still
    parts = _riff(b"VP8X", b"\x02\0\0\0" + size) + _riff(b"ANIM", bytes(6)) + _riff(b"ANMF", frame)
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


def jpeg_of_many_scans(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: few bytes, and a walk over the whole picture for each."""
    whole = picture("JPEG", (1024, 1024), progressive=True)
    last, end = whole.rindex(b"\xff\xda"), whole.rindex(b"\xff\xd9")
    return whole[:last] + whole[last:end] * scans + whole[end:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
