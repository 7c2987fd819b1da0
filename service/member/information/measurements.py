"""Observations put together by what was measured, so that a value is seen over time, and how it is drawn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import groupby
from typing import Any

from flask_babel import gettext, ngettext

from service import days
from service.member.information import charts, record_words
from service.member.information.charts import Chart
from service.member.information.elements import (
    Node,
    as_node,
    code_of,
    day_of,
    is_plain,
    language,
    nodes,
    number,
    text_of,
    told_day,
    told_number,
    told_quantity,
    unit_of,
)

_MOST_SERIES = 3
_LOINC = "http://loinc.org"
_MISTAKES = frozenset({"entered-in-error", "cancelled"})


@dataclass(frozen=True, slots=True)
class Measured:
    """One observation. `parts` are the values of its components, by name, in words."""

    id: str
    when: str
    day: date | None
    value: str
    parts: tuple[tuple[str, str], ...]
    usual: str
    judged: str
    numbers: tuple[tuple[str, str, Decimal], ...]
    """Name of the series, unit and value: what can be drawn."""
    bounds: tuple[Decimal | None, Decimal | None]


@dataclass
class Measurement:
    """One thing that was measured, the newest value first."""

    name: str
    kind: str
    values: list[Measured] = field(default_factory=list)

    @property
    def latest(self) -> Measured:
        """The newest value."""
        return self.values[0]

    @property
    def is_drawn(self) -> bool:
        """Whether there are numbers of several days to draw."""
        return len({one.day for one in self.values if one.numbers and one.day}) > 1


def together(observations: Iterable[Node]) -> list[tuple[str, list[Measurement]]]:
    """What was measured under its heads, each with its values; `observations` come newest first."""
    found: dict[tuple[str, str], Measurement] = {}
    for one in observations:
        if one.get("status") in _MISTAKES:
            continue
        kind, (key, name) = _kind(one), _identity(one)
        found.setdefault((kind, key), Measurement(name, kind)).values.append(_measured(one))
    order = list(record_words.MEASURED)
    every = sorted(found.values(), key=lambda one: (order.index(one.kind), one.name.casefold()))
    return [(str(record_words.MEASURED[kind]), list(some)) for kind, some in groupby(every, key=lambda one: one.kind)]


def of_observation(observations: Iterable[Node], observation_id: str) -> Measurement | None:
    """The measurement to which an observation belongs."""
    every = (one for _head, some in together(observations) for one in some)
    return next((one for one in every if any(value.id == observation_id for value in one.values)), None)


def chart_of(measurement: Measurement) -> Chart | None:
    """The values over time, the usual range behind them where the newest value has one."""
    if not measurement.is_drawn:
        return None
    series: dict[tuple[str, str], list[tuple[float, Decimal]]] = {}
    for one in reversed(measurement.values):
        for name, unit, value in one.numbers if one.day else ():
            series.setdefault((name, unit), []).append((_moment(one.day), value))
    # Values of another unit would be drawn to a wrong scale: those of the newest value's count, the table has them all.
    units = {unit for _name, unit, _value in measurement.latest.numbers} or {next(iter(series))[1]}
    unit = sorted(units)[0]
    drawn = [(name, pairs) for (name, own), pairs in series.items() if own == unit][:_MOST_SERIES]
    if not drawn:
        return None
    title = gettext("%(name)s over time", name=measurement.name)
    named = f"{title} ({unit})" if unit else title
    usual = measurement.latest.bounds if len(drawn) == 1 else (None, None)
    return charts.lines(named, _description(drawn, unit, usual), drawn, told_number, _day_of, usual)


def _description(drawn: list[tuple[str, list[tuple[float, Decimal]]]], unit: str, usual: tuple[Any, Any]) -> str:
    told = []
    for name, pairs in drawn:
        lowest, highest = min(value for _, value in pairs), max(value for _, value in pairs)
        count = ngettext("%(num)s value", "%(num)s values", len(pairs))
        told.append(gettext(
            "%(name)s: %(count)s from %(lowest)s to %(highest)s %(unit)s, the newest %(latest)s.", name=name,
            count=count, lowest=told_number(lowest), highest=told_number(highest), unit=unit,
            latest=told_number(pairs[-1][1]),
        ).replace(" ,", ","))  # fmt: skip
    if usual != (None, None):
        told.append(gettext("The band shows the usual range."))
    return " ".join(told)


def _moment(day: date | None) -> float:
    assert day is not None
    return datetime.combine(day, time(), UTC).timestamp()


def _day_of(moment: float) -> str:
    return days.in_words(datetime.fromtimestamp(moment, UTC).date(), language())


def _measured(one: Node) -> Measured:
    when = (one.get("effectiveDateTime"), one.get("effectiveInstant"), one.get("effectivePeriod"), one.get("issued"))
    parts, numbers = [], []
    own = _drawn(one)
    name = text_of(one.get("code"))
    if own is not None:
        numbers.append((name, unit_of(one["valueQuantity"]), own))
    for part in nodes(one.get("component")):
        value = _value(part)
        if value:
            parts.append((text_of(part.get("code")), value))
        if own is None and (found := _drawn(part)) is not None:
            numbers.append((text_of(part.get("code")), unit_of(part["valueQuantity"]), found))
    return Measured(
        id=str(one["id"]), when=told_day(*when), day=day_of(*when), value=_value(one), parts=tuple(parts),
        usual=_usual(one), judged=_judged(one), numbers=tuple(numbers), bounds=_bounds(one),
    )  # fmt: skip


def _drawn(node: Node, name: str = "valueQuantity") -> Decimal | None:
    found = number(as_node(node.get(name)).get("value"))
    return found if found is not None and is_plain(found) else None


def _value(node: Node) -> str:
    if "valueQuantity" in node:
        return told_quantity(node["valueQuantity"])
    if "valueCodeableConcept" in node:
        return text_of(node["valueCodeableConcept"])
    if isinstance(node.get("valueBoolean"), bool):
        return str(gettext("Yes") if node["valueBoolean"] else gettext("No"))
    for name in ("valueString", "valueInteger", "valueTime"):
        if name in node:
            return str(node[name])
    if "valueDateTime" in node:
        return told_day(node["valueDateTime"])
    if "valueRange" in node:
        return _range(as_node(node["valueRange"]))
    if "dataAbsentReason" in node and "component" not in node:
        return str(gettext("No value: %(reason)s", reason=text_of(node["dataAbsentReason"])))
    return ""


def _usual(one: Node) -> str:
    for found in nodes(one.get("referenceRange")):
        if told := str(found.get("text") or "") or _range(found):
            return told
    return ""


def _range(node: Node) -> str:
    low, high = told_quantity(node.get("low")), told_quantity(node.get("high"))
    if low and high:
        return str(gettext("%(low)s to %(high)s", low=low, high=high))
    if low:
        return str(gettext("%(low)s or more", low=low))
    return str(gettext("%(high)s or less", high=high)) if high else ""


def _bounds(one: Node) -> tuple[Decimal | None, Decimal | None]:
    unit = unit_of(one.get("valueQuantity"))
    for found in nodes(one.get("referenceRange")):
        sides = [as_node(found.get(side)) for side in ("low", "high")]
        if any(sides) and all(not side or unit_of(side) in {unit, ""} for side in sides):
            return _drawn(found, "low"), _drawn(found, "high")
    return None, None


def _judged(one: Node) -> str:
    return ", ".join(
        filter(None, (record_words.judged(code_of(part), text_of(part)) for part in nodes(one.get("interpretation"))))
    )


def _kind(one: Node) -> str:
    codes = map(code_of, nodes(one.get("category")))
    return next((code for code in codes if code in record_words.MEASURED), "other")


def _identity(one: Node) -> tuple[str, str]:
    """By what values belong together, and the name: the LOINC code, else the first, else the text."""
    name = text_of(one.get("code"))
    codings: list[Node] = list(nodes(as_node(one.get("code")).get("coding")))
    key: Iterator[str] = (str(each.get("code")) for each in codings if each.get("system") == _LOINC)
    return next(key, "") or code_of(one.get("code")) or name, name
