"""What a receipt says around the words of the consent screen: a text of its own, with a version of its own.

It is kept with the answer too, so that a receipt reads years later as it did on its first day.
"""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import force_locale, gettext
from flask_babel import lazy_gettext as _

from consent.legal_texts import VERSIONS, LegalText, review_of
from service.days import moment_in_words
from service.plan_file import Plan

TODAYS_WORDS = _(
    "This answer was given before we kept every word of a receipt. What the page said is in the words of that day. "
    "The headings, and short words such as Yes and No, are today's."
)


@dataclass(frozen=True)
class Frame:
    """Heads and short answers of receipts of one app, in one language."""

    version: str
    language: str
    plan: str
    agreed: str
    refused: str
    chosen: str
    shown: str
    logo: str
    app: str
    answer: str
    types: str
    topics: str
    duration: str
    away: str
    signed_in: str
    text_version: str
    reference: str
    yes: str
    no: str
    none: str
    only_signed_in: str
    shared: str
    nothing: str
    since: str


def frame_of(plan: Plan, wanted: str, app: str) -> Frame:
    """The frame as it is worded today: in the language wanted, or in English where nobody has reviewed that."""
    language = wanted if wanted == "en" or review_of(plan, LegalText.RECEIPT, wanted) else "en"
    with force_locale(language):
        return _frame(plan, language, app)


def answered(at: datetime, plan: Plan, language: str) -> str:
    """When the answer was given, in a sentence."""
    with force_locale(language):
        moment = moment_in_words(at, plan.timezone, language)
        return str(gettext("Answered on %(date)s.", date=moment))


def _frame(plan: Plan, language: str, app: str) -> Frame:
    return Frame(
        version=VERSIONS[LegalText.RECEIPT],
        language=language,
        plan=plan.name,
        agreed=gettext("What was agreed"),
        refused=gettext("What was not allowed"),
        chosen=gettext("What was chosen"),
        shown=gettext("These are the words of the page that was answered:"),
        logo=gettext("Logo of %(app)s", app=app),
        app=gettext("App"),
        answer=gettext("Answer"),
        types=gettext("Types of information"),
        topics=gettext("Very personal topics"),
        duration=gettext("For how long"),
        away=gettext("While you are away"),
        signed_in=gettext("While you are signed in"),
        text_version=gettext("Text version"),
        reference=gettext("Reference number"),
        yes=gettext("Yes"),
        no=gettext("No"),
        none=gettext("None"),
        only_signed_in=gettext("None; only that you signed in"),
        shared=gettext("What was shared"),
        nothing=gettext("Nothing"),
        since=gettext("What happened since"),
    )
