"""The words of the consent screen as one value: shown, digested into the form, and kept with the answer.

Whatever a person reads before deciding stands in here, in the language they read it in, so that a receipt can be made
again years later with the very words. A change of any sentence needs a new TEXT_VERSION.
"""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from flask_babel import LazyString, format_date, gettext
from flask_babel import lazy_gettext as _

from consent.models import Basis, Duration, LinkScope
from consent.representatives import MemberChoice
from consent.scopes import ScopeSet
from oauth.apps.clients import Attestation, ClientView
from service.accounts.models import Account
from service.member import data_types
from service.settings import Plan

TEXT_VERSION = "2026-3"
EDUCATION_VERSION = "2026-1"

DURATIONS: dict[Duration, LazyString] = {
    Duration.ONCE: _("This time only (about one hour)"),
    Duration.THREE_MONTHS: _("3 months"),
    Duration.THIRTEEN_MONTHS: _("13 months"),
}
RETURNING = {"online": "online_access", "offline": "offline_access"}
"""Ways in which an app may come back by itself: the key of the tick and the scope it stands for."""
BASES: dict[Basis, LazyString] = {
    Basis.PARENT: _("parent"),
    Basis.GUARDIAN: _("guardian"),
    Basis.POWER_OF_ATTORNEY: _("power of attorney"),
    Basis.CONSERVATOR: _("conservator"),
    Basis.EXECUTOR: _("executor"),
}

LINK_SCOPES: dict[LinkScope, LazyString] = {
    LinkScope.ALL: _("All of your information"),
    LinkScope.CLAIMS_ONLY: _("Claims and coverage only"),
    LinkScope.WITHOUT_SENSITIVE: _("Everything except very personal topics"),
}


@dataclass(frozen=True)
class Item:
    """One thing to tick or choose."""

    key: str
    name: str
    description: str = ""


@dataclass(frozen=True)
class Group:
    """Data types under one head."""

    head: str
    items: tuple[Item, ...]


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

    def as_shown(self) -> dict[str, Any]:
        """The words as they are kept with the answer."""
        return asdict(self)


def compose(
    *, client: ClientView, reviewed: bool, scopes: ScopeSet, choice: MemberChoice, account: Account, plan: Plan,
    language: str,
) -> Words:  # fmt: skip
    """The words for this app, these scopes (after policy), this member and this person, in the page's language."""
    groups = _groups(scopes)
    return Words(
        text_version=TEXT_VERSION,
        education_version=EDUCATION_VERSION,
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
        everything=_everything(scopes, plan),
        groups=groups,
        sensitive_intro=_sensitive_intro(),
        sensitive=_sensitive(scopes, choice),
        durations=tuple(Item(key.value, str(name)) for key, name in DURATIONS.items()),
        offline=_offline(scopes, client),
        afterwards=_afterwards(client, plan),
        policy_uri=client.policy_uri,
        terms_uri=client.terms_uri,
    )


def returning(scopes: ScopeSet, *, offline: bool) -> str:
    """When an app with these scopes looks for new information by itself, for the console."""
    if offline and "offline_access" in scopes:
        return str(gettext("Also while you are away"))
    if "online_access" in scopes:
        return str(gettext("Only while you are signed in here"))
    return str(gettext("Only when you open the app"))


def _unreviewed(plan: Plan) -> str:
    return str(
        gettext(
            "This app is not verified: nobody at %(plan)s has looked at it yet, and its name may not be true.",
            plan=plan.name,
        )
    )


def attestation(client: ClientView, plan: Plan) -> str:
    """Whether the developer agreed to the plan's privacy policy, as a fact: never a warning and never a gate."""
    names = {"developer": client.developer_name, "plan": plan.name}
    if client.attestation is Attestation.ATTESTED:
        return str(gettext(
            "The developer of this app, %(developer)s, agreed to the privacy policy of %(plan)s on %(date)s "
            "(version %(version)s).",
            date=_day(client.attested_on, plan.timezone), version=client.attestation_version or "", **names,
        ))  # fmt: skip
    if client.attestation is Attestation.DECLINED:
        return str(gettext(
            "The developer of this app, %(developer)s, was asked to agree to the privacy policy of %(plan)s and "
            "answered no on %(date)s. The choice to use the app is yours.",
            date=_day(client.attested_on, plan.timezone), **names,
        ))  # fmt: skip
    return str(
        gettext(
            "The developer of this app, %(developer)s, has not answered whether they agree to the privacy policy of "
            "%(plan)s. The choice to use the app is yours.",
            **names,
        )
    )


def _day(moment: datetime | None, timezone: ZoneInfo) -> str:
    return str(format_date(moment.astimezone(timezone), "long", rebase=False)) if moment else ""


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
                "%(app)s asks to see the types of information below. Untick what you do not want to share.",
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


def _everything(scopes: ScopeSet, plan: Plan) -> str:
    if not data_types.asks_for_everything(scopes):
        return ""
    return str(
        gettext(
            "If you leave all boxes ticked, the app may see everything that %(plan)s has now and what is added later.",
            plan=plan.name,
        )
    )


def _groups(scopes: ScopeSet) -> tuple[Group, ...]:
    kinds = data_types.asked(scopes)
    found = []
    for head, title in data_types.HEADS.items():
        items = tuple(_item(scopes, kind) for kind in kinds if kind.head is head)
        if items:
            found.append(Group(str(title), items))
    return tuple(found)


def _item(scopes: ScopeSet, kind: data_types.DataType) -> Item:
    parts = data_types.parts(scopes, kind)
    if not parts:
        return Item(kind.key, str(kind.name), str(kind.description))
    return Item(kind.key, str(kind.name), gettext("Only these: %(parts)s.", parts=", ".join(parts)))


def _sensitive_intro() -> str:
    return str(
        gettext(
            "These topics are very personal. Records about them, claims included, are left out unless you tick them."
        )
    )


def _sensitive(scopes: ScopeSet, choice: MemberChoice) -> tuple[Item, ...]:
    within_right = choice.link is None or choice.link.scope is not LinkScope.WITHOUT_SENSITIVE
    if not within_right or not data_types.sensitive_matter(scopes):
        return ()
    return tuple(Item(kind.key.value, str(kind.name), str(kind.description)) for kind in data_types.SENSITIVE_TYPES)


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
        gettext(
            "Stopping does not remove what %(app)s has already received. The app's own policy says how it keeps it.",
            app=client.name,
        ),
        gettext(
            "Most apps need not follow the federal health privacy rules (HIPAA) that %(plan)s must follow.",
            plan=plan.name,
        ),
    )
