"""SMART scopes as values: read from text, met with each other, written back (SMART App Launch 2.2, scopes).

A resource scope is `(patient|user|system)/(Type|*).letters?param=value`. Letters are c r u d s in that order; the v1
words read, write and * stand for rs, cud and cruds. What cannot be understood is dropped, never widened: a scope
with an unknown parameter disappears as a whole (SMART-33).
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from urllib.parse import parse_qsl

LETTERS = "cruds"
REMEMBERED = 2_000
"""Texts up to this length are parsed once."""
READ_LETTERS = frozenset("rs")
WORDS = frozenset({"openid", "fhirUser", "profile", "launch", "launch/patient", "offline_access", "online_access"})
_V1 = {"read": frozenset("rs"), "write": frozenset("cud"), "*": frozenset(LETTERS)}
_FORM = re.compile(r"(patient|user|system)/([A-Za-z]{1,64}|\*)\.([a-z]{1,5}|\*)(?:\?(.{1,2000}))?", re.ASCII)
# `system|code` or `code`, never blank, in letters that need no encoding: written back it reads the same.
_VALUE_FORM = re.compile(r"(?:[A-Za-z0-9:/._~-]*\|)?[A-Za-z0-9._-]+", re.ASCII)
_LETTERS_FORM = re.compile(r"c?r?u?d?s?")
GRANULAR = {
    "Condition": frozenset({"category"}),
    "Observation": frozenset({"category"}),
    "DocumentReference": frozenset({"category"}),
    "ExplanationOfBenefit": frozenset({"type"}),
}
"""Search parameters by which a scope of a type may be narrowed (SMART-31, SMART-33)."""
BY_NAME = frozenset({"AuditEvent"})
"""Types that no wildcard speaks of, on either side: who looked at a record is no part of the record (decision 99)."""

Restriction = tuple[tuple[str, str], ...]
"""Search parameters that a resource must match, all of them; empty for no restriction."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope. `v1` keeps the form in which it was asked, to be answered in kind (SMART-25)."""

    context: str
    resource_type: str
    letters: frozenset[str]
    restriction: Restriction = ()
    v1: bool = False

    def __str__(self) -> str:
        if self.v1 and (word := _v1_word(self.letters)):
            suffix = word
        else:
            suffix = "".join(letter for letter in LETTERS if letter in self.letters)
        query = "&".join(f"{name}={value}" for name, value in self.restriction)
        return f"{self.context}/{self.resource_type}.{suffix}" + (f"?{query}" if query else "")

    def covers(self, resource_type: str, letter: str) -> bool:
        """Whether this scope speaks of that interaction (letter) on that type."""
        return letter in self.letters and _speaks_of(self.resource_type, resource_type)

    def meet(self, other: "Scope") -> "Scope | None":
        """What both allow, in the form of this one; None when nothing is left."""
        letters = self.letters & other.letters
        if _speaks_of(other.resource_type, self.resource_type):
            resource_type = self.resource_type
        elif _speaks_of(self.resource_type, other.resource_type):
            resource_type = other.resource_type
        else:
            return None
        if self.context != other.context or not letters:
            return None
        restriction = tuple(sorted(set(self.restriction) | set(other.restriction)))
        return replace(self, resource_type=resource_type, letters=letters, restriction=restriction)

    def within(self, other: "Scope") -> bool:
        """Whether everything this scope allows, `other` allows too."""
        return (
            self.context == other.context
            and _speaks_of(other.resource_type, self.resource_type)
            and self.letters <= other.letters
            and set(other.restriction) <= set(self.restriction)
        )


