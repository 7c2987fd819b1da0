"""The frame of every page of the portal: whose login it is, the top bar, how many messages are unread."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint

from service.accounts.sessions import current_login
from service.plan.models import ProviderStaff
from service.provider import menu
from service.provider.gate import find_current
from service.provider.mailbox import message_centre
from service.web import db_session

blueprint = Blueprint("provider_layout", __name__)


@dataclass(frozen=True)
class Portal:
    """The login in front of us. `unread` is None where there is no mailbox."""

    staff: ProviderStaff
    unread: int | None


@blueprint.app_context_processor
def _frame() -> dict[str, Any]:
    return {"current_portal": current_portal, "portal_address": menu.address, "menu": menu}


def current_portal() -> Portal | None:
    """The login of the portal that is signed in; None for strangers and everybody else."""
    staff = find_current() if current_login() else None
    if staff is None:
        return None
    return Portal(staff, message_centre.count_unread(db_session(), staff) if menu.exists(menu.MAILBOX) else None)
