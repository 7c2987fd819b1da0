"""A billing firm, its client and the client's contact, for tests."""

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import authorization_answers, authorization_requests
from consent.authorization_answers import Limits
from consent.authorization_requests import Mailing, Wanted
from consent.billing_models import AuthorizationRequest, BillingAuthorization
from consent.named_contacts import NamedContact
from service.plan.models import (
    OrganizationKind,
    PortalFunction,
    PortalOrganization,
    ProviderGroup,
    ProviderIdentifier,
    ProviderStaff,
    Remittance,
)
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.factories import make_account, make_group, make_organization, make_payment, make_portal_staff

ALL = frozenset({PortalFunction.REMITTANCES, PortalFunction.CLAIMS, PortalFunction.ELIGIBILITY})
CONTACT = NamedContact("Pat Moss", "pat.moss@clinic.example", "555-555-0101")
_LINK = re.compile(r"/provider/authorize/(\S+)")


@dataclass
class Firm:
    """A billing organisation with one delegate, and a client that it has a check of."""

    session: Session
    settings: Settings
    organization: PortalOrganization = field(init=False)
    staff: ProviderStaff = field(init=False)
    client: ProviderGroup = field(init=False)
    payment: Remittance = field(init=False)

    def __post_init__(self) -> None:
        self.organization = make_organization(self.session, kind=OrganizationKind.BILLING, name="Keystone Billing LLC")
        account = make_account(self.session, email="robin@keystone.example", given_name="Robin", family_name="Vance")
        self.staff = make_portal_staff(self.session, self.organization, account=account, is_delegate=True)
        self.client = make_group(self.session, tax_id="071234501")
        self.payment = make_payment(self.session, self.client, "7000001")
        self.session.commit()

    @property
    def mailing(self) -> Mailing:
        """Where the test's mails and tries come from."""
        return Mailing(self.settings.secret_key, "192.0.2.7")

    def ask(self, **given: Any) -> AuthorizationRequest:
        """Ask the client's contact with the check at hand; give what differs. Commits."""
        values: dict[str, Any] = {
            "tax_id": "071234501", "number": "7000001", "group_id": self.client.id, "functions": ALL,
            "contact": CONTACT,
        }  # fmt: skip
        made = authorization_requests.ask(
            self.session, given.pop("staff", self.staff), Wanted(**values | given), self.mailing
        )
        self.session.commit()
        return made

    def secret(self, to: str = CONTACT.email) -> str:
        """The secret in the newest mail to a contact that holds one. Commits, since it looks from outside."""
        self.session.commit()
        found = [secret for letter in letters(self.session, self.settings, to) for secret in _LINK.findall(letter)]
        secret: str = found[-1]
        return secret


def tax_id_of(session: Session, group: ProviderGroup) -> str:
    """The Tax ID of a group."""
    wanted = (ProviderIdentifier.group_id == group.id, ProviderIdentifier.kind == "tax_id")
    return session.scalars(select(ProviderIdentifier.value).where(*wanted)).one()


def allow(session: Session, firm: Firm, limits: Limits | None = None) -> BillingAuthorization:
    """The contact's yes, to everything unless limited. Commits."""
    given = authorization_answers.allow(session, firm.secret(), limits or Limits(ALL), account_id=None)
    session.commit()
    return given
