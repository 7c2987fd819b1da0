"""The portal's menu, in one table: which application is which function, where it is, how it is called.

What this installation has no page for is left out everywhere, so that no link leads nowhere.
"""

from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from service.plan.models import PortalFunction, ProviderStaff
from service.plan.registering.joining import FUNCTIONS

HOME = "provider_home.index"
MAILBOX = "provider_mailbox.index"
COMPOSE = "provider_mailbox.compose"
ACCOUNTS = "provider_accounts.index"
DELEGATE = "provider_delegates.index"
ACCESS = "provider_access.index"
REMITTANCES = "provider_remittances.index"
FIND_REMITTANCE = "provider_remittances.search"
"""Takes a payment's `number`, posted."""
PUBLIC_HOME = "provider_public.index"
VALIDATE = "provider_validation.index"


@dataclass(frozen=True)
class Application:
    """One application of the portal."""

    function: PortalFunction
    endpoint: str
    name: LazyString
    about: LazyString


APPLICATIONS = (
    Application(
        PortalFunction.REMITTANCES, REMITTANCES, _("Remittance Inquiry"),
        _("Details of a check, EFT or non-payment notice: every claim and line, with the reasons in words."),
    ),
    Application(
        PortalFunction.CLAIMS, "provider_claims.index", _("Claims Inquiry"),
        _("What became of a claim: received, paid, not paid, and what the member owes."),
    ),
    Application(
        PortalFunction.ELIGIBILITY, "provider_eligibility.index", _("Eligibility"),
        _("Whether a member is covered on the day of service."),
    ),
    Application(
        PortalFunction.ACCESS, ACCESS, _("Tax ID & NPI access"),
        _("Add a Tax ID or NPI, or ask a client for access, and see how requests stand."),
    ),
    Application(
        PortalFunction.PROFILES, "provider_profiles.index", _("Provider Data Profiles"),
        _("Add, change or remove practitioners and locations."),
    ),
)  # fmt: skip
"""In the order of the menu; the first that a login has is its default (product.md PV 9)."""
NAMES: dict[PortalFunction, LazyString] = {one.function: one.name for one in APPLICATIONS}
"""How a function is called wherever it is named: in the menu, among a login's rights, where clients are asked."""


def exists(endpoint: str) -> bool:
    """Whether this installation has the page."""
    return endpoint in current_app.view_functions


def address(endpoint: str, **values: Any) -> str | None:
    """The page's address; None where there is no such page."""
    return url_for(endpoint, **values) if exists(endpoint) else None


def applications() -> list[Application]:
    """Every application that has a page."""
    return [one for one in APPLICATIONS if exists(one.endpoint)]


def offered_to(staff: ProviderStaff) -> list[Application]:
    """The applications that somebody of this kind of organisation can have: billing firms have no profiles."""
    return [one for one in applications() if one.function in FUNCTIONS[staff.organization.kind]]


def applications_of(staff: ProviderStaff) -> list[Application]:
    """The applications of a login; none while it waits for its PIN."""
    return [one for one in offered_to(staff) if staff.may(one.function)]


def find(function: str) -> Application | None:
    """The application of that function, if it has a page."""
    return next((one for one in applications() if one.function.value == function), None)
