"""The page a mailed invitation leads to: choose user name and password, or join with the account one has."""

from functools import partial

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from oauth.apps.developers import IsDeveloper
from oauth.apps.models import DeveloperInvitation
from service.accounts import devices, sessions
from service.accounts.account_step import take_account
from service.accounts.checklist import Checklist, common_rule
from service.accounts.invited import LinkOver, NotYours
from service.accounts.sessions import SignedOut, current_login
from service.developer import inviting
from service.developer.inviting import AnothersInvitation, InvitationOver
from service.web import PageError, db_session

blueprint = Blueprint("developer_invitations", __name__, url_prefix="/developers/invitation")


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
    return take_account(partial(_new_page, secret, invitation), partial(_open, invitation))


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


def _open(invitation: DeveloperInvitation, username: str, password: str) -> ResponseReturnValue:
    session = db_session()
    try:
        made = inviting.accept_as_new(session, invitation, username=username, password=password, rule=common_rule())
    except InvitationOver:
        raise LinkOver from None
    sessions.start(session, made, device_id=devices.remember(session, made))
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
