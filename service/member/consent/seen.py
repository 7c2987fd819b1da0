"""What somebody saw who answered: everything that a receipt says, in the words of the page that was answered.

Kept at the moment of the answer and read instead of today's texts ever after (docs/decisions/0133): what the page said
to everybody stands once in `consent.kept_words`, what it said to this person alone with the decision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from flask_babel import force_locale
from sqlalchemy.orm import Session

from consent import data_types, kept_words
from consent.models import Answer, ConsentDecision
from consent.scopes import ScopeSet, parse
from service.member.consent import receipt_words
from service.member.consent.consent_words import DURATIONS, Words, heads_of
from service.plan_file import Plan

FORMAT = 2
"""Of documents made now. Those of the first, which do not name it, hold the words of their page, without its heads."""
_OWN = ("language", "app", "developer", "whose", "decider")
"""What is kept with the decision: whose page it was, and what lists of answers tell without looking the page up."""


@dataclass(frozen=True)
class Fact:
    """One thing that was chosen; `language` is that of the values where they are texts of the page."""

    name: str
    values: list[str]
    language: str | None = None


@dataclass(frozen=True)
class Kept:
    """What was kept of one answer, as a receipt reads it; what the first format lacks is in today's words."""

    decision: ConsentDecision
    words: dict[str, Any]
    plan_now: Plan

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
        if self.is_whole:
            found: dict[str, Any] = self.words["receipt"]
            return found
        return asdict(receipt_words.frame_of(self.plan_now, self.decision.language, self.words.get("app", "")))

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
    def title(self) -> str:
        """What the receipt is called."""
        return str(self.frame["agreed" if self.decision.answer is Answer.ALLOW else "refused"])

    @property
    def answered(self) -> str:
        """When the answer was given, in a sentence."""
        if self.is_whole:
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
        items = _items(self.words)
        named = ((one.get("name") or items[one["key"]]["name"], one.get("parts")) for one in self._chosen)
        return [f"{name} ({', '.join(parts)})" if parts else name for name, parts in named]

    @property
    def topics(self) -> list[str]:
        """The very personal topics that were chosen, by name."""
        kept = {item["key"]: item["name"] for item in self.words.get("sensitive", ())}
        with force_locale(self.language):
            today = {kind.key.value: str(kind.name) for kind in data_types.SENSITIVE_TYPES}
        return [name for key, name in (today | kept).items() if key in self.decision.sensitive_classes]

    @property
    def duration(self) -> str:
        """For how long, as the choice was called."""
        kept = {item["key"]: str(item["name"]) for item in self.words.get("durations", ())}
        with force_locale(self.language):
            return kept.get(self.decision.duration.value) or str(DURATIONS[self.decision.duration])

    def facts(self) -> Iterator[Fact]:
        """What was chosen, one thing after the other."""
        frame, decision = self.frame, self.decision
        allowed = decision.answer is Answer.ALLOW
        yield Fact(frame["app"], [self.words.get("app", "")])
        pressed = self.heads["allow" if allowed else "deny"]
        yield Fact(frame["answer"], [pressed], self._spoken if self.is_whole else None)
        if allowed:
            yield from self._shared()
        else:
            yield Fact(frame["shared"], [frame["nothing"]])
        yield Fact(frame["text_version"], [decision.text_version])
        yield Fact(frame["reference"], [decision.id])

    def _shared(self) -> Iterator[Fact]:
        frame, decision = self.frame, self.decision
        for name, chosen, nothing in (("types", self.types, "only_signed_in"), ("topics", self.topics, "none")):
            yield Fact(frame[name], chosen or [frame[nothing]], self._spoken if chosen else None)
        yield Fact(frame["duration"], [self.duration], self._spoken)
        yield Fact(frame["away"], [frame["yes" if decision.offline else "no"]])
        if "online_access" in parse(decision.asked_scopes):
            online = "online_access" in parse(decision.granted_scopes)
            yield Fact(frame["signed_in"], [frame["yes" if online else "no"]])

    @cached_property
    def _chosen(self) -> list[dict[str, Any]]:
        if self.is_whole:
            found: list[dict[str, Any]] = self.words["types"]
            return found
        with force_locale(self.language):
            return _types(self.words, parse(self.decision.granted_scopes))

    @property
    def _spoken(self) -> str | None:
        return self.words.get("language")


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
    """What was kept of an answer; raises `consent.kept_words.AlteredWords`."""
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
