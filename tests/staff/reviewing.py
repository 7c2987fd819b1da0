"""Reviewers of apps at the console: what waits for them, the forms they send, and how it stands then."""

import re

from oauth.apps import approval, review_checks
from oauth.apps.models import (
    ReviewState,
)
from service.plan.models import StaffRole
from tests.oauth.desk import Desk
from tests.oauth.life import Life
from tests.staff.console import Clerk

REVIEWER = StaffRole.APP_REVIEWER


def waiting(desk: Desk, **given: object) -> Life:
    """An app that waits for the plan."""
    return Life.begin(desk, desk.settings, **given).to(ReviewState.SUBMITTED)


def seen(page: str) -> str:
    """What the page's forms carry of the version shown."""
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found, "the page has no form about a version"
    return found[1]


def press(clerk: Clerk, life: Life, step: str, **form: str) -> int:
    """Open the app's page and send one of its forms; the status of the answer."""
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    found = re.search(r'name="seen" value="([^"]+)"', page)
    version = {"seen": found[1]} if found else {}
    return clerk.browser.post(f"/staff/app-reviews/{life.app.id}/{step}", **version, **form).status_code


def answered(desk: Desk, life: Life, said: str = "yes") -> dict[str, str]:
    """The check-list's form, every question answered so."""
    with desk.session() as session:
        return {f"answer-{check.key}": said for check in review_checks.asked_of(session, life.app.id)}


def state_of(desk: Desk, life: Life) -> ReviewState:
    with desk.session() as session:
        return life.latest(session).state


def act_of(desk: Desk, life: Life) -> str | None:
    """What waits for a second person to approve the version."""
    with desk.session() as session:
        act = approval.find_waiting(session, life.latest(session))
        return act.id if act else None
