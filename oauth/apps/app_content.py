"""What an app says of itself that the plan looks at: kept with each version, compared, and written to the app."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_NAMES = {
    "name": "Name",
    "redirect_uris": "Redirect addresses",
    "launch_uris": "Launch addresses",
    "post_logout_redirect_uris": "Addresses after sign-out",
    "scopes": "Scopes",
    "scope_reasons": "Reasons for the scopes",
    "logo_digest": "Logo",
    "website": "Website",
    "policy_uri": "Privacy policy",
    "terms_uri": "Terms",
    "category": "Category",
}
ADDRESSES = ("redirect_uris", "launch_uris", "post_logout_redirect_uris")
"""The names of what lists addresses of the app's own."""


@dataclass(frozen=True, kw_only=True)
class AppContent:
    """The reviewed part of an app. A change of any of it on an approved app is a new version."""

    name: str
    redirect_uris: tuple[str, ...]
    launch_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    scopes: str
    scope_reasons: Mapping[str, str] = field(default_factory=dict)
    logo_digest: str | None = None
    website: str | None = None
    policy_uri: str | None = None
    terms_uri: str | None = None
    category: str | None = None
    """A value of `oauth.apps.models.Category`: where the gallery shows it."""

    @classmethod
    def of(cls, app: object) -> "AppContent":
        """What an app's row says now, or its registration, which has no logo yet."""
        return cls.read({name: getattr(app, name) for name in _NAMES if hasattr(app, name)})

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "AppContent":
        """From what `to_keep` gave."""
        given = dict(kept)
        given |= {name: tuple(given.get(name, ())) for name in ADDRESSES}
        return cls(**given | {"scope_reasons": dict(given["scope_reasons"])})

    def to_keep(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self) | {name: list(getattr(self, name)) for name in ADDRESSES}


def differences(before: AppContent | None, after: AppContent) -> list[dict[str, str]]:
    """What is not the same, as {"what", "before", "after"} in words; everything where there is nothing before."""
    changes = [
        {"what": said, "before": _told(before and getattr(before, name)), "after": _told(getattr(after, name))}
        for name, said in _NAMES.items()
    ]
    return [change for change in changes if change["before"] != change["after"]]


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {said}" for name, said in sorted(value.items()))
    if isinstance(value, tuple):
        return "\n".join(value)
    return str(value or "")
