"""The page a mailed invitation leads to, whoever invites: choose user name and password, or join with one's account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from service.accounts import invited
from service.accounts.account_step import enter, take_account
from service.accounts.checklist import Checklist, common_rule
from service.accounts.enrolling import Credentials
from service.accounts.invited import AnothersInvitation, Invitation, InvitationOver
from service.accounts.models import Account
from service.accounts.sessions import SignedOut, current_login
from service.web import PageError, db_session

Invited = TypeVar("Invited", bound=Invitation)
Invited_contra = TypeVar("Invited_contra", bound=Invitation, contravariant=True)


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


class AcceptAsNew(Protocol[Invited_contra]):
    """Open the account, and what it was invited to. Raises InvitationOver, WeakPassword, UnusableUsername."""

    def __call__(self, session: Session, invitation: Invited_contra, chosen: Credentials) -> Account: ...


@dataclass(frozen=True)
class InvitationPages(Generic[Invited]):
    """The addresses of a blueprint. `folder` has the templates `invitation.html` and `invitation_join.html`."""

    folder: str
    home: str
    """The endpoint that people reach once they have taken it up."""
    get: Callable[[Session, str], Invited]
    accept_as_new: AcceptAsNew[Invited]
    accept_as_owner: Callable[[Session, Invited, Account], Any]
    refusals: Mapping[type[Exception], type[PageError]]
    """What `accept_as_owner` raises besides, and the page that says so."""

    def place(self, blueprint: Blueprint) -> None:
        """Answer at the blueprint's addresses."""
        blueprint.add_url_rule("/<secret>", "show", self.show, methods=["GET"])
        blueprint.add_url_rule("/<secret>", "create", self.create, methods=["POST"])
        blueprint.add_url_rule("/<secret>/join", "join", self.join, methods=["POST"])

    def show(self, secret: str) -> ResponseReturnValue:
        """Say who invites to what; changes nothing, whoever or whatever opens the link."""
        invitation = self._get(secret)
        owner = invited.find_account(db_session(), invitation)
        return self._join_page(secret, invitation) if owner else self._new_page(secret, invitation, {}, {})

    def create(self, secret: str) -> ResponseReturnValue:
        """Open the person's account with the user name and password they chose, and sign them in."""
        invitation = self._get(secret)
        if invited.find_account(db_session(), invitation) is not None:
            return redirect(url_for(".show", secret=secret), 303)
        return take_account(partial(self._new_page, secret, invitation), partial(self._open, invitation))

    def join(self, secret: str) -> ResponseReturnValue:
        """Join with the account the person is signed in with."""
        invitation, login = self._get(secret), current_login()
        if login is None:
            raise SignedOut
        try:
            self.accept_as_owner(db_session(), invitation, login.account)
        except AnothersInvitation:
            raise NotYours from None
        except InvitationOver:
            raise LinkOver from None
        except tuple(self.refusals) as refused:
            raise self.refusals[type(refused)] from None
        return redirect(url_for(self.home), 303)

    def _open(self, invitation: Invited, username: str, password: str) -> ResponseReturnValue:
        chosen = Credentials(username, password, common_rule())
        try:
            made = self.accept_as_new(db_session(), invitation, chosen)
        except InvitationOver:
            raise LinkOver from None
        enter(made)
        return redirect(url_for(self.home), 303)

    def _get(self, secret: str) -> Invited:
        try:
            return self.get(db_session(), secret)
        except InvitationOver:
            raise LinkOver from None

    def _new_page(self, secret: str, invitation: Invited, errors: object, form: dict[str, str]) -> str:
        username, password = form.get("username", ""), form.get("password", "")
        rule = common_rule().also(*invited.own_names(invitation, username))
        return render_template(
            f"{self.folder}/invitation.html", secret=secret, invitation=invitation, errors=errors, username=username,
            checklist=Checklist.of(password, rule),
        )  # fmt: skip

    def _join_page(self, secret: str, invitation: Invited) -> str:
        login = current_login()
        account = login.account if login else None
        return render_template(
            f"{self.folder}/invitation_join.html", secret=secret, invitation=invitation, account=account,
            fits=account is not None and account.email_key == invitation.email_key,
        )  # fmt: skip
