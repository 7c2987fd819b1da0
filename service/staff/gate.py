"""Who may open a page of the staff console: people of the plan, by role. A page without a role opens for nobody."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import current_app, g, request
from flask.typing import ResponseReturnValue

from service.accounts.factor_gate import ask_for_factor
from service.accounts.sessions import current_login, require_login
from service.plan.models import PlanStaff, StaffRole
from service.plan.staff import plan_staff
from service.web import LatchstringFlask, NotFoundPage, db_session

P = ParamSpec("P")
Page = Callable[P, ResponseReturnValue]
DECLARED = "staff_roles"
"""The attribute in which a page keeps its roles, for the matrix of roles and pages (security.md 143)."""


def install(app: LatchstringFlask) -> None:
    """Keep every page under /staff shut that declares no role, whoever asks (security.md 143)."""
    app.before_pages(_refuse_undeclared)


def require_role(*roles: StaffRole) -> Callable[[Page[P]], Page[P]]:
    """Only for plan staff with one of these roles; for everybody else the page does not exist."""

    def decorate(view: Page[P]) -> Page[P]:
        @require_login
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            staff = _find()
            if staff is None or not plan_staff.roles_of(staff) & frozenset(roles):
                raise NotFoundPage
            if (way := ask_for_factor()) is not None:
                return way
            return view(*args, **kwargs)

        setattr(guarded, DECLARED, frozenset(roles))
        return guarded

    return decorate


def current_staff() -> PlanStaff:
    """The person of the plan whose page this is."""
    found = _find()
    assert found is not None, "the page requires plan staff"
    return found


def _refuse_undeclared() -> None:
    rule = request.url_rule
    if rule is None or not rule.rule.startswith("/staff"):
        return
    if not getattr(current_app.view_functions[rule.endpoint], DECLARED, None):
        raise NotFoundPage


def _find() -> PlanStaff | None:
    session, login = db_session(), current_login()
    held = g.get("plan_staff")
    if held is None or held[0] is not session:
        g.plan_staff = held = (session, plan_staff.find(session, login.account) if login else None)
    staff: PlanStaff | None = held[1]
    return staff
