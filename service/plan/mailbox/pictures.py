"""Draws a scan or photograph anew: the pixels stay, and nothing else that its file brought along (case 121).

What a camera writes beside a picture tells where somebody lives, and whatever hides behind a picture's end is gone.
"""

import importlib
import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from service.plan.mailbox.attachments import BrokenImage, CheckedFile

LONGEST_SIDE = 5_000
"""Pixels that are kept of the longer side: a sheet of paper at 400 dots an inch."""
MOST_PIXELS = 60_000_000
"""Of all pages of a file: seven sheets at 300 dots an inch, or the largest photograph of a phone."""
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/tiff": "TIFF"}
_QUALITY = 90
# An unpacked file takes up to 300 MB: one at a time in each process.
_one_at_a_time = threading.Lock()


def drawn_anew(file: CheckedFile) -> CheckedFile:
    """The picture in `file` as a new file of its kind, upright, without anything beside its pixels.

    What is no picture comes back as it is. Raises BrokenImage where it cannot be read whole, or has too many pixels.
    """
    kind = _FORMATS.get(file.media_type)
    if kind is None:
        return file
    with _one_at_a_time:
        return CheckedFile(file.name, file.media_type, _drawn_anew(file, kind))


def _drawn_anew(file: CheckedFile, kind: str) -> bytes:
    # Opened at first use: the library would add to every worker, most of which see no picture.
    opener = importlib.import_module("PIL.Image")
    written = BytesIO()
    try:
        with opener.open(BytesIO(file.content), formats=[kind]) as picture:
            first, *others = _pages(picture, file.name)
            if kind == "TIFF":
                first.save(written, kind, save_all=True, append_images=others, compression="tiff_adobe_deflate")
            elif kind == "JPEG":
                first.save(written, kind, quality=_QUALITY, subsampling=0)
            else:
                first.save(written, kind)
    except BrokenImage:
        raise
    except Exception as problem:
        raise BrokenImage(file.name) from problem
    return written.getvalue()


def _pages(picture: Any, name: str) -> Iterator[Any]:
    """Its pages, of which a PNG and a JPEG have one."""
    left = MOST_PIXELS
    for number in range(picture.n_frames if picture.format == "TIFF" else 1):
        if number:
            picture.seek(number)
        # Said by the page's head: no pixel of it has been unpacked yet.
        left -= picture.width * picture.height
        if left < 0:
            raise BrokenImage(name)
        yield _page(picture)


def _page(picture: Any) -> Any:
    image, operations = importlib.import_module("PIL.Image"), importlib.import_module("PIL.ImageOps")
    if picture.format == "JPEG":
        picture.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
    upright = operations.exif_transpose(picture)
    # Black and white and grey stay so, and small; palettes and clear parts become what a page shows.
    wanted = upright.mode if upright.mode in {"1", "L", "RGB"} else "RGB"
    if "transparency" in upright.info or upright.mode in {"RGBA", "LA", "PA"}:
        sheet = image.new("RGBA", upright.size, "white")
        sheet.alpha_composite(upright.convert("RGBA"))
        upright = sheet
    flat = upright if upright.mode == wanted else upright.convert(wanted)
    if max(flat.size) > LONGEST_SIDE:
        flat.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    # A canvas of our own: the picture brings profiles and texts along, which saving would write again.
    canvas = image.new(wanted, flat.size)
    canvas.paste(flat)
    return canvas
