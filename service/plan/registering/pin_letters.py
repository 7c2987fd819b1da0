"""Letters with PINs as one PDF for the mail room: a page each, the address where a window envelope shows it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from service.clock import now
from service.days import day_in_words
from service.papers.paper import SANS, new_sheet
from service.plan.registering.mailed_pins import PinLetter, grouped
from service.plan_file import Plan

if TYPE_CHECKING:
    from service.papers.sheets import Sheet

_MARGIN, _LINE = 25, 6
# Where the address stands in the window of a No. 10 envelope, from the top of a US letter page folded in three.
_WINDOW_TOP = 50


def make(letters: Iterable[PinLetter], plan: Plan, base_url: str) -> bytes:
    """The PDF of these letters, in order; `base_url` is where the PIN is entered."""
    document = new_sheet("PIN letters")
    document.set_margins(_MARGIN, _MARGIN)
    document.set_auto_page_break(auto=False)
    for letter in letters:
        document.add_page()
        _write(document, letter, plan, base_url)
    return document.finish()


def _write(document: "Sheet", letter: PinLetter, plan: Plan, base_url: str) -> None:
    _lines(document, [plan.name, plan.provider.phone], bold_first=True)
    document.set_y(_WINDOW_TOP)
    _lines(document, address_lines(letter))
    document.set_y(_WINDOW_TOP + 40)
    _lines(document, [_day(now(), plan), "", f"Your PIN for the provider portal of {plan.name}"])
    document.ln(_LINE)
    document.set_font("Courier", "B", 22)
    document.cell(0, 14, grouped(letter.pin), border=1, align="C", new_x="LMARGIN", new_y="NEXT")
    document.ln(_LINE)
    for paragraph in _paragraphs(letter, plan, base_url):
        document.set_font(SANS, size=11)
        document.write_lines(_LINE, paragraph)
        document.ln(_LINE / 2)


def address_lines(letter: PinLetter) -> list[str]:
    """The lines in the envelope's window."""
    address = letter.address
    lines = [
        address.get("name") or letter.organization, f"Attention: {letter.attention}", address["line"],
        f"{address['city']}, {address['state']} {address['zip_code']}",
    ]  # fmt: skip
    return [line for line in lines if line]


def _paragraphs(letter: PinLetter, plan: Plan, base_url: str) -> Iterator[str]:
    registrations = plan.provider
    yield (
        f"{letter.attention} registered for the provider portal as a person who works for {letter.organization}. "
        "With this PIN they show that they receive mail at this office."
    )
    yield (
        f"1. Sign in at {base_url}/provider with the user name and password that you chose.\n"
        "2. Select Validate your account and enter the PIN. Dashes and capital letters do not matter.\n"
        "3. Your Applications menu is then filled."
    )
    yield (
        f"The PIN is good until {_day(letter.expires_at, plan)} and for the person named above only. "
        "After five wrong tries it ends and a new letter must be asked for. Do not give it to anybody else."
    )
    yield (
        "If nobody in your office asked for this letter, destroy it and tell us: "
        f"{' or '.join(filter(None, (registrations.phone, registrations.email))) or plan.website}."
    )


def _lines(document: "Sheet", lines: Iterable[str], *, bold_first: bool = False) -> None:
    for number, line in enumerate(lines):
        document.set_font(SANS, "B" if bold_first and number == 0 else "", 11)
        document.cell(0, _LINE, line, new_x="LMARGIN", new_y="NEXT")


def _day(at: datetime, plan: Plan) -> str:
    return day_in_words(at, plan.timezone)
