"""A receipt as PDF: the very words of the screen, then what was chosen, as real text that can be read aloud."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask_babel import get_locale, gettext

from consent.models import Answer
from service.days import moment_in_words
from service.papers.paper import SANS, new_sheet
from service.plan_file import Plan

if TYPE_CHECKING:
    from service.member.consent.receipts import Receipt
    from service.papers.sheets import Sheet

_LINE = 5.5


def render(receipt: "Receipt", plan: Plan) -> bytes:
    """The PDF, in the language of the page but for the words, which stay as they were."""
    is_yes = receipt.decision.answer is Answer.ALLOW
    title = gettext("What was agreed") if is_yes else gettext("What was not allowed")
    document = new_sheet(title, author=plan.name, language=str(get_locale() or "en"))
    document.set_margins(20, 20)
    document.set_auto_page_break(True, margin=20)
    document.add_page()
    _head(document, f"{plan.name}: {title}", 15)
    told = moment_in_words(receipt.decision.at, plan.timezone, get_locale() or "en")
    _text(document, gettext("Answered on %(date)s. These are the words shown then:", date=told))
    _words(document, receipt.words)
    _head(document, gettext("What was chosen"), 13)
    for name, value in _chosen(receipt):
        _text(document, f"{name}: {value}")
    if receipt.story:
        _head(document, gettext("What happened since"), 13)
    for event in reversed(receipt.story):
        told = moment_in_words(event.at, plan.timezone, get_locale() or "en")
        _text(document, f"{told}: {event.what} ({event.by})")
    return document.finish()


def _words(document: "Sheet", words: dict[str, Any]) -> None:
    _head(document, words["title"], 13)
    for text in filter(None, (words.get("unreviewed"), words["attestation"])):
        _text(document, text)
    domain = f" ({words['domain']})" if words.get("domain") else ""
    _text(document, f"{gettext('Developer')}: {words['developer']}{domain}")
    _text(document, f"{gettext('Information about')}: {words['whose']}")
    _text(document, f"{gettext('Decided by')}: {words['decider']}")
    _text(document, words["intro"])
    for group in words["groups"]:
        _head(document, group["head"], 11)
        for item in group["items"]:
            _item(document, item)
    if words["everything"]:
        _text(document, words["everything"])
    if words["sensitive"]:
        _text(document, words["sensitive_intro"])
        for item in words["sensitive"]:
            _item(document, item)
    for item in words["offline"]:
        _text(document, f"{item['name']}. {item['description']}")
    for sentence in words["afterwards"]:
        _text(document, f"- {sentence}")


def _item(document: "Sheet", item: dict[str, Any]) -> None:
    _text(document, f"- {item['name']}: {item['description']}")
    if item.get("choosing"):
        _text(document, f"    {item['choosing']}")
    for part in item.get("parts") or ():
        _text(document, f"    - {part['name']}")


def _chosen(receipt: "Receipt") -> Iterator[tuple[str, str]]:
    decision = receipt.decision
    if decision.answer is Answer.ALLOW:
        yield gettext("Answer"), gettext("Allow")
        yield from _given(receipt)
    else:
        yield gettext("Answer"), gettext("Don't allow")
        yield gettext("Types of information"), gettext("Nothing was shared.")
    yield gettext("Text version"), decision.text_version
    yield gettext("Reference number"), decision.id


def _given(receipt: "Receipt") -> Iterator[tuple[str, str]]:
    yield gettext("Types of information"), ", ".join(receipt.ticked) or gettext("None; only that you signed in")
    yield gettext("Very personal topics"), ", ".join(receipt.sensitive) or gettext("None")
    yield gettext("For how long"), receipt.duration
    yield gettext("While you are away"), gettext("Yes") if receipt.decision.offline else gettext("No")
    if receipt.online is not None:
        yield gettext("While you are signed in"), gettext("Yes") if receipt.online else gettext("No")


def _head(document: "Sheet", text: str, size: int) -> None:
    document.ln(2)
    document.set_font(SANS, "B", size)
    document.write_lines(size * 0.5, text)
    document.ln(1)


def _text(document: "Sheet", text: str) -> None:
    document.set_font(SANS, size=10)
    document.write_lines(_LINE, text)
