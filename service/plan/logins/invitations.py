"""Invitations: a delegate offers a login, and the person takes it up by a mailed link.

Nobody types another's password: the person chooses user name and password, or joins with the account they have. The
delegate is told the same whether there is one. The link holds 256 bits, works once, and for seven days.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit
from service.accounts import invited, throttling
from service.accounts.enrolling import Credentials
from service.accounts.invited import InvitationOver
from service.accounts.models import Account
from service.accounts.usernames import email_key
from service.clock import now
from service.db import digest
from service.plan.logins import delegates, portal_accounts, portal_mail, portal_staff, reach
from service.plan.logins.delegates import NotADelegate
from service.plan.models import PortalFunction, PortalInvitation, ProviderStaff, StaffStatus
from service.single_use import spend

LIFE = timedelta(days=7)
PER_ORGANIZATION, PER_ADDRESS = 50, 5
_DAY = 86_400
_MOST = 500


class AlreadyHere(Exception):
    """The address is a login's of this organisation: a person has one account."""

    def __init__(self, staff: ProviderStaff) -> None:
        super().__init__("the organisation has a login with this address")
        self.staff = staff


class SameName(Exception):
    """Logins of the organisation have this very name: whether they are the same person is the delegate's to say."""

    def __init__(self, found: list[ProviderStaff]) -> None:
        super().__init__("the organisation has a login with this name")
        self.found = found


class TooManyInvitations(Exception):
    """The day's limit of the organisation or the address is reached."""


@dataclass(frozen=True)
class Invitee:
    """Whom a delegate invites, and with what rights; `entry_ids` are entries of the delegate."""

    given_name: str
    family_name: str
    email: str
    phone: str
    functions: tuple[PortalFunction, ...]
    entry_ids: tuple[str, ...] = ()
    is_delegate: bool = False

    @property
    def full_name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"


def invite(
    session: Session, actor: ProviderStaff, invitee: Invitee, *, key: bytes, name_is_another: bool = False
) -> PortalInvitation:
    """Invite a person by mail; an older invitation of the same address ends.

    Raises NotADelegate, AlreadyHere, SameName (unless `name_is_another`), BeyondOwn or TooManyInvitations.
    """
    _require_delegate(session, actor)
    _require_newcomer(session, actor, invitee, name_is_another=name_is_another)
    portal_accounts.require_own(session, actor, [one.value for one in invitee.functions], invitee.entry_ids)
    _count(session, actor, invitee.email)
    _void(session, actor.organization_id, invitee.email)
    secret, moment = secrets.token_urlsafe(32), now()
    made = PortalInvitation(
        organization_id=actor.organization_id, organization=actor.organization, invited_by_staff_id=actor.id,
        invited_by=actor, given_name=invitee.given_name, family_name=invitee.family_name, email=invitee.email,
        email_key=email_key(invitee.email), phone=invitee.phone, is_delegate=invitee.is_delegate,
        functions=sorted(one.value for one in invitee.functions), entry_ids=list(invitee.entry_ids),
        secret_hash=digest(secret), created_at=moment, expires_at=moment + LIFE,
    )  # fmt: skip
    session.add(made)
    session.flush()
    portal_mail.invitation(session, key, made, secret)
    _record(session, "send", made, actor.account_id)
    return made


def send_again(session: Session, actor: ProviderStaff, invitation_id: str, *, key: bytes) -> PortalInvitation:
    """A new link for seven days; the older one ends. Raises InvitationOver, NotADelegate or TooManyInvitations."""
    _require_delegate(session, actor)
    row = _get_open(session, actor, invitation_id)
    _count(session, actor, row.email)
    secret = secrets.token_urlsafe(32)
    row.secret_hash, row.expires_at = digest(secret), now() + LIFE
    session.flush()
    portal_mail.invitation(session, key, row, secret)
    _record(session, "send_again", row, actor.account_id)
    return row


def withdraw(session: Session, actor: ProviderStaff, invitation_id: str) -> None:
    """End an invitation before it is used; raises InvitationOver or NotADelegate."""
    _require_delegate(session, actor)
    row = _get_open(session, actor, invitation_id)
    row.voided_at = now()
    _record(session, "withdraw", row, actor.account_id)


def open_of(session: Session, organization_id: str) -> list[PortalInvitation]:
    """The organisation's invitations that wait to be used or ran out unused, the newest first."""
    statement = (
        select(PortalInvitation)
        .where(
            PortalInvitation.organization_id == organization_id, PortalInvitation.spent_at.is_(None),
            PortalInvitation.voided_at.is_(None),
        )
        .order_by(PortalInvitation.created_at.desc())
        .limit(_MOST)
    )  # fmt: skip
    return list(session.scalars(statement))


