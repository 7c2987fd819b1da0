"""*Back* in registration: what is typed on a page is kept, unchecked, and stands there when the person returns."""

from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from service.plan.registering import registration
from service.plan.registering.registration import Answers, Path, answers_of
from service.provider.registering.registration import begin_again, find_under_way
from service.web import NotFoundPage, db_session

blueprint = Blueprint("provider_going_back", __name__, url_prefix="/provider/register/back")


@dataclass(frozen=True)
class _Page:
    """A page of registration: the fields that are kept (never a password or code), and whether it needs a beginning."""

    fields: tuple[str, ...]
    needs_beginning: bool = True


_PAGES = {
    "choose": _Page(("provider",)),
    "reason": _Page(("reason", "detail")),
    "contact": _Page(("given_name", "family_name", "phone", "email")),
    "account": _Page(("username",)),
    "not-listed": _Page(
        ("organization_name", "tax_id", "npi", "contact_name", "contact_email", "contact_phone", "message"),
        needs_beginning=False,
    ),
}


@blueprint.post("/<page>")
def back(page: str) -> ResponseReturnValue:
    """Keep what the page holds, and go to the page before it."""
    left = _PAGES.get(page)
    if left is None:
        raise NotFoundPage
    under_way = find_under_way()
    if under_way is None:
        return begin_again() if left.needs_beginning else redirect(url_for("provider_registration.paths"), 303)
    typed = {name: request.form[name] for name in left.fields if request.form.get(name)}
    registration.keep_typed(db_session(), under_way, page, typed)
    return redirect(url_for(_before(page, answers_of(under_way))), 303)


def _before(page: str, answers: Answers) -> str:
    """The endpoint of the page before."""
    if page == "account":
        return "provider_contact.contact"
    if page == "contact" and answers.reason:
        return "provider_registration.reason"
    if page == "choose" or answers.path is Path.BILLING:
        return f"provider_registration.{answers.path.value}"
    return "provider_registration.choose"
