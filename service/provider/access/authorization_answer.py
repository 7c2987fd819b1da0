"""The page behind the link in a contact's e-mail: what is asked, by whom, and the buttons for yes and no.

No account is needed. Opening it changes nothing: mail scanners open links too (security.md 129).
"""

from typing import Any

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from consent import authorization_answers
from consent.authorization_answers import ClientLeft, Limits, NothingAllowed, RequestOver, UnknownLink
from consent.billing_models import AuthorizationRequest, AuthorizationStatus
from service.accounts.sessions import current_login
from service.plan.models import PortalFunction
from service.plan.providers.group_addresses import shown_addresses
from service.plan.providers.numbers import last_four
from service.provider.access import access_words
from service.provider.access.access_schemas import Reason, Terms
from service.web import PageError, db_session, load_form

blueprint = Blueprint("provider_authorization", __name__, url_prefix="/provider/authorize")
_LONGEST = 200


class LinkUnknown(PageError):
    """The secret is none of ours, or not any more."""

    title = _("This link does not work")
    sentence = _(
        "It may have been cut off, or a newer e-mail has replaced it. Open the link in the newest e-mail, or copy it "
        "whole. Nothing was changed."
    )


class LinkOver(PageError):
    """The request cannot be answered any more."""

    status = 410
    title = _("This request is closed")
    sentence = _("It cannot be answered any more. Nothing was changed.")


class Answered(LinkOver):
    """It was answered before."""

    title = _("This request was answered already")
    sentence = _(
        "We sent you an e-mail that says what was answered. To change or end an access, a delegate of your office "
        "opens Tax ID & NPI access in the provider portal."
    )


class Withdrawn(LinkOver):
    """The firm took it back."""

    title = _("This request was withdrawn")
    sentence = _("The billing organization took its request back. You need not do anything.")


class Lapsed(LinkOver):
    """The 30 days are over."""

    title = _("This request has lapsed")
    sentence = _(
        "It could be answered for 30 days. Nobody was given access. If you want to allow it, ask the billing "
        "organization to send a new request."
    )


class OwnRequest(PageError):
    """Somebody of the firm tried to answer for the client."""

    status = 403
    title = _("You cannot answer your own request")
    sentence = _("This request must be answered by somebody at the provider's office, not by whoever asks.")


_OVER: dict[AuthorizationStatus, type[LinkOver]] = {
    AuthorizationStatus.APPROVED: Answered,
    AuthorizationStatus.REFUSED: Answered,
    AuthorizationStatus.WITHDRAWN: Withdrawn,
    AuthorizationStatus.LAPSED: Lapsed,
}


@blueprint.after_request
def keep_private(response: Response) -> Response:
    """The address of this page is the key: no referrer holds it, no search engine and no cache keeps it.

    `strict-origin` and not `no-referrer`: with the latter browsers send forms with `Origin: null`, which every form of
    the product refuses.
    """
    response.headers["Referrer-Policy"] = "strict-origin"
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/<secret>")
def ask(secret: str) -> ResponseReturnValue:
    """What is asked, and the two buttons."""
    return _page(_open(secret), {}, {})


@blueprint.post("/<secret>/yes")
def allow(secret: str) -> ResponseReturnValue:
    """Let the firm in, as far as ticked."""
    asked = _open(secret)
    given = {**request.form.to_dict(), "functions": request.form.getlist("functions")}
    form, errors = load_form(Terms(), given)
    if errors:
        return _page(asked, errors, given), 400
    limits = Limits(_functions(form), form["covers_from"], form["covers_until"])
    try:
        permission = authorization_answers.allow(db_session(), secret, limits, account_id=_account_id())
    except NothingAllowed:
        return _page(asked, {"functions": ["Please choose among what is asked."]}, given), 400
    except RequestOver as over:
        raise _OVER[over.status] from None
    except authorization_answers.OwnRequest:
        raise OwnRequest from None
    return render_template(
        "provider/authorization_answered.html", asked=asked, permission=permission, words=access_words
    )


@blueprint.post("/<secret>/no")
def refuse(secret: str) -> ResponseReturnValue:
    """Do not let the firm in."""
    asked = _open(secret)
    form, errors = load_form(Reason())
    if errors:
        return _page(asked, errors, request.form), 400
    try:
        authorization_answers.refuse(db_session(), secret, form["reason"].strip(), account_id=_account_id())
    except RequestOver as over:
        raise _OVER[over.status] from None
    except authorization_answers.OwnRequest:
        raise OwnRequest from None
    return render_template("provider/authorization_answered.html", asked=asked, permission=None, words=access_words)


def _open(secret: str) -> AuthorizationRequest:
    if len(secret) > _LONGEST:
        raise LinkUnknown
    try:
        return authorization_answers.open_request(db_session(), secret)
    except UnknownLink:
        raise LinkUnknown from None
    except ClientLeft:
        raise LinkOver from None
    except RequestOver as over:
        raise _OVER[over.status] from None


def _account_id() -> str | None:
    login = current_login()
    return login.account.id if login else None


def _functions(form: dict[str, Any]) -> frozenset[PortalFunction]:
    return frozenset(function for function in PortalFunction if function.value in form["functions"])


def _page(asked: AuthorizationRequest, errors: dict[str, list[str]], given: Any) -> str:
    session = db_session()
    return render_template(
        "provider/authorization_answer.html", asked=asked, errors=errors, given=given, words=access_words,
        functions=authorization_answers.asked_functions(asked),
        firm_tax_id=last_four(asked.organization.tax_id), group_tax_id=last_four(asked.tax_id) if asked.tax_id else "",
        address=shown_addresses(session, [asked.group_id]).get(asked.group_id),
    )  # fmt: skip
