"""Which scopes developers may choose, in plain words, and the reasons they give: one for each (product.md AP 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from fhir.compartment import TYPES
from service.accounts.schemas import require_storable

LONGEST_REASON = 300
_REASON = "reason:"


@dataclass(frozen=True)
class Offered:
    """A scope that an app may ask for."""

    scope: str
    about: LazyString | None

    @property
    def key(self) -> str:
        """What names it in a page."""
        return self.scope.replace("/", "-").replace("*", "all").replace(".", "-")


FIRST = (
    Offered("openid", _("To know that it is the same person again (OpenID Connect).")),
    Offered("fhirUser", _("Who signed in: the member, or their representative.")),
    Offered("launch/patient", _("Which member it is about.")),
    Offered("launch", _("To be opened from the App Gallery, for the member selected there.")),
    Offered("online_access", _("To stay connected while the member is signed in here (refresh tokens).")),
    Offered("offline_access", _("To stay connected until the member ends it (refresh tokens).")),
    Offered("patient/*.rs", _("To read every type of data that the member ticks.")),
    Offered("user/*.rs", _("The same in the name of whoever signed in.")),
)  # fmt: skip
ONE_TYPE = tuple(Offered(f"patient/{resource_type}.rs", None) for resource_type in TYPES)
OFFERED = (*FIRST, *ONE_TYPE)
"""Reading only: nothing here writes."""
_KNOWN = {offered.scope for offered in OFFERED}


@dataclass(frozen=True)
class Choice:
    """The scopes ticked, each with its reason; reasons of others are kept for the page that shows the form again."""

    scopes: tuple[str, ...]
    reasons: Mapping[str, str]

    @property
    def given(self) -> dict[str, str]:
        """The reasons of the scopes ticked."""
        return {scope: self.reasons[scope] for scope in self.scopes if self.reasons.get(scope)}


def read(form: Any) -> tuple[Choice, dict[str, list[str]]]:
    """The choice of a posted form, and what is wrong with it. A reason may come later, before the review."""
    ticked = [scope for scope in form.getlist("scope") if scope in _KNOWN]
    scopes = tuple(offered.scope for offered in OFFERED if offered.scope in ticked)
    reasons = {scope: _one_line(form.get(_REASON + scope, "")) for scope in _KNOWN}
    choice = Choice(scopes, {scope: reason[:LONGEST_REASON] for scope, reason in reasons.items() if reason})
    if len(ticked) != len(form.getlist("scope")):
        return choice, {"scope": [gettext("Please choose scopes of the list only.")]}
    if not scopes:
        return choice, {"scope": [gettext("Please choose at least one scope.")]}
    if any(len(reasons[scope]) > LONGEST_REASON for scope in scopes):
        return choice, {"scope": [gettext("A reason has %(most)s characters at most.", most=LONGEST_REASON)]}
    return choice, {}


def _one_line(text: str) -> str:
    require_storable(text)
    return " ".join(text.split())
