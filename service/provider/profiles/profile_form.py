"""A change of a provider's profile as a printable form, to mail or fax to other payers.

The library is opened at first use: it would add 29 MB to every worker, most of which never print.
"""

import importlib
from typing import TYPE_CHECKING

from service.days import day_in_words, in_words
from service.plan.models import ProfileChange, ProviderGroup
from service.plan.providers.profile_words import KINDS, STATES, content
from service.plan_file import Plan

if TYPE_CHECKING:
    from fpdf import FPDF


def render(change: ProfileChange, group: ProviderGroup, plan: Plan) -> bytes:
    """The PDF: who asks, for which group, what is to change, and what the plan has said of it so far."""
    page = _new_document()
    page.set_title("Practitioner and location change form")
    page.set_lang("en-US")
    page.add_page()
    page.set_font("helvetica", "B", 16)
    page.cell(0, 10, "Practitioner and location change form", new_x="LMARGIN", new_y="NEXT")
    _row(page, "Group", group.legal_name)
    _row(page, "Change", KINDS[change.kind])
    _row(page, "Asked on", day_in_words(change.asked_at, plan.timezone))
    for label, value in content(change):
        _row(page, label, value if isinstance(value, str) else in_words(value))
    _row(page, f"At {plan.name}", STATES[change.status])
    page.ln(8)
    _row(page, "Signature", "")
    _row(page, "Date", "")
    return bytes(page.output())


def _row(page: "FPDF", label: str, value: str) -> None:
    page.set_font("helvetica", "B", 11)
    page.cell(60, 8, _latin(label))
    page.set_font("helvetica", "", 11)
    page.multi_cell(0, 8, _latin(value) or " ", border="B", new_x="LMARGIN", new_y="NEXT")


def _latin(text: str) -> str:
    # The built-in fonts know Latin-1 only; a letter they lack is shown as such instead of failing the form.
    return text.encode("latin-1", "replace").decode("latin-1")


def _new_document() -> "FPDF":
    made: FPDF = importlib.import_module("fpdf").FPDF(format="letter", unit="mm")
    return made