def get_invitation(session: Session, secret: str) -> PortalInvitation:
    """The invitation of a link that works now; raises InvitationOver."""
    row = session.scalar(select(PortalInvitation).where(PortalInvitation.secret_hash == digest(secret)))
    if row is None or row.spent_at or row.voided_at or row.expires_at <= now():
        raise InvitationOver
    if not delegates.is_delegate(row.invited_by):
        raise InvitationOver
    return row


def accept_as_new(session: Session, invitation: PortalInvitation, chosen: Credentials) -> Account:
    """Open the person's account and login. Raises WeakPassword, UnusableUsername or InvitationOver.

    As `invited.accept_as_new` does it.
    """
    return invited.accept_as_new(
        session, invitation, chosen, spend=lambda: _spend(session, invitation),
        take_up=lambda account: _open_login(session, invitation, account),
    )  # fmt: skip


def accept_as_owner(session: Session, invitation: PortalInvitation, account: Account) -> ProviderStaff:
    """Open a login for an account that exists. Raises AnothersInvitation, LoginElsewhere or InvitationOver."""
    invited.require_own(invitation, account)
    held = portal_staff.find_staff(session, account)
    if held is not None and held.status is not StaffStatus.DEACTIVATED:
        raise portal_accounts.LoginElsewhere
    _spend(session, invitation)
    return _open_login(session, invitation, account)


def _require_delegate(session: Session, actor: ProviderStaff) -> None:
    delegates.lock(session, actor.organization_id)
    session.refresh(actor)
    if not delegates.is_delegate(actor):
        raise NotADelegate


def _require_newcomer(session: Session, actor: ProviderStaff, invitee: Invitee, *, name_is_another: bool) -> None:
    found = portal_accounts.find_person(
        session, actor.organization_id, email=invitee.email, full_name=invitee.full_name
    )
    for staff in found:
        if staff.account.email_key == email_key(invitee.email):
            raise AlreadyHere(staff)
    if found and not name_is_another:
        raise SameName(found)


def _count(session: Session, actor: ProviderStaff, address: str) -> None:
    within = [
        throttling.hit(session, f"invite:organization:{actor.organization_id}", PER_ORGANIZATION, _DAY),
        throttling.hit(session, f"invite:address:{throttling.hidden(email_key(address))}", PER_ADDRESS, _DAY),
    ]
    if not all(within):
        raise TooManyInvitations


def _void(session: Session, organization_id: str, address: str) -> None:
    session.execute(
        update(PortalInvitation)
        .where(
            PortalInvitation.organization_id == organization_id, PortalInvitation.email_key == email_key(address),
            PortalInvitation.spent_at.is_(None), PortalInvitation.voided_at.is_(None),
        )
        .values(voided_at=now())
        .execution_options(synchronize_session="fetch")
    )  # fmt: skip


def _get_open(session: Session, actor: ProviderStaff, invitation_id: str) -> PortalInvitation:
    row = session.get(PortalInvitation, invitation_id, populate_existing=True, with_for_update={"of": PortalInvitation})
    if row is None or row.organization_id != actor.organization_id or row.spent_at or row.voided_at:
        raise InvitationOver
    return row


def _spend(session: Session, invitation: PortalInvitation) -> None:
    # The inviter may have been deactivated or demoted a moment ago: that waits for this lock, or this for that.
    delegates.lock(session, invitation.organization_id)
    session.refresh(invitation.invited_by)
    still = (
        PortalInvitation.id == invitation.id, PortalInvitation.voided_at.is_(None), PortalInvitation.expires_at > now(),
        PortalInvitation.secret_hash == invitation.secret_hash,
    )  # fmt: skip
    if not delegates.is_delegate(invitation.invited_by) or not spend(session, PortalInvitation, *still):
        raise InvitationOver


def _open_login(session: Session, invitation: PortalInvitation, account: Account) -> ProviderStaff:
    """The login with what the inviting delegate still has of what they offered."""
    inviter = invitation.invited_by
    made = ProviderStaff(
        account=account, organization=invitation.organization, phone=invitation.phone,
        is_delegate=invitation.is_delegate, created_by_account_id=inviter.account_id,
        functions=[one for one in invitation.functions if one in inviter.functions],
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        raise InvitationOver from None
    entries = [entry for entry in reach.entries_of(session, inviter.id) if entry.id in invitation.entry_ids]
    session.add_all(portal_accounts.copy_entry(entry, made, by_account_id=inviter.account_id) for entry in entries)
    session.flush()
    delegates.record(session, "open", made, by_account_id=account.id, detail={"invited_by": inviter.account_id})
    return made


def _record(session: Session, action: str, row: PortalInvitation, account_id: str) -> None:
    detail = {
        "invitation": row.id, "organization": row.organization_id, "functions": row.functions,
        "delegate": row.is_delegate,
    }  # fmt: skip
    audit.record(session, f"plan:portal_invitation:{action}", account_id=account_id, detail=detail)
