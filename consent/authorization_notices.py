"""What a request's people are told: mails without health data, and a message in the asker's message centre."""

from typing import assert_never

from sqlalchemy.orm import Session

from consent.billing_models import AuthorizationRequest, AuthorizationSide, AuthorizationStatus, BillingAuthorization
from service import mail
from service.accounts.models import Account
from service.clock import now
from service.plan.logins import portal_staff, reach
from service.plan.mailbox import messages
from service.plan.models import ProviderGroup, ProviderStaff, ThreadTopic
from service.plan.providers.numbers import last_four

_MOST_DELEGATES = 20
_WHERE = "See Tax ID & NPI access for details."


def ask_contact(session: Session, request: AuthorizationRequest, secret: str, *, key: bytes) -> None:
    """The mail with the link; a mail that could not be sent in time is dropped with its request."""
    asker = request.asker
    mail.enqueue(
        session, to=request.contact_email, template="billing_authorization", expires_at=request.expires_at,
        contact=request.contact_name, firm=request.organization.name,
        firm_tax_id=last_four(request.organization.tax_id),
        asker=asker.full_name, group=request.group.name, functions=" ".join(request.functions),
        until=request.expires_at, sealed_secret=mail.seal(key, secret),
    )  # fmt: skip


def tell_contact(session: Session, request: AuthorizationRequest) -> None:
    """The contact's receipt: what they answered, and how it is ended."""
    mail.enqueue(
        session, to=request.contact_email, template="billing_authorization_receipt", contact=request.contact_name,
        firm=request.organization.name, group=request.group.name, outcome=request.status.value,
        at=now(),
    )  # fmt: skip


def tell_asker(session: Session, request: AuthorizationRequest) -> None:
    """What became of the request, by mail and in the message centre. A reason is read in the portal only."""
    asker = request.asker
    mail.enqueue(
        session, to=asker.email, template="billing_authorization_answer", language=asker.language,
        given_name=asker.given_name, group=request.group.name, outcome=request.status.value,
    )  # fmt: skip
    _leave_message(session, asker, f"Your request to {request.group.name}", f"{_outcome(request)} {_WHERE}")


def tell_of_end(session: Session, authorization: BillingAuthorization) -> None:
    """Either side's delegates learn that a permission ended; the firm's only where they did not end it themselves."""
    firm, group = authorization.organization.name, authorization.group
    _tell_client(
        session, group, f"Access of {firm} ended",
        f"The access of {firm}, a billing organization, to what {group.name} has with us ended. {_WHERE}",
    )  # fmt: skip
    if authorization.ended_side not in {AuthorizationSide.PROVIDER, AuthorizationSide.PLAN}:
        return
    for staff in _delegates(session, authorization.organization_id):
        mail.enqueue(
            session, to=staff.account.email, template="billing_authorization_ended", language=staff.account.language,
            given_name=staff.account.given_name, group=authorization.group.name,
        )  # fmt: skip
        name = authorization.group.name
        _leave_message(session, staff.account, f"Access to {name} ended", f"Your access to {name} ended. {_WHERE}")


def tell_client_of_asking(session: Session, request: AuthorizationRequest) -> None:
    """The client's delegates learn that a firm asks for access, whoever of their office is asked to answer."""
    _tell_client(
        session, request.group, f"{request.organization.name} asks for access",
        f"{request.organization.name}, a billing organization, asks to see what {request.group.name} has with us. "
        f"{request.contact_name} is asked to answer. Nothing is open before a yes. "
        "If you do not know this organization, please call us.",
    )  # fmt: skip


def tell_client_of_access(session: Session, authorization: BillingAuthorization) -> None:
    """The client's delegates learn that a firm was let in."""
    firm, group = authorization.organization.name, authorization.group
    _tell_client(
        session, group, f"{firm} has access now",
        f"{firm}, a billing organization, has access to what {group.name} has with us. "
        f"See what it may see, limit or end it in Tax ID & NPI access.",
    )  # fmt: skip


def _tell_client(session: Session, group: ProviderGroup, subject: str, body: str) -> None:
    """A message in the portal; the mail beside it says only that there is one."""
    for staff in reach.delegates_of_group(session, group.id, limit=_MOST_DELEGATES):
        messages.notice_from_plan(session, staff, subject[:200], body, topic=ThreadTopic.AUTHORIZATION)


def _outcome(request: AuthorizationRequest) -> str:
    match request.status:
        case AuthorizationStatus.APPROVED:
            return f"{request.group.name} approved your request. You have access now."
        case AuthorizationStatus.REFUSED:
            return f"Your request to {request.group.name} was refused."
        case AuthorizationStatus.LAPSED:
            return f"{request.group.name} did not answer your request within 30 days. Please ask anew."
        case AuthorizationStatus.WITHDRAWN:
            return f"A co-worker withdrew your request to {request.group.name}."
        case AuthorizationStatus.ASKED | AuthorizationStatus.AWAITING_PLAN:
            return f"Your request to {request.group.name} is on its way."
    assert_never(request.status)


def _delegates(session: Session, organization_id: str) -> list[ProviderStaff]:
    return portal_staff.delegates_of(session, organization_id)[:_MOST_DELEGATES]


def _leave_message(session: Session, account: Account, subject: str, body: str) -> None:
    """A message of the plan in the person's message centre; the mail beside it says that something happened."""
    staff = portal_staff.find_staff(session, account)
    if staff is not None:
        messages.notice_from_plan(
            session, staff, subject[:200], body, topic=ThreadTopic.AUTHORIZATION, mailed=True
        )  # fmt: skip
