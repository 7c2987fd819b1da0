"""What somebody saw who answered: everything that a receipt says, in the words of the page that was answered.

Kept at the moment of the answer and read instead of today's texts ever after (docs/decisions/0133): what the page said
to everybody stands once in `consent.kept_words`, what it said to this person alone with the decision.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from babel import Locale
from flask_babel import force_locale
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import data_types, kept_words
from consent.models import Answer, ConsentDecision
from consent.scopes import ScopeSet, parse
from service.member.consent import receipt_words
from service.member.consent.consent_words import DURATIONS, Words, heads_of
from service.member.consent.receipt_words import Frame
from service.plan_file import Plan

FORMAT = 2
"""Of documents made now. Those of the first, which do not name it, hold the words of their page, without its heads.

Every format has `_OWN`. A later one may stand here while two releases answer side by side: this one cannot read it.
"""
_OWN = ("language", "app", "developer", "whose", "decider")
"""What is kept with the decision: whose page it was, and what lists of answers tell without looking the page up."""


_IN_TWO_LANGUAGES = _(
    "The headings of this receipt are in your language (%(yours)s). The words of the answer are in the language in "
    "which it was given (%(theirs)s). They do not change."
)


class LaterFormat(Exception):
    """A later release kept the answer, in a way that this one does not know."""


@dataclass(frozen=True)
class Fact:
    """One thing that was chosen; `language` is that of the values where they are texts of the page."""

    name: str
    values: list[str]
    language: str | None = None


@dataclass(frozen=True)
class Kept:
    """What was kept of one answer, as a receipt reads it; what the first format lacks is in today's words.

    `framed` is the language in which the receipt's own words are told as they are today, None for those kept.
    """

    decision: ConsentDecision
    words: dict[str, Any]
    plan_now: Plan
    framed: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all that the receipt says was kept."""
        return _is_whole(self.decision)

    @property
    def format(self) -> int:
        """How it was kept."""
        return int(self.words.get("format", 1))

    @property
    def in_todays_words(self) -> list[str]:
        """What of a receipt was not kept and is told in today's words, for programs."""
        if self.is_whole:
            return []
        unnamed = any("name" in one for one in self._chosen)
        return ["receipt", "heads", *(["types"] if unnamed else [])]

    @cached_property
    def frame(self) -> dict[str, Any]:
        """The receipt's own heads and short answers."""
        if self.is_whole and self.framed is None:
            found: dict[str, Any] = self.words["receipt"]
            return found
        return asdict(self._todays_frame(self.framed or self.decision.language))

    @cached_property
    def heads(self) -> dict[str, Any]:
        """The heads of the page."""
        if self.is_whole:
            found: dict[str, Any] = self.words["heads"]
            return found
        with force_locale(self.language):
            return asdict(heads_of(self.words.get("app", "")))

    @property
    def language(self) -> str:
        """The language of the receipt."""
        return str(self.frame["language"])

    @property
    def spoken(self) -> str:
        """The language of the page that was answered."""
        return str(self.words.get("language") or self.language)

    def framed_in(self, language: str) -> "Kept | None":
        """The same with the receipt's own words in a language that its reader has now.

        None where they are in it anyway, or nobody has reviewed them in it.
        """
        if self.language == language or self._todays_frame(language).language != language:
            return None
        return replace(self, framed=language)

    @property
    def in_two_languages(self) -> str:
        """What stands above a receipt whose headings are in another language than its words; else nothing."""
        if self.language == self.spoken:
            return ""
        named = Locale(self.language).languages
        with force_locale(self.language):
            return str(_IN_TWO_LANGUAGES) % {"yours": named[self.language], "theirs": named[self.spoken]}

    @property
    def title(self) -> str:
        """What the receipt is called."""
        return str(self.frame["agreed" if self.decision.answer is Answer.ALLOW else "refused"])

    @property
    def answered(self) -> str:
        """When the answer was given, in a sentence."""
        if self.is_whole and self.framed is None:
            return str(self.words["answered"])
        return receipt_words.answered(self.decision.at, self.plan_now, self.language)

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """Where the app's own policy and terms stood."""
        every = ((self.heads[name], self.words.get(f"{name}_uri")) for name in ("policy", "terms"))
        return [(name, address) for name, address in every if address]

    @property
    def types(self) -> list[str]:
        """The types of information that were chosen, by name, each with its parts where not all of it was."""
        return self._named(self._chosen)

    def types_of(self, scopes: ScopeSet) -> list[str]:
        """The types of other scopes as the page called them; those that were not on it as they are called today."""
        with force_locale(self.spoken):
            return self._named(_types(self.words, scopes))

    @property
    def topics(self) -> list[str]:
        """The very personal topics that were chosen, by name."""
        return self.topics_of(self.decision.sensitive_classes)

    def topics_of(self, classes: Collection[str]) -> list[str]:
        """The very personal topics with these keys, as the page called them, or as they are called today."""
        kept = {item["key"]: item["name"] for item in self.words.get("sensitive", ())}
        with force_locale(self.spoken):
            today = {kind.key.value: str(kind.name) for kind in data_types.SENSITIVE_TYPES}
        return [name for key, name in (today | kept).items() if key in classes]

    @property
    def duration(self) -> str:
        """For how long, as the choice was called."""
        kept = {item["key"]: str(item["name"]) for item in self.words.get("durations", ())}
        with force_locale(self.spoken):
            return kept.get(self.decision.duration.value) or str(DURATIONS[self.decision.duration])

    def facts(self) -> Iterator[Fact]:
        """What was chosen, one thing after the other."""
        frame, decision = self.frame, self.decision
        allowed = decision.answer is Answer.ALLOW
        yield Fact(frame["app"], [self.words.get("app", "")])
        pressed = self.heads["allow" if allowed else "deny"]
        yield Fact(frame["answer"], [pressed], self.spoken if self.is_whole else None)
        if allowed:
            yield from self._shared()
        else:
            yield Fact(frame["shared"], [frame["nothing"]])
        yield Fact(frame["text_version"], [decision.text_version])
        yield Fact(frame["reference"], [decision.id])

    def _shared(self) -> Iterator[Fact]:
        frame, decision = self.frame, self.decision
        for name, chosen, nothing in (("types", self.types, "only_signed_in"), ("topics", self.topics, "none")):
            yield Fact(frame[name], chosen or [frame[nothing]], self.spoken if chosen else None)
        yield Fact(frame["duration"], [self.duration], self.spoken)
        yield Fact(frame["away"], [frame["yes" if decision.offline else "no"]])
        if "online_access" in parse(decision.asked_scopes):
            online = "online_access" in parse(decision.granted_scopes)
            yield Fact(frame["signed_in"], [frame["yes" if online else "no"]])

    def _named(self, chosen: list[dict[str, Any]]) -> list[str]:
        items = _items(self.words)
        named = ((one.get("name") or items[one["key"]]["name"], one.get("parts")) for one in chosen)
        return [f"{name} ({', '.join(parts)})" if parts else name for name, parts in named]

    @cached_property
    def _chosen(self) -> list[dict[str, Any]]:
        if self.is_whole:
            found: list[dict[str, Any]] = self.words["types"]
            return found
        with force_locale(self.spoken):
            return _types(self.words, parse(self.decision.granted_scopes))

    def _todays_frame(self, language: str) -> Frame:
        return receipt_words.frame_of(self.plan_now, language, self.words.get("app", ""))


