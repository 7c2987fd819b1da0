"""Inviting a colleague into a developer organisation: a mailed link, taken up with one's account or a new one.

Nobody types another's password. The link holds 256 bits, works once, and for seven days; that it was opened proves the
address. Whoever invited must be an owner still when it is taken up.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from oauth.apps import developers, own_apps
from oauth.apps.developers import NotAnOwner, PeopleRefused
from oauth.apps.models import Developer, DeveloperInvitation, DeveloperRole
from service import audit, mail
from service.accounts import invited, throttling
from service.accounts.enrolling import Credentials
from service.accounts.invited import InvitationOver
from service.accounts.models import Account
from service.accounts.usernames import email_key
from service.clock import now
from service.db import digest
from service.single_use import spend

LIFE = timedelta(days=7)
PER_ORGANIZATION, PER_ADDRESS = 20, 5
_DAY = 86_400
_MOST = 100


class AlreadyHere(PeopleRefused):
    """The address is one of the organisation's people's."""

    sentence = "Somebody of your organization signs in with this address already."


class TooManyInvitations(PeopleRefused):
    """The day's limit of the organisation or the address is reached."""

    sentence = "Many invitations were sent today. Please try again tomorrow."


@dataclass(frozen=True)
class Invitee:
    """Whom an owner invites, and as what."""

    given_name: str
    family_name: str
    email: str
    role: DeveloperRole


def invite(session: Session, by: Developer, invitee: Invitee, *, key: bytes) -> DeveloperInvitation:
    """Invite a person by mail; an older invitation of the same address ends.

    Raises NotAnOwner, OrganizationDisabled, AlreadyHere, TooManyInvitations.
    """
    developers.require_owner(session, by)
    own_apps.require_stands(by)
    wanted = email_key(invitee.email)
    if any(one.account.email_key == wanted for one in developers.people_of(session, by.organization_id)):
        raise AlreadyHere
    _count(session, by, wanted)
    _withdraw_older(session, by.organization_id, wanted)
    secret, moment = secrets.token_urlsafe(32), now()
    made = DeveloperInvitation(
        organization_id=by.organization_id, organization=by.organization, invited_by_account_id=by.account_id,
        invited_by=by.account, given_name=invitee.given_name, family_name=invitee.family_name, email=invitee.email,
        email_key=wanted, role=invitee.role, secret_hash=digest(secret), created_at=moment, expires_at=moment + LIFE,
    )  # fmt: skip
    session.add(made)
    session.flush()
    mail.enqueue(
        session, to=made.email, template="developer_invitation", expires_at=made.expires_at,
        given_name=made.given_name, organization=by.organization.name, inviter=by.account.full_name,
        sealed_secret=mail.seal(key, secret),
    )  # fmt: skip
    _record(session, "send", made, by.account_id)
    return made


def withdraw(session: Session, by: Developer, invitation_id: str) -> None:
    """End an invitation before it is used. Raises NotAnOwner, InvitationOver."""
    developers.require_owner(session, by)
    row = session.get(DeveloperInvitation, invitation_id, populate_existing=True)
    if row is None or row.organization_id != by.organization_id or row.spent_at or row.withdrawn_at:
        raise InvitationOver
    row.withdrawn_at = now()
    _record(session, "withdraw", row, by.account_id)


def open_of(session: Session, organization_id: str) -> list[DeveloperInvitation]:
    """The organisation's invitations that wait to be used, the newest first."""
    waiting = (
        DeveloperInvitation.organization_id == organization_id, DeveloperInvitation.spent_at.is_(None),
        DeveloperInvitation.withdrawn_at.is_(None), DeveloperInvitation.expires_at > now(),
    )  # fmt: skip
    found = select(DeveloperInvitation).where(*waiting).order_by(DeveloperInvitation.created_at.desc()).limit(_MOST)
    return list(session.scalars(found))


def get_invitation(session: Session, secret: str) -> DeveloperInvitation:
    """The invitation of a link that works now; raises InvitationOver."""
    row = session.scalar(select(DeveloperInvitation).where(DeveloperInvitation.secret_hash == digest(secret)))
    if row is None or row.spent_at or row.withdrawn_at or row.expires_at <= now() or not row.organization.stands:
        raise InvitationOver
    _inviter(session, row)
    return row


def accept_as_new(session: Session, invitation: DeveloperInvitation, chosen: Credentials) -> Account:
    """Open the person's account. Raises WeakPassword, UnusableUsername or InvitationOver.

    As `invited.accept_as_new` does it.
    """
    return invited.accept_as_new(
        session, invitation, chosen, spend=lambda: _spend(session, invitation),
        take_up=lambda account: developers.join(session, account, invitation.organization, invitation.role),
    )  # fmt: skip


def accept_as_owner(session: Session, invitation: DeveloperInvitation, account: Account) -> Developer:
    """Join with an account that exists. Raises AnothersInvitation, IsDeveloper or InvitationOver."""
    invited.require_own(invitation, account)
    if developers.find(session, account.id) is not None:
        raise developers.IsDeveloper
    _spend(session, invitation)
    return developers.join(session, account, invitation.organization, invitation.role)


def _count(session: Session, by: Developer, wanted: str) -> None:
    within = [
        throttling.hit(session, f"invite:developer:{by.organization_id}", PER_ORGANIZATION, _DAY),
        throttling.hit(session, f"invite:address:{throttling.hidden(wanted)}", PER_ADDRESS, _DAY),
    ]
    if not all(within):
        raise TooManyInvitations


def _withdraw_older(session: Session, organization_id: str, wanted: str) -> None:
    older = (
        DeveloperInvitation.organization_id == organization_id, DeveloperInvitation.email_key == wanted,
        DeveloperInvitation.spent_at.is_(None), DeveloperInvitation.withdrawn_at.is_(None),
    )  # fmt: skip
    gone = update(DeveloperInvitation).where(*older).values(withdrawn_at=now())
    session.execute(gone.execution_options(synchronize_session="fetch"))


def _spend(session: Session, invitation: DeveloperInvitation) -> None:
    inviter = _inviter(session, invitation)
    try:
        # Removed or no owner since a moment ago: that waits for this lock, or this for that.
        developers.require_owner(session, inviter)
    except NotAnOwner:
        raise InvitationOver from None
    still = (
        DeveloperInvitation.id == invitation.id, DeveloperInvitation.withdrawn_at.is_(None),
        DeveloperInvitation.expires_at > now(),
    )  # fmt: skip
    # The organisation was read anew with its owner: it may have been shut out meanwhile.
    if not invitation.organization.stands or not spend(session, DeveloperInvitation, *still):
        raise InvitationOver


def _inviter(session: Session, invitation: DeveloperInvitation) -> Developer:
    found = developers.find(session, invitation.invited_by_account_id)
    if found is None or not found.is_owner or found.organization_id != invitation.organization_id:
        raise InvitationOver
    return found


def _record(session: Session, action: str, row: DeveloperInvitation, account_id: str) -> None:
    detail = {"invitation": row.id, "organization": row.organization_id, "role": row.role.value}
    audit.record(session, f"oauth:developer_invitation:{action}", account_id=account_id, detail=detail)
