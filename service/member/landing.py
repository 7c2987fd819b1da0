"""Where a person lands after sign-in: their own place, or a choice between several (product.md ID 1)."""

from dataclasses import dataclass
from enum import StrEnum

from flask import Blueprint, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from consent.models import PersonalRepresentative
from oauth.apps.models import Developer
from service.accounts.models import Account
from service.accounts.sessions import require_login
from service.member.acting import get_person
from service.plan.models import PlanStaff, ProviderStaff, StaffStatus
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
    # In one statement: pages that everybody shares ask before anything of their own.
    represents, in_portal, develops, of_plan = session.execute(
        select(
            exists().where(PersonalRepresentative.account_id == account.id),
            exists().where(ProviderStaff.account_id == account.id, ProviderStaff.status != StaffStatus.DEACTIVATED),
            exists().where(Developer.account_id == account.id, Developer.ended_at.is_(None)),
            exists().where(PlanStaff.account_id == account.id, PlanStaff.ended_at.is_(None)),
        )
    ).one()
    has = {
        Place.MEMBER: account.member_id is not None or represents, Place.PROVIDER: in_portal,
        Place.DEVELOPER: develops, Place.STAFF: of_plan,
    }  # fmt: skip
    return Landing(tuple(place for place in Place if has[place]))
