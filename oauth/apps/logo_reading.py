"""Reads the picture that is sent as an app's logo and draws it anew: nothing of the file itself is kept (case 73)."""

import re
from io import BytesIO

from PIL import Image, ImageOps

from oauth.apps.logos import Logo

MOST_BYTES = 1024 * 1024
MOST_PIXELS = 2048 * 2048
SIDE = 192
"""Pixels of the longer side of what is kept, at most: three for each of those in which a page shows a logo."""
COLORS = 64
"""As many as a logo is drawn in: a page of the gallery shows ten, and weighs less than 100 kB with all of them."""
WHAT_TO_SEND = "Send the logo as a PNG, JPEG, WebP or GIF file of at most 1 MB and 2048 by 2048 pixels."
_SIGNATURES = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
# A progressive JPEG has some ten scans. Each costs a walk over the whole picture, however few bytes it takes.
_START_OF_SCAN = b"\xff\xda"
_MOST_SCANS = 100


class LogoRefused(Exception):
    """This file is no logo for us. `reason` says to the developer what to send."""

    def __init__(self, why: str) -> None:
        self.reason = f"{why} {WHAT_TO_SEND}"
        super().__init__(self.reason)


def read(sent: bytes) -> Logo:
    """The logo in a file, whatever its name said; of a moving picture the first frame. Raises LogoRefused."""
    if len(sent) > MOST_BYTES:
        raise LogoRefused("The file is too large.")
    kind = next((kind for kind, signature in _SIGNATURES.items() if signature.match(sent)), None)
    if kind is None:
        raise LogoRefused("This is not a picture that we can show.")
    if kind == "JPEG" and sent.count(_START_OF_SCAN) > _MOST_SCANS:
        raise LogoRefused("The file has more layers than a picture needs.")
    return Logo(_drawn_anew(sent, kind))


def _drawn_anew(sent: bytes, kind: str) -> bytes:
    try:
        with Image.open(BytesIO(sent), formats=[kind]) as picture:
            _require_bounded(picture)
            return _as_png(picture)
    except LogoRefused:
        raise
    except Exception:  # noqa: BLE001 - decoders raise whatever a broken file leads them into
        raise LogoRefused("The file is damaged, or no picture.") from None


def _require_bounded(picture: Image.Image) -> None:
    # Said by the file's head: no pixel has been unpacked yet.
    if picture.width * picture.height > MOST_PIXELS:
        raise LogoRefused("The picture has too many pixels.")


def _as_png(picture: Image.Image) -> bytes:
    small = ImageOps.exif_transpose(picture).convert("RGBA")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    # A canvas of our own: the picture brings profiles and texts along, which saving would write again.
    canvas = Image.new("RGBA", small.size)
    canvas.paste(small)
    written = BytesIO()
    # The one method for pictures with clear parts.
    canvas.quantize(COLORS, method=Image.Quantize.FASTOCTREE).save(written, "PNG", optimize=True)
    return written.getvalue()
