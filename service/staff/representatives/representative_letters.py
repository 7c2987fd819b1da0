"""The letter with a Personal Representative ID, as a PDF for the mail room or to hand over."""

from typing import TYPE_CHECKING

from consent import representative_ids
from consent.models import PersonalRepresentative
from service.clock import now
from service.days import day_in_words
from service.papers.paper import SANS, new_sheet
from service.plan_file import Plan

if TYPE_CHECKING:
    from service.papers.sheets import Sheet

_MARGIN, _LINE = 25, 6
# Where the address stands in the window of a No. 10 envelope, from the top of a US letter page folded in three.
_WINDOW_TOP = 50


def make(person: PersonalRepresentative, plan: Plan, base_url: str) -> bytes:
    """The letter. It names no member: whoever opens it by mistake learns nothing about one."""
    document = new_sheet("Personal Representative ID")
    document.set_margins(_MARGIN, _MARGIN)
    document.add_page()
    _write(document, plan.name, "B")
    document.set_y(_WINDOW_TOP)
    for line in _address(person):
        _write(document, line)
    document.set_y(_WINDOW_TOP + 40)
    _write(document, day_in_words(now(), plan.timezone))
    document.ln(_LINE)
    _write(document, "Your Personal Representative ID", "B")
    document.set_font("Courier", "B", 22)
    number = representative_ids.shown(person.number or "")
    document.cell(0, 14, number, border=1, align="C", new_x="LMARGIN", new_y="NEXT")
    for paragraph in _paragraphs(person, plan, base_url):
        document.ln(_LINE / 2)
        _write(document, paragraph)
    return document.finish()


def _address(person: PersonalRepresentative) -> list[str]:
    place = f"{person.city}, {person.state} {person.zip_code}" if person.city else ""
    return [line for line in (person.full_name, person.address_line, place) if line]


def _paragraphs(person: PersonalRepresentative, plan: Plan, base_url: str) -> list[str]:
    lines = ", ".join(f"{line.line_of_business} {line.number}" for line in plan.phone_lines)
    return [
        f"Dear {person.full_name},",
        f"{plan.name} has agreed that you act as a personal representative. To see what you may see, register first:",
        f"1. Go to {base_url}/register/representative.\n"
        "2. Enter this ID, your last name and your birth date.\n"
        "3. Choose a user name and a password, and sign in. Under Select member you find for whom you act.",
        "Dashes do not matter. The ID is for you alone; it opens nothing without your name and birth date.",
        f"If you have not asked for this, please call us: {lines}, TTY {plan.tty}.",
    ]


def _write(document: "Sheet", text: str, style: str = "") -> None:
    document.set_font(SANS, style, 11)
    document.write_lines(_LINE, text)
