"""A receipt as PDF: the very words of the screen, then what was chosen, as real text that can be read aloud."""

from typing import TYPE_CHECKING, Any

from flask_babel import force_locale, gettext

from service.days import moment_in_words
from service.member.consent.receipt_words import TODAYS_WORDS
from service.member.consent.seen import Fact, Kept
from service.papers.paper import SANS, new_sheet
from service.plan_file import Plan

if TYPE_CHECKING:
    from service.member.consent.receipts import Receipt
    from service.papers.sheets import Sheet

_LINE = 5.5


def render(receipt: "Receipt", plan: Plan) -> bytes:
    """The PDF, around the words of then in the language in which the receipt is framed."""
    kept = receipt.kept
    with force_locale(kept.language):
        return _render(receipt, kept, plan)


def _render(receipt: "Receipt", kept: Kept, plan: Plan) -> bytes:
    frame = kept.frame
    document = new_sheet(kept.title, author=frame["plan"], language=kept.spoken)
    document.set_margins(20, 20)
    document.set_auto_page_break(True, margin=20)
    document.add_page()
    _head(document, f"{frame['plan']}: {kept.title}", 15)
    _text(document, kept.answered)
    if kept.in_two_languages:
        _text(document, kept.in_two_languages)
    if not kept.is_whole:
        _text(document, str(TODAYS_WORDS))
    _head(document, frame["chosen"], 13)
    for fact in kept.facts():
        _fact(document, fact)
    document.ln(2)
    _text(document, frame["shown"])
    _words(document, kept)
    if receipt.story:
        _head(document, frame["since"], 13)
    for event in reversed(receipt.story):
        told = moment_in_words(event.at, plan.timezone, kept.language)
        _text(document, f"{told}: {event.what} ({event.by})")
        if event.left:
            _text(document, str(gettext("Still shared:")))
            for text in (*event.left.names, *event.left.terms):
                _text(document, f"- {text}")
    return document.finish()


def _fact(document: "Sheet", fact: Fact) -> None:
    if len(fact.values) == 1:
        _text(document, f"{fact.name}: {fact.values[0]}")
        return
    _text(document, f"{fact.name}:")
    for value in fact.values:
        _text(document, f"- {value}")


def _words(document: "Sheet", kept: Kept) -> None:
    words, heads = kept.words, kept.heads
    _head(document, words["title"], 13)
    domain = f" ({words['domain']})" if words.get("domain") else ""
    _text(document, f"{heads['developer']}: {words['developer']}{domain}")
    _text(document, f"{heads['whose']}: {words['whose']}")
    _text(document, f"{heads['decider']}: {words['decider']}")
    for text in filter(None, (words.get("unreviewed"), words["attestation"])):
        _text(document, text)
    for name, address in kept.addresses:
        _text(document, f"{name}: {address}")
    _head(document, heads["asks"], 11)
    _text(document, words["intro"])
    for group in words["groups"]:
        _head(document, group["head"], 10)
        for item in group["items"]:
            _item(document, item)
    if words["everything"]:
        _text(document, words["everything"])
    if words["sensitive"]:
        _head(document, heads["topics"], 11)
        _text(document, words["sensitive_intro"])
        for item in words["sensitive"]:
            _item(document, item)
    _head(document, heads["how_long"], 11)
    _text(document, heads["length"])
    for item in words["durations"]:
        _text(document, f"- {item['name']}")
    for item in words["offline"]:
        _text(document, f"{item['name']}. {item['description']}")
    _head(document, heads["afterwards"], 11)
    for sentence in words["afterwards"]:
        _text(document, f"- {sentence}")


def _item(document: "Sheet", item: dict[str, Any]) -> None:
    _text(document, f"- {item['name']}: {item['description']}")
    if item.get("choosing"):
        _text(document, f"    {item['choosing']}")
    for part in item.get("parts") or ():
        _text(document, f"    - {part['name']}")


def _head(document: "Sheet", text: str, size: int) -> None:
    document.ln(2)
    document.set_font(SANS, "B", size)
    document.write_lines(size * 0.5, text)
    document.ln(1)


def _text(document: "Sheet", text: str) -> None:
    document.set_font(SANS, size=10)
    document.write_lines(_LINE, text)