@dataclass(frozen=True)
class ScopeSet:
    """Resource scopes and words (openid, launch/patient, offline_access …), in the order they were asked."""

    resources: tuple[Scope, ...] = ()
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return " ".join((*self.words, *map(str, self.resources)))

    def __bool__(self) -> bool:
        return bool(self.resources or self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.words

    @cached_property
    def types(self) -> frozenset[str]:
        """The resource types named, `*` among them where a wildcard was asked."""
        return frozenset(scope.resource_type for scope in self.resources)

    def permits(self, resource_type: str, letter: str) -> bool:
        """Whether the interaction `letter` (r read, s search) on the type is allowed, if only for a part of it."""
        return any(scope.covers(resource_type, letter) for scope in self.resources)

    def restrictions(self, resource_type: str, letter: str) -> tuple[Restriction, ...]:
        """The alternatives of which a resource must match one; `((),)` is everything, `()` is nothing."""
        key = resource_type, letter
        if key not in self._restrictions:
            found = tuple([scope.restriction for scope in self.resources if scope.covers(resource_type, letter)])
            self._restrictions[key] = ((),) if () in found else found
        return self._restrictions[key]

    @cached_property
    def _restrictions(self) -> dict[tuple[str, str], tuple[Restriction, ...]]:
        # Filled as it is asked for: types and letters are few, and a set of scopes never changes.
        return {}

    def meet(self, other: "ScopeSet") -> "ScopeSet":
        """What both allow: words in both, and every non-empty meeting of resource scopes."""
        met = [(mine, both) for mine in self.resources for theirs in other.resources if (both := mine.meet(theirs))]
        words = tuple(word for word in self.words if word in other.words)
        return ScopeSet(_once_each(both for mine, both in met if both == mine or not _spared(both, met)), words)

    def joined(self, other: "ScopeSet") -> "ScopeSet":
        """What either allows."""
        words = tuple(dict.fromkeys((*self.words, *other.words)))
        return ScopeSet(_once_each((*self.resources, *other.resources)), words)

    def within(self, other: "ScopeSet") -> bool:
        """Whether `other` allows all of this (each scope inside one of the other's)."""
        words = set(self.words) <= set(other.words)
        return words and all(any(mine.within(theirs) for theirs in other.resources) for mine in self.resources)

    def limited_to_letters(self, letters: frozenset[str]) -> "ScopeSet":
        """The same with every resource scope cut to `letters`; scopes with none left disappear."""
        cut = (replace(scope, letters=scope.letters & letters) for scope in self.resources)
        return replace(self, resources=_once_each(scope for scope in cut if scope.letters))

    def limited_to_contexts(self, contexts: Collection[str]) -> "ScopeSet":
        """The same without resource scopes of other contexts (`system` in a person's flow)."""
        return replace(self, resources=tuple(scope for scope in self.resources if scope.context in contexts))

    def limited_to_types(self, allowed: Collection[str], every: Collection[str]) -> "ScopeSet":
        """The same for `allowed` types only. A wildcard stays one when all it speaks of is allowed, else is spelt out.

        `every` are the types there are.
        """
        wild = set(every) - BY_NAME
        spelt: list[Scope] = []
        for scope in self.resources:
            if scope.resource_type != "*":
                spelt += [scope] if scope.resource_type in allowed else []
            elif wild <= set(allowed):
                spelt.append(scope)
            else:
                spelt += [replace(scope, resource_type=name) for name in sorted(set(allowed) & wild)]
        return replace(self, resources=_once_each(spelt))

    def limited_to_parts(
        self, resource_type: str, parts: Collection[Restriction], every: Collection[str]
    ) -> "ScopeSet":  # fmt: skip
        """The same with one scope for each of these parts in place of the whole of a type, and no other part of it.

        A wildcard that speaks of the type is spelt out; `every` are the types there are.
        """
        spelt = self.limited_to_types(set(every) - {resource_type}, every).resources
        meant = [one for one in self.resources if _speaks_of(one.resource_type, resource_type)]
        kept = (one for one in meant if one.restriction in parts)
        cut = (
            replace(one, resource_type=resource_type, restriction=part, v1=False)
            for one in meant
            if not one.restriction
            for part in parts
        )
        return replace(self, resources=_once_each((*spelt, *kept, *cut)))

    def without_types(self, names: Collection[str]) -> "ScopeSet":
        """The same without the scopes that name one of these types."""
        return replace(self, resources=tuple(one for one in self.resources if one.resource_type not in names))

    def without(self, *words: str) -> "ScopeSet":
        """The same without these words."""
        return replace(self, words=tuple(word for word in self.words if word not in words))


def parse(text: str) -> ScopeSet:
    """The scopes of a space-separated text; what is not understood is left out."""
    # Strangers may send long texts: those are not remembered.
    return _parse(text) if len(text) <= REMEMBERED else _parse.__wrapped__(text)


@lru_cache(maxsize=4096)
def _parse(text: str) -> ScopeSet:
    resources: list[Scope] = []
    words: list[str] = []
    for part in text.split(" "):
        if part in WORDS:
            words.append(part)
        elif scope := _parse_resource_scope(part):
            resources.append(scope)
    return ScopeSet(_once_each(resources), tuple(dict.fromkeys(words)))


def _parse_resource_scope(part: str) -> Scope | None:
    form = _FORM.fullmatch(part)
    if form is None:
        return None
    context, resource_type, suffix, query = form.groups()
    letters = _V1.get(suffix) or (frozenset(suffix) if _LETTERS_FORM.fullmatch(suffix) else frozenset())
    restriction = _parse_restriction(resource_type, query)
    if not letters or restriction is None:
        return None
    return Scope(context, resource_type, letters, restriction, v1=suffix in _V1 and not query)


def _parse_restriction(resource_type: str, query: str | None) -> Restriction | None:
    if query is None:
        return ()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=10)
    except ValueError:
        return None
    allowed = GRANULAR.get(resource_type, frozenset())
    if any(name not in allowed or not _VALUE_FORM.fullmatch(value) for name, value in pairs):
        return None
    return tuple(sorted(set(pairs)))


def _speaks_of(wider: str, resource_type: str) -> bool:
    """Whether what is said of the type `wider`, which may be `*`, is said of a type, or of the wildcard, too."""
    return wider == resource_type or (wider == "*" and resource_type not in BY_NAME)


def _spared(scope: Scope, met: Iterable[tuple[Scope, Scope]]) -> bool:
    # Two parts of a type that meet cross-wise ("lab results that are vital signs") say nothing beside the part itself.
    return any(scope.within(wider) and scope.restriction != wider.restriction for _mine, wider in met)


def _v1_word(letters: frozenset[str]) -> str | None:
    return next((word for word, meant in _V1.items() if meant == letters), None)


def _once_each(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    # Only repetitions go: a narrower scope beside a wider one was asked for and is answered.
    kept: dict[tuple[str, str, frozenset[str], Restriction], Scope] = {}
    for scope in scopes:
        kept.setdefault((scope.context, scope.resource_type, scope.letters, scope.restriction), scope)
    return tuple(kept.values())
