"""Where the bars, lines and labels of a chart stand. Drawn as SVG by `member/_chart.html`, without any script.

Coordinates are those of a view box 360 wide, as a phone is, so that letters stay readable on the narrowest one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log10

WIDTH, HEIGHT = 360, 230
_TOP, _BOTTOM, _RIGHT = 16, 28, 10
_LEFT = 58
_LOW = HEIGHT - _BOTTOM
_LETTER = 7.2
"""How wide a letter of an axis is, roughly."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A label of an axis and where it stands."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a stacked bar; `kind` tells its series (0, 1)."""

    x: float
    y: float
    width: float
    height: float
    kind: int


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """Measurements of one series in order of time; `path` joins them, and is empty for a single one."""

    points: tuple[Point, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Band:
    """The usual range of a measurement, as far as it lies within the chart."""

    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to be drawn: axes, and bars or lines. `title` and `description` are for those who hear it."""

    title: str
    description: str
    values: tuple[Mark, ...]
    moments: tuple[Mark, ...]
    series: tuple[str, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    band: Band | None = None
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    bottom: float = _LOW
    width: int = WIDTH
    height: int = HEIGHT


def bars(
    title: str, description: str, series: Sequence[str], columns: Sequence[tuple[str, Sequence[Decimal]]],
    told: Callable[[Decimal], str],
) -> Chart:  # fmt: skip
    """Stacked bars: for each column its label and one amount, not negative, for each of the series."""
    most = max((sum(amounts, Decimal()) for _label, amounts in columns), default=Decimal())
    ticks = _ticks(0.0, float(most) or 1.0)
    left = _margin([told(_decimal(tick)) for tick in ticks])
    room = (WIDTH - _RIGHT - left) / max(len(columns), 1)
    width = min(room * 0.7, 44)
    drawn: list[Bar] = []
    for place, (_label, amounts) in enumerate(columns):
        x, y = left + room * (place + 0.5) - width / 2, float(_LOW)
        for kind, amount in enumerate(amounts):
            height = float(amount) / ticks[-1] * (_LOW - _TOP)
            y -= height
            if amount:
                drawn.append(Bar(_short(x), _short(y), _short(width), _short(height), kind))
    moments = tuple(Mark(_short(left + room * (place + 0.5)), label) for place, (label, _) in enumerate(columns))
    values = tuple(Mark(_height(tick, ticks), told(_decimal(tick))) for tick in ticks)
    return Chart(title, description, values, moments, tuple(series), bars=tuple(drawn), left=left)


def lines(
    title: str, description: str, series: Sequence[tuple[str, Sequence[tuple[float, Decimal]]]],
    told: Callable[[Decimal], str], told_moment: Callable[[float], str],
    usual: tuple[Decimal | None, Decimal | None] = (None, None),
) -> Chart:  # fmt: skip
    """Lines over time: each series has a name and (moment, value) pairs in order; `usual` is drawn as a band."""
    every = [pair for _name, pairs in series for pair in pairs]
    first, last = min(at for at, _ in every), max(at for at, _ in every)
    given = [float(value) for _at, value in every] + [float(one) for one in usual if one is not None]
    ticks = _ticks(min(given), max(given))
    left = _margin([told(_decimal(tick)) for tick in ticks])
    across = WIDTH - _RIGHT - left - 12

    def x_of(at: float) -> float:
        # A little aside of the axes, so that a mark is never cut.
        return _short(left + 6 + (across * (at - first) / (last - first) if last > first else across / 2))

    drawn = []
    for _name, pairs in series:
        points = tuple(Point(x_of(at), _height(float(value), ticks)) for at, value in pairs)
        path = " ".join(f"{point.x},{point.y}" for point in points) if len(points) > 1 else ""
        drawn.append(Line(points, path))
    moments = [Mark(x_of(at), told_moment(at)) for at in ((first, last) if last > first else (first,))]
    values = tuple(Mark(_height(tick, ticks), told(_decimal(tick))) for tick in ticks)
    return Chart(
        title, description, values, tuple(moments), tuple(name for name, _ in series), lines=tuple(drawn),
        band=_band(usual, ticks), left=left,
    )  # fmt: skip


def _band(usual: tuple[Decimal | None, Decimal | None], ticks: Sequence[float]) -> Band | None:
    low, high = usual
    if low is None and high is None:
        return None
    top = _height(float(high), ticks) if high is not None else float(_TOP)
    bottom = _height(float(low), ticks) if low is not None else float(_LOW)
    return Band(top, _short(bottom - top)) if bottom > top else None


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most `low` to at least `high`, four to six of them."""
    spread = (high - low) or abs(high) or 1.0
    step = 10.0 ** floor(log10(spread / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if spread / (step * factor) <= 5)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    if first == last:
        last += 1
    return [step * place for place in range(first, last + 1)]


def _height(value: float, ticks: Sequence[float]) -> float:
    return _short(_LOW - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (_LOW - _TOP))


def _margin(labels: Sequence[str]) -> float:
    return _short(10 + _LETTER * max(map(len, labels)))


def _decimal(tick: float) -> Decimal:
    return Decimal(f"{tick:.6g}")


def _short(number: float) -> float:
    return round(number, 1)
