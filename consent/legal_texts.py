"""Texts on which rights depend: their versions, and who has reviewed their translation (45 CFR 92.201(c)(3)).

Their words come with the product, in the catalogue, and a test holds a digest of each: who changes a sentence or its
translation raises the version here, and so asks for a new review. What was agreed to is kept in the very words.
"""

from enum import StrEnum

from service.plan_file import Plan, TextReview


class LegalText(StrEnum):
    """A text of legal weight, as the plan's file and its editions name it."""

    CONSENT = "consent"
    RECEIPT = "receipt"
    EDUCATION = "education"
    REPRESENTATION = "representation"


VERSIONS: dict[LegalText, str] = {
    LegalText.CONSENT: "2026-11",
    LegalText.RECEIPT: "2026-4",
    LegalText.EDUCATION: "2026-2",
    LegalText.REPRESENTATION: "2026-4",
}
"""The version of each as the pages show it now; it rises with every change of a sentence or of its translation."""


def review_of(plan: Plan, text: LegalText, language: str) -> TextReview | None:
    """Who reviewed the text, as it is now, in that language; None where nobody has."""
    wanted = (text.value, VERSIONS[text], language)
    return next((one for one in plan.reviews if (one.text, one.version, one.language) == wanted), None)
