"""The words of the consent screen as one value: shown, digested into the form, and kept with the answer.

Whatever a person reads before deciding stands in here, in the language they read it in, so that a receipt can be made
again years later with the very words. A change of any sentence needs a new version in
`consent.legal_texts`.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from consent import data_types
from consent.legal_texts import VERSIONS, LegalText
from consent.link_words import BASES
from consent.models import Duration
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet
from oauth.apps.attestation_words import attestation
from oauth.apps.clients import ClientView
from service.accounts.models import Account
from service.plan_file import Plan

DURATIONS: dict[Duration, LazyString] = {
    Duration.ONCE: _("This time only (about one hour)"),
    Duration.THREE_MONTHS: _("3 months"),
    Duration.THIRTEEN_MONTHS: _("13 months"),
}
RETURNING = {"online": "online_access", "offline": "offline_access"}
"""Ways in which an app may come back by itself: the key of the tick and the scope it stands for."""


@dataclass(frozen=True)
class Item:
    """One thing to tick or choose; `parts` have a box each below it, `choosing` says what it does to untick one."""

    key: str
    name: str
    description: str = ""
    parts: tuple["Item", ...] = ()
    choosing: str = ""


@dataclass(frozen=True)
class Group:
    """Data types under one head."""

    head: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Heads:
    """What stands over and beside the sentences, and on the two buttons."""

    app: str
    developer: str
    whose: str
    decider: str
    policy: str
    terms: str
    asks: str
    topics: str
    how_long: str
    length: str
    afterwards: str
    allow: str
    deny: str


@dataclass(frozen=True)
class Words:
    """Every sentence of one consent screen, and the digest of the logo beside them."""

    text_version: str
    education_version: str
    language: str
    title: str
    app: str
    logo: str | None
    developer: str
    domain: str
    attestation: str
    unreviewed: str
    whose: str
    decider: str
    intro: str
    everything: str
    groups: tuple[Group, ...]
    sensitive_intro: str
    sensitive: tuple[Item, ...]
    durations: tuple[Item, ...]
    offline: tuple[Item, ...]
    afterwards: tuple[str, ...]
    policy_uri: str | None
    terms_uri: str | None
    heads: Heads

    @property
    def digest(self) -> str:
        """Names these words: the form carries it, so that nobody agrees to other words than they read."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def duration_choices(self) -> list[tuple[str, str]]:
        """The durations as values and texts of a group of buttons."""
        return [(item.key, item.name) for item in self.durations]

    @property
    def type_keys(self) -> frozenset[str]:
        """The keys of the data types on the page."""
        return frozenset(item.key for group in self.groups for item in group.items)

    @property
    def part_keys(self) -> frozenset[str]:
        """The keys of the parts of data types that have boxes on the page."""
        return frozenset(part.key for group in self.groups for item in group.items for part in item.parts)

    def as_shown(self) -> dict[str, Any]:
        """The words as they are kept with the answer; what an item does not have is left out."""
        return asdict(self) | {
            "groups": [{"head": group.head, "items": list(map(_kept, group.items))} for group in self.groups],
            **{name: list(map(_kept, getattr(self, name))) for name in ("sensitive", "durations", "offline")},
        }


def _kept(item: Item) -> dict[str, Any]:
    whole = {
        "key": item.key, "name": item.name, "description": item.description, "choosing": item.choosing,
        "parts": list(map(_kept, item.parts)),
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value}


def heads_of(app: str) -> Heads:
    """The heads of the page of this app, in the language at hand."""
    return Heads(
        app=gettext("App"),
        developer=gettext("Developer"),
        whose=gettext("Information about"),
        decider=gettext("Decided by"),
        policy=gettext("Privacy policy of %(app)s", app=app),
        terms=gettext("Terms of use of %(app)s", app=app),
        asks=gettext("What the app asks to see"),
        topics=gettext("Very personal topics"),
        how_long=gettext("How long"),
        length=gettext("For how long may the app see it?"),
        afterwards=gettext("Afterwards"),
        allow=gettext("Allow"),
        deny=gettext("Don't allow"),
    )


def compose(
    *, client: ClientView, reviewed: bool, scopes: ScopeSet, choice: MemberChoice, account: Account, plan: Plan,
    language: str,
) -> Words:  # fmt: skip
    """The words for this app, these scopes (after policy), this member and this person, in the page's language."""
    groups = groups_of(scopes)
    return Words(
        text_version=VERSIONS[LegalText.CONSENT],
        education_version=VERSIONS[LegalText.EDUCATION],
        language=language,
        title=gettext("Share information with %(app)s?", app=client.name),
        app=client.name,
        logo=client.logo_digest,
        developer=client.developer_name,
        domain=client.developer_domain or "",
        attestation=attestation(client, plan),
        unreviewed="" if reviewed else _unreviewed(plan),
        whose=choice.member.full_name,
        decider=_decider(choice, account),
        intro=_intro(groups, client),
        everything=_everything(scopes, choice, plan),
        groups=groups,
        sensitive_intro=_sensitive_intro(),
        sensitive=_sensitive(scopes, choice),
        durations=tuple(Item(key.value, str(name)) for key, name in DURATIONS.items()),
        offline=_offline(scopes, client),
        afterwards=_afterwards(client, plan),
        policy_uri=client.policy_uri,
        terms_uri=client.terms_uri,
        heads=heads_of(client.name),
    )


