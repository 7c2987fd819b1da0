"""What app reviewers do to an app or an organisation that stands, each with a reason that its people read."""

from collections.abc import Callable
from typing import Any

from flask.typing import ResponseReturnValue

from oauth.apps.disabling import OwnOrganization, StandsSo
from oauth.apps.reviews import WrongState
from service.plan.staff.plan_staff import NotOneself
from service.staff.gate import current_staff
from service.staff.refusals import NothingChanged
from service.staff.schemas import Reason
from service.web import db_session, load_form, settings


def move(
    subject: Any, take: Callable[..., None], page: Callable[[dict[str, list[str]]], str]
) -> ResponseReturnValue | None:
    """Read the reason and take the step with `subject`; the page with what is wrong, or None where it was taken."""
    form, errors = load_form(Reason())
    if errors:
        return page(errors), 400
    by = current_staff().account_id
    try:
        take(db_session(), subject, reason=form["reason"], settings=settings(), by_account_id=by)
    except (WrongState, NotOneself, StandsSo, OwnOrganization) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return None
