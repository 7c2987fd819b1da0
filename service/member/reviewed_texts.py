"""Texts on which rights depend: shown in another language only once a qualified translator has reviewed that version.

Until then the page is shown in English, with a notice in the reader's own language.
"""

from flask import request

from consent.legal_texts import LegalText, review_of
from service.web import plan

_BLUEPRINTS = {
    "consent": LegalText.CONSENT, "app_narrowing": LegalText.CONSENT, "receipts": LegalText.RECEIPT,
    "representative_requests": LegalText.REPRESENTATION,
}  # fmt: skip
_ENDPOINTS = {"help.education": LegalText.EDUCATION, "people.of_age": LegalText.CONSENT}


def text_at_hand() -> LegalText | None:
    """The text of legal weight that the page at hand shows, if any."""
    return _BLUEPRINTS.get(request.blueprint or "") or _ENDPOINTS.get(request.endpoint or "")


def may_be_shown(language: str) -> bool:
    """Whether the page at hand may be shown in that language; English is the source."""
    text = text_at_hand()
    return text is None or language == "en" or review_of(plan(), text, language) is not None
