"""Who may open a page of the provider portal: a login that works, with the application the page belongs to."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import g
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.accounts.factor_gate import ask_for_factor
from service.accounts.sessions import current_login, require_login
from service.plan import portal_staff
from service.plan.models import PortalFunction, ProviderStaff, StaffStatus
from service.web import NotFoundPage, PageError, db_session

P = ParamSpec("P")
Page = Callable[P, ResponseReturnValue]


class ApplicationMissing(PageError):
    """The login lacks the application; the delegate can give it."""

    status = 403
    title = _("You do not have this application")
    sentence = _("Ask your delegate to add it to your account. “Who is my delegate” on your home page names them.")


def require_staff(view: Page[P]) -> Page[P]:
    """Only for logins of the portal that work, those that still wait for their PIN included."""

    @require_login
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        staff = _find()
        if staff is None:
            raise NotFoundPage
        if staff.is_delegate and (way := ask_for_factor()) is not None:
            return way
        return view(*args, **kwargs)

    return guarded


def require_function(function: PortalFunction) -> Callable[[Page[P]], Page[P]]:
    """Only for logins that have this application."""

    def decorate(view: Page[P]) -> Page[P]:
        @require_staff
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if not current_staff().may(function):
                raise ApplicationMissing
            return view(*args, **kwargs)

        return guarded

    return decorate


def require_delegate(view: Page[P]) -> Page[P]:
    """Only for delegates; for everybody else the page does not exist."""

    @require_staff
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        staff = current_staff()
        if not staff.is_delegate or staff.status is not StaffStatus.ACTIVE:
            raise NotFoundPage
        return view(*args, **kwargs)

    return guarded


def current_staff() -> ProviderStaff:
    """The login whose page this is."""
    found = _find()
    assert found is not None, "the page requires a login of the portal"
    return found


def _find() -> ProviderStaff | None:
    session, login = db_session(), current_login()
    held = g.get("portal_staff")
    if held is None or held[0] is not session:
        found = portal_staff.find_staff(session, login.account) if login else None
        g.portal_staff = held = (session, found)
    staff: ProviderStaff | None = held[1]
    return None if staff is None or staff.status is StaffStatus.DEACTIVATED else staff
