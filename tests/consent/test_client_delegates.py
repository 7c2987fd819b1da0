"""A client's delegates are told when a firm asks, is let in, or ends: mail without content, message in the portal."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import billing_authorizations
from consent.billing_models import AuthorizationSide
from consent.named_contacts import NamedContact
from service.plan.models import MessageThread, OrganizationKind, ProviderStaff, StaffStatus
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.consent.firm import Firm, allow
from tests.factories import make_account, make_entry, make_group, make_organization, make_portal_staff

DELEGATE = "dana@clinic.example"


@pytest.fixture
def firm(session: Session, settings: Settings) -> Firm:
    return Firm(session, settings)


def delegate(session: Session, email: str = DELEGATE, **given: object) -> ProviderStaff:
    """A delegate of an office of its own, whose only entry is the client's Tax ID unless told otherwise."""
    kind = given.pop("kind", OrganizationKind.PROVIDER)
    numbers = given.pop("numbers", {"tax_id": "071234501"})
    made = make_portal_staff(
        session, make_organization(session, kind=kind), account=make_account(session, email=email),
        **{"is_delegate": True} | given,
    )  # fmt: skip
    make_entry(session, made, **numbers)  # type: ignore[arg-type]
    session.commit()
    return made


def told(session: Session, staff: ProviderStaff) -> list[str]:
    """The subjects in the login's message centre, the oldest first."""
    mine = select(MessageThread.subject).where(MessageThread.staff_id == staff.id)
    return list(session.scalars(mine.order_by(MessageThread.created_at)))


def test_delegates_learn_of_each_step_and_the_mail_names_nobody(
    session: Session, firm: Firm, settings: Settings
) -> None:
    dana = delegate(session)
    firm.ask()
    assert told(session, dana) == ["Keystone Billing LLC asks for access"]
    given = allow(session, firm)
    billing_authorizations.end(session, given, AuthorizationSide.PROVIDER, by_account_id=dana.account_id)
    session.commit()
    assert told(session, dana) == [
        "Keystone Billing LLC asks for access", "Keystone Billing LLC has access now",
        "Access of Keystone Billing LLC ended",
    ]  # fmt: skip
    session.commit()
    mails = letters(session, settings, DELEGATE)
    assert len(mails) == 3
    assert not any("Keystone" in mail or "access" in mail.lower().split("\n\n", 1)[1] for mail in mails)


def test_a_request_that_waits_for_plan_staff_is_told_at_once(session: Session, firm: Firm) -> None:
    dana = delegate(session)
    firm.ask(number=None, contact=NamedContact("Lee Park", "lee.park@elsewhere.example", "555-555-0102"))
    assert told(session, dana) == ["Keystone Billing LLC asks for access"]


@pytest.mark.parametrize(
    "given",
    [
        {"is_delegate": False},
        {"status": StaffStatus.DEACTIVATED},
        {"status": StaffStatus.AWAITING_PIN},
        {"kind": OrganizationKind.BILLING},
        {"numbers": {"tax_id": "990000001"}},
        {"numbers": {"tax_id": "071234501", "npi": "2900416761"}},
    ],
)
def test_nobody_else_is_told(session: Session, firm: Firm, given: dict[str, object]) -> None:
    make_group(session, tax_id="990000001", npi="2900416761")
    other = delegate(session, **given)
    firm.ask()
    allow(session, firm)
    assert told(session, other) == []
