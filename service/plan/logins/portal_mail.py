"""Mails about logins of the provider portal; none holds anything about a member."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from service import mail
from service.accounts.models import Account
from service.clock import now
from service.plan.models import PortalInvitation, ProviderStaff


def invitation(session: Session, key: bytes, invited: PortalInvitation, secret: str) -> None:
    """The link by which a person takes up the login that a delegate offers."""
    mail.enqueue(
        session, to=invited.email, template="portal_invitation", expires_at=invited.expires_at,
        given_name=invited.given_name, organization=invited.organization.name,
        inviter=invited.invited_by.account.full_name, sealed_secret=mail.seal(key, secret),
    )  # fmt: skip


def login_deactivated(session: Session, staff: ProviderStaff) -> None:
    """The person's login was deactivated."""
    _tell(session, staff.account, "login_deactivated", organization=staff.organization.name)


def delegate_made(session: Session, staff: ProviderStaff) -> None:
    """The person is a delegate now."""
    _tell(session, staff.account, "delegate_made", organization=staff.organization.name)


def delegate_request_refused(session: Session, staff: ProviderStaff, reason: str) -> None:
    """The person's request to be delegate was refused."""
    _tell(session, staff.account, "delegate_request_refused", organization=staff.organization.name, reason=reason)


def certification_due(session: Session, delegates: Iterable[ProviderStaff], count: int) -> None:
    """Some logins must be confirmed soon."""
    for delegate in delegates:
        _tell(session, delegate.account, "certification_due", organization=delegate.organization.name, count=str(count))


def functions_lapsed(session: Session, staff: ProviderStaff, delegates: Iterable[ProviderStaff]) -> None:
    """Nobody confirmed the person's login: they and the delegates are told that it lost its applications."""
    for told in (staff, *delegates):
        _tell(
            session, told.account, "functions_lapsed", organization=staff.organization.name,
            person=staff.account.full_name,
        )  # fmt: skip


def sharing_sign(session: Session, staff: ProviderStaff, delegates: Iterable[ProviderStaff]) -> None:
    """A login was used as several people sharing it would use it."""
    for delegate in delegates:
        _tell(
            session, delegate.account, "sharing_sign", organization=staff.organization.name,
            person=staff.account.full_name,
        )  # fmt: skip


def _tell(
    session: Session,
    account: Account,
    template: str,
    *,
    organization: str,
    person: str = "",
    reason: str = "",
    count: str = "",
) -> None:
    mail.enqueue(
        session, to=account.email, template=template, language=account.language, given_name=account.given_name,
        organization=organization, person=person, reason=reason, count=count,
        at=now(),
    )  # fmt: skip
