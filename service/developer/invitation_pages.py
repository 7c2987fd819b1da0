"""The page a mailed invitation leads to: choose user name and password, or join with the account one has."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from oauth.apps.developers import IsDeveloper
from oauth.apps.models import DeveloperInvitation
from service.accounts import devices, sessions
from service.accounts.checklist import Checklist, common_rule, sentences
from service.accounts.password_reset import WeakPassword
from service.accounts.schemas import NewAccount
from service.accounts.sessions import SignedOut, current_login
from service.accounts.usernames import UnusableUsername
from service.accounts.wording import NOT_THE_SAME, USERNAMES
from service.developer import inviting
from service.developer.inviting import AnothersInvitation, InvitationOver
from service.web import PageError, db_session, load_form

blueprint = Blueprint("developer_invitations", __name__, url_prefix="/developers/invitation")


class LinkOver(PageError):
    """The link does not work: unknown, used, withdrawn or too old."""

    status = 410
    title = _("This invitation does not work any more")
    sentence = _(
        "It may have been used already, withdrawn, or be older than 7 days. If you have taken it up, sign in. "
        "Otherwise ask the person who invited you to send it again."
    )


class NotYours(PageError):
    """Somebody is signed in under another address than the one that was invited."""

    status = 403
    title = _("This invitation is for another account")
    sentence = _("Sign out, then open the link from the e-mail again and sign in with the account of that address.")


class OneOrganizationOnly(PageError):
    """The account belongs to a developer organisation."""

    status = 409
    title = _("You belong to a developer organization already")
    sentence = _(
        "One account belongs to one organization. Leave the other one on its page People, then open the link again."
    )


@blueprint.get("/<secret>")
def show(secret: str) -> ResponseReturnValue:
    """Say who invites to what; changes nothing, whoever or whatever opens the link."""
    invitation = _get(secret)
    owner = inviting.find_account(db_session(), invitation)
    return _join_page(secret, invitation) if owner else _new_page(secret, invitation, {}, {})


@blueprint.post("/<secret>")
def create(secret: str) -> ResponseReturnValue:
    """Open the person's account with the user name and password they chose, and sign them in."""
    invitation = _get(secret)
    if inviting.find_account(db_session(), invitation) is not None:
        return redirect(url_for("developer_invitations.show", secret=secret), 303)
    form, errors = load_form(NewAccount())
    if not errors and form["confirmation"] != form["password"]:
        errors = {"confirmation": [NOT_THE_SAME]}
    if errors:
        return _new_page(secret, invitation, errors, form), 400
    return _open(secret, invitation, form)


@blueprint.post("/<secret>/join")
def join(secret: str) -> ResponseReturnValue:
    """Join with the account the person is signed in with."""
    invitation, login = _get(secret), current_login()
    if login is None:
        raise SignedOut
    try:
        inviting.accept_as_owner(db_session(), invitation, login.account)
    except AnothersInvitation:
        raise NotYours from None
    except IsDeveloper:
        raise OneOrganizationOnly from None
    except InvitationOver:
        raise LinkOver from None
    return redirect(url_for("developer_apps.index"), 303)


def _open(secret: str, invitation: DeveloperInvitation, form: dict[str, str]) -> ResponseReturnValue:
    session = db_session()
    try:
        opened = inviting.accept_as_new(
            session, invitation, username=form["username"], password=form["password"], rule=common_rule()
        )
    except UnusableUsername as unusable:
        return _new_page(secret, invitation, {"username": [USERNAMES[type(unusable)]]}, form), 400
    except WeakPassword as weak:
        return _new_page(secret, invitation, {"password": sentences(weak.verdict)}, form), 400
    except InvitationOver:
        raise LinkOver from None
    sessions.start(session, opened, device_id=devices.remember(session, opened))
    return redirect(url_for("developer_apps.index"), 303)


def _get(secret: str) -> DeveloperInvitation:
    try:
        return inviting.get_invitation(db_session(), secret)
    except InvitationOver:
        raise LinkOver from None


def _new_page(secret: str, invitation: DeveloperInvitation, errors: object, form: dict[str, str]) -> str:
    username, password = form.get("username", ""), form.get("password", "")
    rule = common_rule().also(*inviting.own_names(invitation, username))
    return render_template(
        "developer/invitation.html", secret=secret, invitation=invitation, errors=errors, username=username,
        checklist=Checklist.of(password, rule),
    )  # fmt: skip


def _join_page(secret: str, invitation: DeveloperInvitation) -> str:
    login = current_login()
    account = login.account if login else None
    return render_template(
        "developer/invitation_join.html", secret=secret, invitation=invitation, account=account,
        fits=account is not None and account.email_key == invitation.email_key,
    )  # fmt: skip