def _unreviewed(plan: Plan) -> str:
    return str(
        gettext(
            "This app is not verified: nobody at %(plan)s has looked at it yet, and its name may not be true.",
            plan=plan.name,
        )
    )


def _decider(choice: MemberChoice, account: Account) -> str:
    if choice.link is None:
        return str(gettext("You, %(name)s", name=account.full_name))
    return str(gettext(
        "You, %(name)s, as personal representative (%(basis)s)",
        name=account.full_name, basis=str(BASES[choice.link.basis]),
    ))  # fmt: skip


def _intro(groups: tuple[Group, ...], client: ClientView) -> str:
    if groups:
        return str(
            gettext(
                "%(app)s asks to see the types of information below. Uncheck what you do not want to share.",
                app=client.name,
            )
        )
    return str(
        gettext(
            "%(app)s has not said which types of health information it wants, and will get none. "
            "It will learn only who you are: that you have signed in here, and for whom.",
            app=client.name,
        )
    )


def beyond_right(client: ClientView, choice: MemberChoice) -> str:
    """Why there is nothing to agree to, where an app asks for health information and none of it can be shared."""
    if choice.link is None:
        # The plan took its scopes away while its request waited.
        return str(gettext("%(app)s may not get the types of health information that it asks for.", app=client.name))
    return str(
        gettext(
            "%(app)s asks only for types of health information about %(member)s that your right as personal "
            "representative does not cover, so you cannot share them.",
            app=client.name, member=choice.member.full_name,
        )
    )  # fmt: skip


def _everything(scopes: ScopeSet, choice: MemberChoice, plan: Plan) -> str:
    """What all boxes together share, where that is more than they name, and what is shared by no box."""
    told = [_all_of_it(plan)] if data_types.asks_for_everything(scopes) else []
    if data_types.sensitive_matter(scopes) and not _covers_topics(choice):
        told.append(_never_shared())
    elif told:
        told.append(_shared_by_tick())
    return " ".join(told)


def _all_of_it(plan: Plan) -> str:
    return str(
        gettext(
            "If you leave all of these boxes checked, the app may see all of this information that %(plan)s has now, "
            "and what is added later, including new types of information.",
            plan=plan.name,
        )
    )


def _shared_by_tick() -> str:
    return str(
        gettext(
            "Two kinds of records are left out: those about the very personal topics below that you do not check, and "
            "those without a code that tells us their topic."
        )
    )


def _never_shared() -> str:
    return str(
        gettext(
            "Very personal topics are never shared with the app, since your right as personal representative does not "
            "cover them: alcohol and drug use, mental health, sexual and reproductive health, HIV and genetic "
            "information. Records about them are left out, claims included, and so are records without a code that "
            "tells us their topic."
        )
    )


def groups_of(scopes: ScopeSet) -> tuple[Group, ...]:
    """The data types of these scopes, under their heads, as a person ticks them."""
    kinds = data_types.asked(scopes)
    found = []
    for head, title in data_types.HEADS.items():
        items = tuple(_item(scopes, kind) for kind in kinds if kind.head is head)
        if items:
            found.append(Group(str(title), items))
    return tuple(found)


def _item(scopes: ScopeSet, kind: data_types.DataType) -> Item:
    parts, boxes = data_types.parts(scopes, kind), data_types.boxes(scopes, kind)
    below = tuple(Item(key, part.name) for key, part in boxes.items())
    if not parts:
        choosing = gettext("If you uncheck one of these, only those that are checked are shared.") if boxes else ""
        return Item(kind.key, str(kind.name), str(kind.description), below, choosing)
    if boxes:
        return Item(kind.key, str(kind.name), gettext("Only the parts that are checked below."), below)
    return Item(kind.key, str(kind.name), gettext("Only these: %(parts)s.", parts=parts[0].name))


def _sensitive_intro() -> str:
    return str(
        gettext(
            "These topics are very personal. Records about them, claims included, are left out unless you check "
            "them. Records without a code that tells us their topic are never shared with an app."
        )
    )


def _sensitive(scopes: ScopeSet, choice: MemberChoice) -> tuple[Item, ...]:
    if not _covers_topics(choice) or not data_types.sensitive_matter(scopes):
        return ()
    return tuple(Item(kind.key.value, str(kind.name), str(kind.description)) for kind in data_types.SENSITIVE_TYPES)


def _covers_topics(choice: MemberChoice) -> bool:
    return choice.link is None or choice.link.scope_now.sensitive


def _offline(scopes: ScopeSet, client: ClientView) -> tuple[Item, ...]:
    said = {
        "online": (
            gettext("Let the app look for new information while you are signed in here"),
            gettext(
                "%(app)s may come back by itself until you sign out. You are signed out after 15 minutes without use.",
                app=client.name,
            ),
        ),
        "offline": (
            gettext("Let the app look for new information while you are away"),
            gettext("%(app)s may come back without you signing in again, until the time is over.", app=client.name),
        ),
    }
    return tuple(Item(key, *said[key]) for key, word in RETURNING.items() if word in scopes)


def _afterwards(client: ClientView, plan: Plan) -> tuple[str, ...]:
    return (
        gettext("You can stop sharing at any time: sign in, open App Management Console and press Revoke."),
        gettext("There you can also pause the app, share less with it, and see what it has read."),
        gettext(
            "Stopping does not remove what %(app)s has already received. The app's own policy says how it keeps it.",
            app=client.name,
        ),
        gettext(
            "Most apps need not follow the federal health privacy rules (HIPAA) that %(plan)s must follow.",
            plan=plan.name,
        ),
    )
