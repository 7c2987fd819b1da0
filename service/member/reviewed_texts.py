"""Texts on which rights depend: shown in another language only once a qualified translator has reviewed that version.

The plan's file says who reviewed what and when (45 CFR 92.201(c)(3)). Until then the page is shown in English, with a
notice in the reader's own language.
"""

from enum import StrEnum

from flask import request

from service.member.consent.consent_words import EDUCATION_VERSION, TEXT_VERSION
from service.plan_file import Plan, TextReview


class Text(StrEnum):
    """A text of legal weight, as the plan's file names it."""

    CONSENT = "consent"
    RECEIPT = "receipt"
    EDUCATION = "education"
    REPRESENTATION = "representation"


VERSIONS: dict[Text, str] = {
    Text.CONSENT: TEXT_VERSION,
    Text.RECEIPT: "2026-1",
    Text.EDUCATION: EDUCATION_VERSION,
    Text.REPRESENTATION: "2026-1",
}
"""The version of each as the pages show it now; it rises with every change of a sentence or of its translation."""
_BLUEPRINTS = {
    "consent": Text.CONSENT, "receipts": Text.RECEIPT, "representative_requests": Text.REPRESENTATION,
}  # fmt: skip
_ENDPOINTS = {"help.education": Text.EDUCATION}


def text_at_hand() -> Text | None:
    """The text of legal weight that the page at hand shows, if any."""
    return _BLUEPRINTS.get(request.blueprint or "") or _ENDPOINTS.get(request.endpoint or "")


def review_of(plan: Plan, text: Text, language: str) -> TextReview | None:
    """Who reviewed the text, as it is now, in that language; None where nobody has."""
    wanted = (text.value, VERSIONS[text], language)
    return next((one for one in plan.reviews if (one.text, one.version, one.language) == wanted), None)


def may_be_shown(plan: Plan, language: str) -> bool:
    """Whether the page at hand may be shown in that language; English is the source."""
    text = text_at_hand()
    return text is None or language == "en" or review_of(plan, text, language) is not None
