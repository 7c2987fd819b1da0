"""The page a mailed invitation leads to: choose user name and password, or join with the account one has."""

from functools import partial

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.accounts import devices, sessions
from service.accounts.account_step import take_account
from service.accounts.checklist import Checklist, common_rule
from service.accounts.invited import LinkOver, NotYours
from service.accounts.models import Account
from service.accounts.sessions import SignedOut, current_login
from service.plan.logins import invitations
from service.plan.logins.invitations import AnothersInvitation, InvitationOver
from service.plan.logins.portal_accounts import LoginElsewhere
from service.plan.models import PortalInvitation
from service.web import PageError, db_session

blueprint = Blueprint("provider_invitations", __name__, url_prefix="/provider/invitation")


class OneLoginOnly(PageError):
    """The account has a login of the portal that works."""

    status = 409
    title = _("You have a login of the portal already")
    sentence = _(
        "One person has one login. If you left the other organization, ask its delegate to deactivate your login "
        "there, then open the link again."
    )


@blueprint.get("/<secret>")
def show(secret: str) -> ResponseReturnValue:
    """Say who invites to what; changes nothing, whoever or whatever opens the link."""
    invitation = _get(secret)
    owner = invitations.find_account(db_session(), invitation)
    return _join_page(secret, invitation) if owner else _new_page(secret, invitation, {}, {})


@blueprint.post("/<secret>")
def create(secret: str) -> ResponseReturnValue:
    """Open the person's account with the user name and password they chose, and sign them in."""
    invitation = _get(secret)
    if invitations.find_account(db_session(), invitation) is not None:
        return redirect(url_for("provider_invitations.show", secret=secret), 303)
    return take_account(partial(_new_page, secret, invitation), partial(_open, invitation))


@blueprint.post("/<secret>/join")
def join(secret: str) -> ResponseReturnValue:
    """Add the login to the account the person is signed in with."""
    invitation, login = _get(secret), current_login()
    if login is None:
        raise SignedOut
    try:
        invitations.accept_as_owner(db_session(), invitation, login.account)
    except AnothersInvitation:
        raise NotYours from None
    except LoginElsewhere:
        raise OneLoginOnly from None
    except InvitationOver:
        raise LinkOver from None
    return redirect(url_for("provider_home.index"), 303)


def _open(invitation: PortalInvitation, username: str, password: str) -> ResponseReturnValue:
    session = db_session()
    try:
        made = invitations.accept_as_new(session, invitation, username=username, password=password, rule=common_rule())
    except InvitationOver:
        raise LinkOver from None
    sessions.start(session, made.account, device_id=devices.remember(session, made.account))
    return redirect(url_for("provider_home.index"), 303)


def _get(secret: str) -> PortalInvitation:
    try:
        return invitations.get_invitation(db_session(), secret)
    except InvitationOver:
        raise LinkOver from None


def _new_page(secret: str, invitation: PortalInvitation, errors: object, form: dict[str, str]) -> str:
    username, password = form.get("username", ""), form.get("password", "")
    rule = common_rule().also(*invitations.own_names(invitation, username))
    return render_template(
        "provider/invitation.html", secret=secret, invitation=invitation, errors=errors, username=username,
        checklist=Checklist.of(password, rule),
    )  # fmt: skip


def _join_page(secret: str, invitation: PortalInvitation) -> str:
    login = current_login()
    account: Account | None = login.account if login else None
    return render_template(
        "provider/invitation_join.html", secret=secret, invitation=invitation, account=account,
        fits=account is not None and account.email_key == invitation.email_key,
    )  # fmt: skip
