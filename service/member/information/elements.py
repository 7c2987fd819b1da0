"""Elements of FHIR resources as texts, days and numbers for people; whatever is not there or odd reads as nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import format_currency, format_decimal
from flask_babel import get_locale, gettext

from fhir.compartment import literal
from service import days
from service.web import settings

Node = Mapping[str, Any]
_UNITS = {
    "Cel": "°C", "[degF]": "°F", "mm[Hg]": "mmHg", "kg/m2": "kg/m²", "/min": "/min", "[lb_av]": "lb", "[in_i]": "in",
    "{score}": "", "{INR}": "", "1": "",
}  # fmt: skip
"""UCUM codes as people write them."""
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Names:
    """What the people, places and medicines are called that records refer to, by (type, id)."""

    by_target: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, named: Iterator[dict[str, Any]]) -> "Names":
        """The names in the shared resources that came along."""
        return cls({(one["resourceType"], one["id"]): _name_of(one) for one in named})

    def of_reference(self, reference: Any) -> str:
        """What a reference points to, by its own words or by the resource that it names."""
        node = as_node(reference)
        target = literal(node.get("reference"))
        return str(node.get("display") or (self.by_target.get(target, "") if target else ""))


def _name_of(resource: Node) -> str:
    if resource["resourceType"] == "Practitioner":
        return person_name(resource.get("name"))
    if resource["resourceType"] == "Medication":
        return text_of(resource.get("code"))
    return str(resource.get("name") or "")


def person_name(names: Any) -> str:
    """A HumanName list as people write a name."""
    for name in nodes(names):
        if name.get("text"):
            return str(name["text"])
        given = [str(one) for one in name.get("given") or ()]
        parts = [*map(str, name.get("prefix") or ()), *given, str(name.get("family") or "")]
        return " ".join(part for part in parts if part)
    return ""


def text_of(concept: Any) -> str:
    """A CodeableConcept in words: its text, else the display of a coding, else the first code."""
    node = as_node(concept)
    if node.get("text"):
        return str(node["text"])
    codings = list(nodes(node.get("coding")))
    shown = (coding.get("display") for coding in codings)
    return str(next(filter(None, shown), None) or next((one["code"] for one in codings if one.get("code")), ""))


def texts_of(concepts: Any) -> str:
    """Several of them."""
    return ", ".join(dict.fromkeys(filter(None, map(text_of, nodes(concepts)))))


def code_of(concept: Any) -> str:
    """The first code of a CodeableConcept, or of a bare Coding or code."""
    if isinstance(concept, str):
        return concept
    node = as_node(concept)
    return next((str(one["code"]) for one in nodes(node.get("coding")) if one.get("code")), str(node.get("code") or ""))


def day_of(*values: Any) -> date | None:
    """The first of these dates, instants or Periods (of which the start counts) as a day; partial ones at their start.

    An instant is taken in the plan's time zone, in which people remember it.
    """
    for value in values:
        text = value.get("start") or value.get("end") if isinstance(value, dict) else value
        if isinstance(text, str) and (found := _day(text)):
            return found
    return None


def _day(text: str) -> date | None:
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            return _there(moment) if moment.tzinfo else moment.date()
        return date.fromisoformat({4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text))
    except ValueError:
        return None


def _there(moment: datetime) -> date:
    try:
        return moment.astimezone(settings().plan.timezone).date()
    except OverflowError:
        # At the ends of the calendar, where some write what has no end.
        return moment.date()


def told_day(*values: Any) -> str:
    """A date as exactly as it was given: a year, a month and year, or a day."""
    for value in values:
        text = value.get("start") or value.get("end") if isinstance(value, dict) else value
        found = _day(text) if isinstance(text, str) else None
        if found is None or not isinstance(text, str):
            continue
        if len(text) == 4:
            return text
        return days.in_words(found, language()) if len(text) > 7 else days.month_in_words(found, language())
    return ""


def told_period(period: Any) -> str:
    """A Period in words; open ends say so."""
    node = as_node(period)
    first, last = told_day(node.get("start")), told_day(node.get("end"))
    if first and last:
        return first if first == last else str(gettext("%(first)s to %(last)s", first=first, last=last))
    if first:
        return str(gettext("since %(day)s", day=first))
    return str(gettext("until %(day)s", day=last)) if last else ""


def number(value: Any) -> Decimal | None:
    """A number, from JSON's or a text."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def is_plain(value: Decimal) -> bool:
    """Whether a number can be written in digits that anybody reads, and drawn."""
    return abs(value.adjusted()) <= _MOST_DIGITS and len(value.as_tuple().digits) <= _MOST_DIGITS


def told_number(value: Decimal) -> str:
    """A number as it was measured: no more digits and no fewer."""
    if not is_plain(value):
        return str(value)
    places = max(0, -int(value.as_tuple().exponent))
    return str(format_decimal(value, format="#,##0" + ("." + "0" * places if places else ""), locale=region()))


def unit_of(quantity: Any) -> str:
    """The unit of a Quantity as people write it."""
    node = as_node(quantity)
    code = str(node.get("code") or "")
    if code in _UNITS:
        return _UNITS[code]
    unit = str(node.get("unit") or code)
    return _UNITS.get(unit, "" if unit.startswith("{") else unit)


def told_quantity(quantity: Any) -> str:
    """A Quantity: number and unit, with what it is compared by."""
    node = as_node(quantity)
    value = number(node.get("value"))
    if value is None:
        return ""
    unit = unit_of(node)
    gap = "" if unit == "%" else "\u00a0"
    return f"{node.get('comparator') or ''}{told_number(value)}{gap}{unit}".rstrip("\u00a0")


def told_money(amount: Decimal | None) -> str:
    """US dollars; a dash where nothing is said."""
    if amount is None:
        return "\u2013"
    return str(format_currency(amount, "USD", locale=region())) if is_plain(amount) else f"${amount}"


def language() -> str:
    """The language of the page."""
    found = get_locale()
    return found.language if found else "en"


def region() -> str:
    """The locale for numbers: of the United States in either language, so that 1,234.50 is never read as 1.2345."""
    return f"{language()}_US"


def as_node(value: Any) -> Node:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def nodes(value: Any) -> Iterator[Node]:
    """The objects of a list."""
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
