"""Tables of what offices allow billing firms: what was asked, by whom answered, and the live permission."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, Date, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.accounts.models import Account
from service.db import Base, Instant, new_id, words
from service.plan.models import PortalOrganization, ProviderGroup
from service.single_use import SpentOnce


class AuthorizationStatus(StrEnum):
    """Where a billing organisation's request to a provider stands."""

    ASKED = "asked"
    AWAITING_PLAN = "awaiting_plan"
    """The named contact is not on the plan's file: plan staff verify it before anything is sent."""
    APPROVED = "approved"
    REFUSED = "refused"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


class AuthorizationRequest(SpentOnce, Base):
    """A billing organisation asks a provider's contact, by a link with a single-use secret, to let it in.

    `expires_at` is 30 days after the first mail (until one is sent: after the asking); a mail sent again keeps it.
    """

    __tablename__ = "authorization_request"
    __table_args__ = (
        Index(
            "uq_authorization_request_open", "organization_id", "group_id", unique=True,
            sqlite_where=text("status IN ('asked', 'awaiting_plan')"),
            postgresql_where=text("status IN ('asked', 'awaiting_plan')"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("portal_organization.id"), index=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    asked_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    remittance_id: Mapped[str | None] = mapped_column(ForeignKey("remittance.id"))
    """The payment whose number proved that the client handed its papers over; None where none was given."""
    tax_id: Mapped[str] = mapped_column(String(9), default="")
    """The client's Tax ID as the firm gave it."""
    contact_name: Mapped[str] = mapped_column(String(200))
    contact_email: Mapped[str] = mapped_column(String(254))
    contact_key: Mapped[str] = mapped_column(String(320))
    contact_phone: Mapped[str] = mapped_column(String(40), default="")
    functions: Mapped[list[str]] = mapped_column(JSON)
    status: Mapped[AuthorizationStatus] = mapped_column(words(AuthorizationStatus), index=True)
    secret_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    sends: Mapped[int] = mapped_column(Integer, default=0)
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    reason: Mapped[str] = mapped_column(String(500), default="")

    organization: Mapped[PortalOrganization] = relationship(lazy="joined")
    group: Mapped[ProviderGroup] = relationship(lazy="joined")
    asker: Mapped[Account] = relationship(lazy="joined")


class AuthorizationSide(StrEnum):
    """Who ended a permission of a billing organisation."""

    FIRM = "firm"
    PROVIDER = "provider"
    PLAN = "plan"
    NEWER_ANSWER = "newer_answer"
    """Nobody: the provider answered another request of the same firm, and that answer stands."""


class BillingAuthorization(Base):
    """The live permission of one billing organisation for one provider group: which functions, which payment dates.

    `covers_from` and `covers_until` limit dates (both included) where the provider chose to; earlier payments are
    covered otherwise. `version` rises when it gets narrower or ends.
    """

    __tablename__ = "billing_authorization"
    __table_args__ = (
        Index(
            "uq_billing_authorization_standing", "organization_id", "group_id", unique=True,
            sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    request_id: Mapped[str] = mapped_column(ForeignKey("authorization_request.id"), unique=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("portal_organization.id"), index=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("provider_group.id"), index=True)
    functions: Mapped[list[str]] = mapped_column(JSON)
    covers_from: Mapped[date | None] = mapped_column(Date)
    covers_until: Mapped[date | None] = mapped_column(Date)
    version: Mapped[int] = mapped_column(Integer, default=1)
    given_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    ended_side: Mapped[AuthorizationSide | None] = mapped_column(words(AuthorizationSide))
    ended_reason: Mapped[str] = mapped_column(String(200), default="")

    organization: Mapped[PortalOrganization] = relationship(lazy="joined")
    group: Mapped[ProviderGroup] = relationship(lazy="joined")
