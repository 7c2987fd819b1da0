"""Who may open a page of the provider portal: a login that works, with the application the page belongs to."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

from flask import g, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from service.accounts.factor_gate import ask_for_factor
from service.accounts.next_page import here
from service.accounts.sessions import current_login, require_login
from service.plan.logins import portal_staff
from service.plan.models import PortalFunction, ProviderStaff, StaffStatus
from service.plan.registering import terms
from service.web import NotFoundPage, PageError, db_session, plan

P = ParamSpec("P")
Page = Callable[P, ResponseReturnValue]


class ApplicationMissing(PageError):
    """The login lacks the application; the delegate can give it, and is named."""

    status = 403
    title = _("You do not have this application")
    sentence: LazyString | str = _("Your organization has no delegate now. Please contact us to have it added.")

    def __init__(self, delegates: Sequence[str] = ()) -> None:
        super().__init__()
        if delegates:
            names = ", ".join(delegates)
            self.sentence = gettext("Ask your delegate to add it to your account: %(names)s.", names=names)


class PinFirst(PageError):
    """The login still waits for its mailed PIN: nothing of the organisation is shown to it."""

    status = 403
    title = _("Please enter your PIN first")
    sentence = _("This page opens when you have entered the PIN that we mailed to your office.")


def require_registered(view: Page[P]) -> Page[P]:
    """Only for logins of the portal, whatever they have accepted yet: for the pages on which they accept it."""

    @require_login
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if find_current() is None:
            raise NotFoundPage
        return view(*args, **kwargs)

    return guarded


def require_staff(view: Page[P]) -> Page[P]:
    """Only for logins of the portal that work, those that still wait for their PIN included."""

    @require_registered
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        return _ask_for_factor() or _ask_for_terms() or view(*args, **kwargs)

    return guarded


def require_function(function: PortalFunction) -> Callable[[Page[P]], Page[P]]:
    """Only for logins that have this application."""

    def decorate(view: Page[P]) -> Page[P]:
        @require_staff
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if not current_staff().may(function):
                raise application_missing()
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
    found = find_current()
    assert found is not None, "the page requires a login of the portal"
    return found


def _ask_for_factor() -> ResponseReturnValue | None:
    """The way to the second factor for a delegate who has not shown it in this session; None for all others."""
    return ask_for_factor() if current_staff().is_delegate else None


def _ask_for_terms() -> ResponseReturnValue | None:
    """The way to the terms for a login that has not accepted them in today's words; None for all others."""
    if not terms.outstanding(db_session(), current_staff(), plan().terms):
        return None
    return redirect(url_for("provider_terms.index", next=here()), 303)


def application_missing() -> PageError:
    """The refusal of an application to the login in front of us, with the delegates' names.

    Who still awaits the PIN has not shown to belong to the office, and is told nobody's name (security.md 127).
    """
    if current_staff().status is not StaffStatus.ACTIVE:
        return PinFirst()
    every = portal_staff.delegates_of(db_session(), current_staff().organization_id)
    return ApplicationMissing([one.account.full_name for one in every])


def find_current() -> ProviderStaff | None:
    """The login of the portal that is signed in and works; None for everybody else."""
    session, login = db_session(), current_login()
    held = g.get("portal_staff")
    if held is None or held[0] is not session:
        found = portal_staff.find_staff(session, login.account) if login else None
        g.portal_staff = held = (session, found)
    staff: ProviderStaff | None = held[1]
    return None if staff is None or staff.status is StaffStatus.DEACTIVATED else staff
