"""Where a person lands after sign-in: their own place, or a choice between several (product.md ID 1)."""

from dataclasses import dataclass
from enum import StrEnum

from flask import Blueprint, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from consent import representatives
from oauth.apps import developers
from service.accounts.models import Account
from service.accounts.sessions import require_login
from service.member.acting import get_person
from service.plan.logins import portal_staff
from service.plan.models import StaffStatus
from service.plan.staff import plan_staff
from service.web import db_session

blueprint = Blueprint("landing", __name__)


class Place(StrEnum):
    """A place of the product that is somebody's own."""

    MEMBER = "member"
    PROVIDER = "provider"
    DEVELOPER = "developer"
    STAFF = "staff"


@dataclass(frozen=True)
class Landing:
    """The places of one person, in the order in which they are offered."""

    places: tuple[Place, ...]

    @property
    def only(self) -> Place | None:
        """The place of somebody who has no choice; people without any have the members' home, which says so."""
        if not self.places:
            return Place.MEMBER
        return self.places[0] if len(self.places) == 1 else None


_HOMES = {
    Place.MEMBER: "member_home.index", Place.PROVIDER: "provider_home.index", Place.DEVELOPER: "developer_apps.index",
    Place.STAFF: "staff_home.index",
}  # fmt: skip


@blueprint.get("/start")
@require_login
def index() -> ResponseReturnValue:
    """Go to the one place, or choose."""
    account = get_person().account
    landing = landing_of(db_session(), account)
    if landing.only is not None:
        return redirect(url_for(_HOMES[landing.only]), 303)
    return render_template("member/landing.html", places=landing.places, homes=_HOMES, account=account)


def address_of(session: Session, account: Account) -> str:
    """Where this person's start is, for pages that send people home."""
    only = landing_of(session, account).only
    return url_for(_HOMES[only] if only is not None else "landing.index")


def landing_of(session: Session, account: Account) -> Landing:
    """The places this account has now; looked up once for each database session, since every shared page asks often."""
    held = g.get("landing")
    if held is None or held[:2] != (session, account.id):
        g.landing = held = (session, account.id, _look_up(session, account))
    found: Landing = held[2]
    return found


def _look_up(session: Session, account: Account) -> Landing:
    staff = portal_staff.find_staff(session, account)
    has = {
        Place.MEMBER: _is_member_or_represents(session, account),
        Place.PROVIDER: staff is not None and staff.status is not StaffStatus.DEACTIVATED,
        Place.DEVELOPER: developers.find(session, account.id) is not None,
        Place.STAFF: plan_staff.find(session, account) is not None,
    }
    return Landing(tuple(place for place in Place if has[place]))


def _is_member_or_represents(session: Session, account: Account) -> bool:
    return account.member_id is not None or representatives.representative_of(session, account) is not None
