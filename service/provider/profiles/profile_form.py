"""A change of a provider's profile as a printable form, to mail or fax to other payers."""

from typing import TYPE_CHECKING

from service.days import day_in_words, in_words
from service.papers.paper import SANS, new_sheet
from service.plan.models import ProfileChange, ProviderGroup
from service.plan.providers.profile_words import KINDS, STATES, content
from service.plan_file import Plan

if TYPE_CHECKING:
    from service.papers.sheets import Sheet


def render(change: ProfileChange, group: ProviderGroup, plan: Plan) -> bytes:
    """The PDF: who asks, for which group, what is to change, and what the plan has said of it so far."""
    page = new_sheet("Practitioner and location change form")
    page.add_page()
    page.set_font(SANS, "B", 16)
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
    return page.finish()


def _row(page: "Sheet", label: str, value: str) -> None:
    page.set_font(SANS, "B", 11)
    page.cell(60, 8, label)
    page.set_font(SANS, "", 11)
    page.multi_cell(0, 8, value or " ", border="B", align="L", new_x="LMARGIN", new_y="NEXT")