def keep(session: Session, words: Words, at: datetime, granted: ScopeSet, plan: Plan) -> dict[str, Any]:
    """Keep the page that was answered; the document of the decision, which names the page and what was chosen."""
    shown = words.as_shown()
    frame = receipt_words.frame_of(plan, words.language, words.app)
    page = {name: told for name, told in shown.items() if name not in _OWN} | {"receipt": asdict(frame)}
    return {
        "format": FORMAT,
        "page": kept_words.keep(session, page),
        **{name: shown[name] for name in _OWN},
        "answered": receipt_words.answered(at, plan, frame.language),
        "types": _types(shown, granted),
    }


def read(session: Session, decision: ConsentDecision, plan: Plan) -> Kept:
    """What was kept of an answer; raises LaterFormat and `consent.kept_words.AlteredWords`."""
    if int(decision.words.get("format", 1)) > FORMAT:
        raise LaterFormat
    page = kept_words.get(session, decision.words["page"]) if _is_whole(decision) else {}
    return Kept(decision, page | decision.words, plan)


def _is_whole(decision: ConsentDecision) -> bool:
    return "page" in decision.words


def _types(words: Mapping[str, Any], granted: ScopeSet) -> list[dict[str, Any]]:
    """The types chosen, by their keys on the page; those that are not on it, and parts, by their names."""
    items = _items(words)
    found = []
    for kind in data_types.asked(granted):
        item = items.get(kind.key)
        named = {} if item else {"name": str(kind.name)}
        parts = _parts(item or {}, granted, kind)
        found.append({"key": kind.key} | named | ({"parts": parts} if parts else {}))
    return found


def _parts(item: Mapping[str, Any], granted: ScopeSet, kind: data_types.DataType) -> list[str]:
    boxes = item.get("parts")
    if boxes:
        limited = data_types.limited(granted, kind)
        return [part["name"] for part in boxes if part["key"] in limited]
    return list(dict.fromkeys(part.name for part in data_types.parts(granted, kind)))


def _items(words: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["key"]: item for group in words.get("groups", ()) for item in group["items"]}
