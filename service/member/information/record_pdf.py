"""The record as PDF: real text in the order of the pages, tables of costs and values, to print and to read aloud."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flask_babel import get_locale, gettext
from sqlalchemy.orm import Session

from service.clock import now
from service.days import day_in_words, in_words
from service.member.acting import Actor
from service.member.information import claims_shown, cost_words, elements, entries, reading
from service.member.information.claims_shown import ShownClaim, Sums
from service.member.information.cost_words import CostWords
from service.member.information.measurements import Measured
from service.member.information.reading import Found
from service.member.information.sections import CLAIMS, RESULTS, Section, reached
from service.papers.paper import SANS, new_sheet
from service.plan_file import Plan

if TYPE_CHECKING:
    from service.papers.sheets import Sheet

_LINE = 5.5
_LONGEST_CELL, _MOST_LINES = 300, 10


def render(session: Session, actor: Actor, plan: Plan) -> bytes:
    """The PDF, in the language of the page."""
    title = gettext("My information")
    member = actor.choice.member
    document = new_sheet(f"{title}: {member.full_name}", author=plan.name, language=elements.language())
    document.set_margins(18, 18)
    document.set_auto_page_break(True, margin=18)
    document.add_page()
    _head(document, f"{plan.name}: {title}", 16, level=0)
    _text(document, f"{member.full_name}, {gettext('Member ID')}: {member.member_number}")
    made = day_in_words(now(), plan.timezone, get_locale() or "en")
    _text(document, gettext("Made on %(day)s. Keep this document in a safe place.", day=made))
    if not actor.choice.is_self:
        _text(document, gettext("Made for %(name)s, who may see a part or all of it.", name=actor.account.full_name))
    for section in reached(reading.access_of(actor)):
        _section(document, session, actor, section)
    return document.finish()


def _section(document: "Sheet", session: Session, actor: Actor, section: Section) -> None:
    _head(document, str(section.name), 14, level=1)
    if section is CLAIMS:
        found = reading.claims(session, actor)
        _claims(document, found, cost_words.spoken_to(actor.choice))
    elif section is RESULTS:
        found = reading.results(session, actor)
        _results(document, found)
    else:
        found = reading.listed(session, actor, section)
        _entries(document, found)
    if not (found.entries or found.claims or found.results):
        _text(document, str(section.empty))
    if found.more:
        _text(document, gettext("These are the newest %(number)s records.", number=reading.MOST))


def _entries(document: "Sheet", found: Found) -> None:
    for head, some in entries.grouped(found.entries):
        _head(document, head, 12, level=2)
        for one in some:
            _text(document, one.title, bold=True)
            told = [" · ".join(filter(None, (one.when, one.state)))]
            told += [f"{label}: {value}" for label, value in one.facts]
            for line in filter(None, told):
                _text(document, line, indent=4)


def _claims(document: "Sheet", found: Found, words: CostWords) -> None:
    if not found.claims:
        return
    years = claims_shown.by_year(found.claims)
    total = claims_shown.total(found.claims)
    _costs(document, gettext("Costs by year"), [(str(year), sums) for year, sums in years.items()], total, words)
    kinds = [(claims_shown.kind_name(kind), sums) for kind, sums in claims_shown.by_kind(found.claims).items()]
    _costs(document, gettext("Costs by kind of claim"), kinds, total, words)
    _head(document, gettext("Every claim"), 12, level=2)
    for one in found.claims:
        _text(document, f"{_day(one)} · {one.provider} · {claims_shown.kind_name(one.kind)}", bold=True)
        _text(document, one.state, indent=4)
        amounts = one.claim.amounts
        told = (
            (gettext("Billed"), amounts.billed), (gettext("The plan paid"), amounts.paid),
            (str(words.share), amounts.owed),
        )  # fmt: skip
        _text(document, " · ".join(f"{name}: {elements.told_money(amount)}" for name, amount in told), indent=4)
        if one.claim.number:
            _text(document, f"{gettext('Claim number')}: {one.claim.number}", indent=4)


def _costs(
    document: "Sheet", caption: str, rows: Iterable[tuple[str, Sums]], total: Sums, words: CostWords
) -> None:  # fmt: skip
    _head(document, caption, 12, level=2)
    heads = (
        "", gettext("Claims"), gettext("Billed"), gettext("The plan paid"), str(words.share),
    )  # fmt: skip
    document.set_font(SANS, size=10)
    with document.table(col_widths=(34, 12, 18, 18, 18), text_align=("LEFT", *("RIGHT",) * 4)) as table:
        table.row(list(heads))
        for name, sums in (*rows, (gettext("In all"), total)):
            table.row(list(_cells(name, sums)))
    document.ln(3)


def _cells(name: str, sums: Sums) -> Iterator[str]:
    yield from (name, str(sums.number))
    yield from (elements.told_money(amount) for amount in (sums.billed, sums.paid, sums.owed))


def _results(document: "Sheet", found: Found) -> None:
    heads = (gettext("Date"), gettext("Value"), gettext("Usual range"))
    for head, some in found.results:
        _head(document, head, 12, level=2)
        for one in some:
            _text(document, one.name, bold=True)
            rows = [_value_cells(value) for value in one.values]
            if any(map(_is_long, rows)):
                for cells in rows:
                    _text(document, " \u00b7 ".join(filter(None, cells)), indent=4)
                continue
            document.set_font(SANS, size=10)
            with document.table(col_widths=(25, 50, 25)) as table:
                table.row(list(heads))
                for cells in rows:
                    table.row(list(cells))
            document.ln(2)


def _value_cells(value: Measured) -> tuple[str, str, str]:
    parts = [value.value, *(f"{name}: {part}" for name, part in value.parts), value.judged]
    return value.when, ", ".join(filter(None, parts)), value.usual


def _is_long(cells: Iterable[str]) -> bool:
    # A row of a table must fit on a page; a pathologist's words may not.
    return any(len(cell) > _LONGEST_CELL or cell.count("\n") > _MOST_LINES for cell in cells)


def _day(one: ShownClaim) -> str:
    return in_words(one.day, get_locale() or "en") if one.day else gettext("No date on file")


def _head(document: "Sheet", text: str, size: int, *, level: int) -> None:
    # Kept with what follows: a head alone at the foot of a page is overlooked.
    if document.will_page_break(4 * _LINE):
        document.add_page()
    if level == 1:
        document.ln(3)
        # An entry of the outline, by which a reader jumps.
        document.start_section(text, level=0)
    document.set_font(SANS, style="B", size=size)
    document.write_lines(_LINE + 1.5, text)
    document.ln(1)


def _text(document: "Sheet", text: str, *, bold: bool = False, indent: float = 0) -> None:
    document.set_font(SANS, style="B" if bold else "", size=11)
    document.set_x(document.l_margin + indent)
    document.write_lines(_LINE, text)
