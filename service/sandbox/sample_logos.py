"""The logos of the sandbox's apps: simple shapes, drawn here."""

from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageDraw

from oauth.apps import logo_reading
from oauth.apps.logos import Logo

_SIDE = 512
_PAPER = "#fffdf8"
Pen = ImageDraw.ImageDraw


def draw(client_id: str) -> Logo:
    """The logo of a sample app, as if its developer had sent it."""
    ground, shape = _DRAWINGS[client_id]
    canvas = Image.new("RGB", (_SIDE, _SIDE), ground)
    shape(ImageDraw.Draw(canvas))
    sent = BytesIO()
    canvas.save(sent, "PNG")
    return logo_reading.read(sent.getvalue())


def _porch(pen: Pen) -> None:
    pen.polygon([(64, 240), (256, 80), (448, 240), (448, 440), (64, 440)], _PAPER)
    for top in (270, 340):
        pen.rectangle((150, top, 362, top + 32), "#7a4b22")


def _lens(pen: Pen) -> None:
    pen.ellipse((90, 90, 330, 330), outline=_PAPER, width=44)
    pen.line((290, 290, 420, 420), _PAPER, width=60)


def _ledger(pen: Pen) -> None:
    pen.rounded_rectangle((110, 70, 402, 442), 24, _PAPER)
    pen.rectangle((160, 70, 176, 442), "#1b5e4b")
    for top in (150, 220, 290):
        pen.rectangle((210, top, 360, top + 24), "#1b5e4b")


def _calendar(pen: Pen) -> None:
    pen.rounded_rectangle((80, 100, 432, 432), 32, _PAPER)
    pen.rectangle((80, 180, 432, 204), "#8a2f4f")
    for left, top in ((130, 240), (231, 240), (332, 240), (130, 330), (231, 330)):
        pen.rectangle((left, top, left + 50, top + 50), "#8a2f4f")


def _moon(pen: Pen) -> None:
    pen.ellipse((90, 90, 422, 422), _PAPER)
    pen.ellipse((190, 60, 482, 352), "#3c3f77")


def _bars(pen: Pen) -> None:
    for left, top in ((96, 300), (208, 200), (320, 100)):
        pen.rounded_rectangle((left, top, left + 88, 430), 16, _PAPER)


_DRAWINGS: dict[str, tuple[str, Callable[[Pen], None]]] = {
    "sample-app": ("#7a4b22", _porch),
    "browser-app": ("#0b5c8a", _lens),
    "server-app": ("#1b5e4b", _ledger),
    "server-app-post": ("#8a2f4f", _calendar),
    "declined-app": ("#3c3f77", _moon),
    "native-app": ("#a34a12", _bars),
}
