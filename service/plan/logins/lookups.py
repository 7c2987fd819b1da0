"""Look-ups of a member by a login of the portal or of the plan: why, how many an hour, and who is told of too many.

Inquiries on member information are logged by the individual (product.md PV 10; security.md 142). A look-up is a member
named by number or by name and birth date; opening one's own claims by other ways is none.
"""

from dataclasses import dataclass
from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import throttling
from service.audit import Outcome
from service.clock import now
from service.plan.models import PlanStaff, ProviderStaff, StaffRole
from service.plan.staff import plan_staff
from service.settings import Settings

_HOUR = 3_600.0
_TOLD = {
    "provider": (StaffRole.PRIVACY_OFFICER, StaffRole.PROVIDER_SERVICES),
    "staff": (StaffRole.PRIVACY_OFFICER,),
}
ON_FILE = "on file: a claim of theirs for this member"
"""The reason of a look-up for which nothing had to be asked."""
_ALERTS = {"provider": "lookup_alert", "staff": "staff_lookup_alert"}
log = structlog.get_logger("service.plan.logins.lookups")


class Purpose(StrEnum):
    """Why a provider may ask about a member (45 CFR 164.506(c))."""

    TREATMENT = "treatment"
    PAYMENT = "payment"
    OPERATIONS = "operations"


@dataclass(frozen=True)
class Reason:
    """What somebody said why they ask."""

    purpose: Purpose
    text: str

    def __str__(self) -> str:
        return f"{self.purpose.value}: {self.text}"


class ReasonNeeded(Exception):
    """Nothing on file joins the provider and whoever was named, or nobody was: the reason has to be said first."""


class TooManyLookups(Exception):
    """More look-ups in an hour than any office needs; its audit row stands in the transaction."""


def take(session: Session, staff: ProviderStaff | PlanStaff, settings: Settings) -> None:
    """Count one look-up before it is made; raises TooManyLookups. Plan staff hear of the first above the norm."""
    source = "provider" if isinstance(staff, ProviderStaff) else "staff"
    number = throttling.count(session, f"member-lookup:{staff.account_id}", _HOUR)
    if number == settings.lookup_norm_per_hour + 1:
        _alert(session, staff, settings, source)
    if number > settings.lookup_limit_per_hour:
        audit.record(
            session, f"{source}:lookup:refuse", outcome=Outcome.REFUSED, account_id=staff.account_id, count=number
        )
        raise TooManyLookups


def _alert(session: Session, staff: ProviderStaff | PlanStaff, settings: Settings, source: str) -> None:
    norm = settings.lookup_norm_per_hour
    office = {"organization": staff.organization_id} if isinstance(staff, ProviderStaff) else {}
    audit.record(
        session, f"{source}:lookup:over_norm", account_id=staff.account_id, count=norm + 1,
        detail={"staff": staff.id, **office},
    )  # fmt: skip
    log.warning("many_member_lookups", norm=norm)
    people = {
        person.account.id: person.account for role in _TOLD[source] for person in plan_staff.with_role(session, role)
    }
    for account in people.values():
        mail.enqueue(
            session, to=account.email, template=_ALERTS[source], language=account.language or "en",
            given_name=account.given_name, username=staff.account.username, norm=str(norm), at=now(),
        )  # fmt: skip
