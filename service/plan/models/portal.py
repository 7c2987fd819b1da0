"""The provider portal's own records: organisations, the people who sign in for them, and what each may reach."""

from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.accounts.models import Account
from service.clock import now
from service.db import Base, Instant, append_only, new_id, words
from service.single_use import SpentOnce


class OrganizationKind(StrEnum):
    """Who an organisation of the portal is: one that treats patients, or one that bills for others."""

    PROVIDER = "provider"
    BILLING = "billing"


class PortalFunction(StrEnum):
    """The applications of the portal, given to each login one by one."""

    REMITTANCES = "remittances"
    CLAIMS = "claims"
    ELIGIBILITY = "eligibility"
    PROFILES = "profiles"
    ACCESS = "access"


class StaffStatus(StrEnum):
    """Whether a login of the portal works."""

    AWAITING_PIN = "awaiting_pin"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class EntrySource(StrEnum):
    """Why a login reaches a provider id."""

    PROOF = "proof"
    MAILED_PIN = "mailed_pin"
    DELEGATE = "delegate"
    PLAN = "plan"


class PortalOrganization(Base):
    """An organisation that registered, once, by its own Tax ID. Its ids are matched, its name never is."""

    __tablename__ = "portal_organization"
    __table_args__ = (UniqueConstraint("kind", "tax_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[OrganizationKind] = mapped_column(words(OrganizationKind))
    name: Mapped[str] = mapped_column(String(200))
    tax_id: Mapped[str] = mapped_column(String(9))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class ProviderStaff(Base):
    """One person's login in the portal, for one organisation. A delegate creates and maintains the others.

    An account has one that is not deactivated; older ones stay, so that who left one office can work for another.
    """

    __tablename__ = "provider_staff"
    __table_args__ = (
        Index(
            "uq_provider_staff_standing", "account_id", unique=True,
            sqlite_where=text("status <> 'deactivated'"), postgresql_where=text("status <> 'deactivated'"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("portal_organization.id"), index=True)
    phone: Mapped[str] = mapped_column(String(40), default="")
    is_delegate: Mapped[bool] = mapped_column(Boolean, default=False)
    status: Mapped[StaffStatus] = mapped_column(words(StaffStatus), default=StaffStatus.ACTIVE)
    functions: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Values of `PortalFunction`."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    created_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    certified_at: Mapped[datetime] = mapped_column(Instant, default=now)
    """When a delegate last said that this person still needs the login."""
    lapsed_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the functions ended because no delegate had said so for too long."""
    deactivated_at: Mapped[datetime | None] = mapped_column(Instant)
    deactivated_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))

    account: Mapped[Account] = relationship(foreign_keys=[account_id], lazy="joined")
    organization: Mapped[PortalOrganization] = relationship(lazy="joined")

    def may(self, function: PortalFunction) -> bool:
        """Whether this login has the application, its entries apart."""
        return self.status is StaffStatus.ACTIVE and function.value in self.functions


class AccessEntry(Base):
    """What a login reaches: the providers that carry all of the numbers given here (an AND), since when and why."""

    __tablename__ = "access_entry"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    staff_id: Mapped[str] = mapped_column(ForeignKey("provider_staff.id"), index=True)
    tax_id: Mapped[str | None] = mapped_column(String(9))
    npi: Mapped[str | None] = mapped_column(String(10))
    vendor_number: Mapped[str | None] = mapped_column(String(40))
    office_id: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[EntrySource] = mapped_column(words(EntrySource))
    proof_id: Mapped[str | None] = mapped_column(ForeignKey("registration_proof.id"))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    created_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))


class RegistrationProof(Base):
    """Evidence that somebody held a payment of a group, or a letter to it: never changed afterwards."""

    __tablename__ = "registration_proof"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    remittance_id: Mapped[str | None] = mapped_column(ForeignKey("remittance.id"))
    by_vendor_number: Mapped[bool] = mapped_column(Boolean, default=False)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    proven_at: Mapped[datetime] = mapped_column(Instant, default=now)


class PortalRegistration(SpentOnce, Base):
    """A registration under way in one browser; `answers` are the pages' checked values, without any secret."""

    __tablename__ = "portal_registration"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    browser_id: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[OrganizationKind] = mapped_column(words(OrganizationKind))
    answers: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    email: Mapped[str] = mapped_column(String(254), default="")
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class MailedPin(SpentOnce, Base):
    """A PIN sent by post to a group's address on file. `sealed` holds it for the printer only, until it was printed."""

    __tablename__ = "mailed_pin"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    staff_id: Mapped[str] = mapped_column(ForeignKey("provider_staff.id"), index=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    pin_hash: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[str] = mapped_column(Text)
    address: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    voided_at: Mapped[datetime | None] = mapped_column(Instant)
    printed_at: Mapped[datetime | None] = mapped_column(Instant)


class RequestStatus(StrEnum):
    """Where a request to plan staff or a delegate stands."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


class DelegateRequest(Base):
    """A wish to become delegate in a group that has one: why that person cannot assist, and who said what."""

    __tablename__ = "delegate_request"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    staff_id: Mapped[str] = mapped_column(ForeignKey("provider_staff.id"), index=True)
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(String(500), default="")
    status: Mapped[RequestStatus] = mapped_column(words(RequestStatus), default=RequestStatus.OPEN, index=True)
    asked_at: Mapped[datetime] = mapped_column(Instant, default=now)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    decision_reason: Mapped[str] = mapped_column(String(500), default="")


class PortalInvitation(SpentOnce, Base):
    """A delegate's offer of a login, by a mailed link with a single-use secret: the person chooses name and password.

    `entry_ids` are entries of the delegate's own; those that still stand are copied when the link is used.
    """

    __tablename__ = "portal_invitation"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("portal_organization.id"), index=True)
    invited_by_staff_id: Mapped[str] = mapped_column(ForeignKey("provider_staff.id"), index=True)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(320), index=True)
    phone: Mapped[str] = mapped_column(String(40))
    is_delegate: Mapped[bool] = mapped_column(Boolean)
    functions: Mapped[list[str]] = mapped_column(JSON)
    entry_ids: Mapped[list[str]] = mapped_column(JSON)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    voided_at: Mapped[datetime | None] = mapped_column(Instant)

    organization: Mapped[PortalOrganization] = relationship(lazy="joined")
    invited_by: Mapped[ProviderStaff] = relationship(lazy="joined")


class SharingKind(StrEnum):
    """Why it looks as if several people used one login."""

    TWO_DEVICES = "two_devices"
    MANY_DEVICES = "many_devices"
    ROUND_THE_CLOCK = "round_the_clock"


class SharingSign(Base):
    """A sign that an account is shared, for delegates and plan staff to talk about; it blocks nobody."""

    __tablename__ = "sharing_sign"
    __table_args__ = (Index("ix_sharing_sign_account_id_seen_at", "account_id", "seen_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[SharingKind] = mapped_column(words(SharingKind))
    count: Mapped[int] = mapped_column(Integer)
    """How many devices, or hours of the last 24."""
    seen_at: Mapped[datetime] = mapped_column(Instant)
    settled_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    settled_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))

    account: Mapped[Account] = relationship(foreign_keys=[account_id], lazy="joined")


class NotListedRequest(Base):
    """*My provider is not listed*: a form for the e-Services queue of plan staff."""

    __tablename__ = "not_listed_request"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    organization_name: Mapped[str] = mapped_column(String(200))
    tax_id: Mapped[str] = mapped_column(String(9), default="")
    npi: Mapped[str] = mapped_column(String(10), default="")
    contact_name: Mapped[str] = mapped_column(String(200))
    contact_email: Mapped[str] = mapped_column(String(254))
    contact_phone: Mapped[str] = mapped_column(String(40))
    message: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[RequestStatus] = mapped_column(words(RequestStatus), default=RequestStatus.OPEN, index=True)
    asked_at: Mapped[datetime] = mapped_column(Instant, default=now)
    handled_at: Mapped[datetime | None] = mapped_column(Instant)
    handled_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    resolution: Mapped[str] = mapped_column(String(500), default="")


class TermsAcceptance(Base):
    """That a person accepted one version of one document, with the very text."""

    __tablename__ = "terms_acceptance"
    __table_args__ = (Index("ix_terms_acceptance_account_id", "account_id", "document", "version"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    document: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    accepted_at: Mapped[datetime] = mapped_column(Instant, default=now)


class StaffRole(StrEnum):
    """What a person of the plan may do in the staff console (product.md ST)."""

    MEMBER_SERVICES = "member_services"
    APP_REVIEWER = "app_reviewer"
    PROVIDER_SERVICES = "provider_services"
    PRIVACY_OFFICER = "privacy_officer"
    ADMINISTRATOR = "administrator"


class PlanStaff(Base):
    """A person who works for the plan, with their roles."""

    __tablename__ = "plan_staff"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), unique=True)
    roles: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Values of `StaffRole`."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)

    account: Mapped[Account] = relationship(lazy="joined")


append_only(cast(Table, RegistrationProof.__table__))
append_only(cast(Table, TermsAcceptance.__table__))
