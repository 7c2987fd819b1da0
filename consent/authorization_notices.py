"""What a request's people are told: mails without health data, and a message in the asker's message centre."""

from typing import assert_never

from sqlalchemy.orm import Session

from consent.models import AuthorizationRequest, AuthorizationSide, AuthorizationStatus, BillingAuthorization
from service import mail
from service.accounts.models import Account
from service.clock import now
from service.plan.logins import portal_staff
from service.plan.mailbox import messages
from service.plan.models import ProviderStaff, ThreadTopic
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
    """The firm's delegates learn that a permission ended that they did not end themselves."""
    if authorization.ended_side not in {AuthorizationSide.PROVIDER, AuthorizationSide.PLAN}:
        return
    for staff in _delegates(session, authorization.organization_id):
        mail.enqueue(
            session, to=staff.account.email, template="billing_authorization_ended", language=staff.account.language,
            given_name=staff.account.given_name, group=authorization.group.name,
        )  # fmt: skip
        name = authorization.group.name
        _leave_message(session, staff.account, f"Access to {name} ended", f"Your access to {name} ended. {_WHERE}")


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
