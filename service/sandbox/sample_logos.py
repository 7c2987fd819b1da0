"""The logos of the sandbox's apps: simple shapes, drawn here."""

from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageDraw

from oauth.apps import logo_reading
from oauth.apps.logos import Logo

_SIDE = 512
_PAPER = "#fffdf8"
Pen = ImageDraw.ImageDraw


def draw(app: str) -> Logo:
    """The logo of an app, by the id or name it has in the sandbox, as if its developer had sent it."""
    ground, shape = _DRAWINGS[app]
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


def _harbor(pen: Pen) -> None:
    pen.polygon([(240, 80), (240, 300), (110, 300)], _PAPER)
    pen.polygon([(272, 130), (272, 300), (400, 300)], _PAPER)
    pen.polygon([(80, 330), (432, 330), (360, 430), (152, 430)], _PAPER)


def _pill(pen: Pen) -> None:
    pen.rounded_rectangle((100, 190, 412, 322), 66, _PAPER)
    pen.rectangle((248, 190, 264, 322), "#5b2a6f")


def _drop(pen: Pen) -> None:
    pen.polygon([(256, 70), (380, 290), (132, 290)], _PAPER)
    pen.ellipse((122, 200, 390, 440), _PAPER)


def _compass(pen: Pen) -> None:
    pen.ellipse((80, 80, 432, 432), outline=_PAPER, width=36)
    pen.polygon([(256, 130), (310, 256), (256, 382), (202, 256)], _PAPER)


def _lantern(pen: Pen) -> None:
    pen.rounded_rectangle((170, 150, 342, 420), 40, _PAPER)
    pen.arc((190, 70, 322, 230), 180, 360, _PAPER, 24)
    pen.ellipse((226, 240, 286, 330), "#20606b")


def _kite(pen: Pen) -> None:
    pen.polygon([(256, 60), (400, 220), (256, 380), (112, 220)], _PAPER)
    pen.line((256, 380, 300, 460), _PAPER, width=20)


def _coin(pen: Pen) -> None:
    pen.ellipse((96, 96, 416, 416), _PAPER)
    pen.rectangle((236, 170, 276, 342), "#6d5a00")


_DRAWINGS: dict[str, tuple[str, Callable[[Pen], None]]] = {
    "sample-app": ("#7a4b22", _porch),
    "browser-app": ("#0b5c8a", _lens),
    "server-app": ("#1b5e4b", _ledger),
    "server-app-post": ("#8a2f4f", _calendar),
    "keyed-app": ("#1f4f7a", _harbor),
    "declined-app": ("#3c3f77", _moon),
    "native-app": ("#a34a12", _bars),
    "medicine-app": ("#5b2a6f", _pill),
    "condition-app": ("#8f1d21", _drop),
    "Copay Compass": ("#27496d", _compass),
    "Pill Lantern": ("#20606b", _lantern),
    "Vital Kite": ("#3d6b21", _kite),
    "Quick Coin Health": ("#6d5a00", _coin),
}
