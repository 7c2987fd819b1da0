"""The Request for Access to Protected Health Information as a PDF: blank for paper, or filled in to be signed."""

from collections.abc import Iterable, Sequence
from datetime import date

from flask_babel import gettext

from consent import link_words
from consent.request_models import RepresentativeRequest
from service.days import in_words
from service.member.representatives import representative_words
from service.papers.paper import SANS, new_sheet
from service.plan_file import Plan

_Line = tuple[str, str]


def blank(plan: Plan, language: str) -> bytes:
    """The empty form, in the page's language."""
    return _render(plan, language, _people([""] * 11), whose=(False, True), ticked=("", ""), dates=("", ""), words="")


def filled(asked: RepresentativeRequest, plan: Plan, language: str) -> bytes:
    """The form as it was typed."""
    address = ", ".join(filter(None, (asked.address_line, asked.city, asked.state_code, asked.zip_code)))
    typed = [
        asked.member_family_name, asked.member_number, _day(asked.member_birth_date, language), asked.full_name,
        _day(asked.birth_date, language), asked.number, address,
    ]  # fmt: skip
    dates = (
        _day(asked.valid_from, language) or gettext("As soon as we have agreed"),
        _day(asked.valid_until, language) or gettext("No end date"),
    )
    ticked, whose = (asked.basis.value, asked.scope.value), (asked.for_oneself,)
    return _render(plan, language, _people(typed), whose=whose, ticked=ticked, dates=dates, words=asked.explanation)


def _people(typed: Sequence[str]) -> list[tuple[str, list[_Line]]]:
    labels = [
        gettext("Last name"), gettext("Member ID"), gettext("Birth date"), gettext("Name"), gettext("Birth date"),
        gettext("Member ID or Personal Representative ID, if any"), gettext("Address"),
    ]  # fmt: skip
    lines = list(zip(labels, typed, strict=False))
    return [(gettext("The member"), lines[:3]), (gettext("The person who is to act for the member"), lines[3:])]


def _render(
    plan: Plan, language: str, people: Iterable[tuple[str, list[_Line]]], *, whose: Sequence[bool], ticked: _Line,
    dates: _Line, words: str,
) -> bytes:  # fmt: skip
    """`whose`: in whose words the form asks why, the member's own (True) or those of whoever is to act."""
    title = gettext("Request for Access to Protected Health Information")
    paper = _Paper(title, plan.name, language)
    paper.heading(f"{plan.name}: {title}", 15)
    if plan.brand.postal_address:
        paper.text(f"{plan.name}, {plan.brand.postal_address}")
    paper.text(gettext(
        "Please fill in this form, sign it, add a copy of the paper that proves the right to act, and mail it to "
        "us or hand it in. You can also send it online: sign in and choose People I act for."
    ))  # fmt: skip
    for heading, lines in people:
        paper.heading(heading, 12)
        paper.blanks(lines)
    basis, scope = ticked
    paper.heading(gettext("Why this person may act (check one)"), 12)
    if len(whose) > 1:
        paper.text(gettext("The person who is to act checks one here:"))
    paper.boxes(_bases(for_oneself=whose[0]), basis)
    if len(whose) > 1:
        paper.text(gettext("Or the member checks one here:"))
        paper.boxes(_bases(for_oneself=whose[1]), basis)
    paper.heading(gettext("What this person may see (check one)"), 12)
    paper.boxes([(key.value, str(text)) for key, text in link_words.SCOPES.items()], scope)
    paper.heading(gettext("How long"), 12)
    paper.blanks([(gettext("First day"), dates[0]), (gettext("Last day"), dates[1])])
    if words:
        paper.text(words)
    paper.text(gettext(
        "I declare that what is written here is true. I know that a permission can be taken back at any time, and "
        "that the plan must check this request before anybody sees anything."
    ))  # fmt: skip
    paper.blanks([(gettext("Signature of the member, or of the person who asks for them"), ""), (gettext("Date"), "")])
    numbers = ", ".join(f"{line.line_of_business} {line.number}" for line in plan.phone_lines)
    paper.text(f"{gettext('Questions? Call member services:')} {numbers}, TTY {plan.tty}")
    return paper.finish()


def _bases(*, for_oneself: bool) -> list[_Line]:
    words = representative_words.BASES_FOR_ONESELF if for_oneself else representative_words.BASES_FOR_ANOTHER
    return [(basis.value, str(text)) for basis, text in words.items()]


def _day(on: date | None, language: str) -> str:
    return in_words(on, language) if on else ""


class _Paper:
    """A document in letter size."""

    def __init__(self, title: str, author: str, language: str) -> None:
        made = new_sheet(title, author=author, language="es-US" if language == "es" else "en-US")
        self._document = made
        made.set_margins(20, 18)
        made.set_auto_page_break(True, margin=15)
        made.add_page()

    def heading(self, text: str, size: int) -> None:
        self._document.ln(2)
        self._write(text, size, "B")

    def text(self, text: str) -> None:
        self._document.ln(1)
        self._write(text, 10)

    def blanks(self, lines: Iterable[_Line]) -> None:
        for label, value in lines:
            self._document.ln(1)
            self._write(f"{label}: {value or '_' * 40}", 10)

    def boxes(self, choices: Iterable[_Line], ticked: str) -> None:
        for key, text in choices:
            self._write(f"[{'X' if key == ticked else ' '}] {text}", 10)

    def finish(self) -> bytes:
        return self._document.finish()

    def _write(self, text: str, size: int, style: str = "") -> None:
        self._document.set_font(SANS, style, size)
        self._document.write_lines(size * 0.52, text)
