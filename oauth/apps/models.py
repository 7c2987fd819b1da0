"""Tables of who makes apps, and of the review that each version of an app goes through."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.accounts.models import Account
from service.clock import now
from service.db import Base, Instant, new_id, words
from service.single_use import SpentOnce


class ReviewState(StrEnum):
    """Where a version of an app stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    MORE_INFORMATION = "more_information"
    DECLINED = "declined"
    APPROVED = "approved"
    SUSPENDED = "suspended"
    RETIRED = "retired"
    REPLACED = "replaced"
    """A later version was approved in its place."""
    DROPPED = "dropped"
    """The developer gave this version up; the one that stood before stands on."""


class ReviewStep(StrEnum):
    """What happened to a version: one word for each transition."""

    REGISTER = "register"
    CHANGE = "change"
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    ASK = "ask"
    ANSWER = "answer"
    DECLINE = "decline"
    APPEAL = "appeal"
    APPROVE = "approve"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    RETIRE = "retire"
    REPLACE = "replace"
    DROP = "drop"


class Platform(StrEnum):
    """Where an app runs, as the gallery filters."""

    WEB = "web"
    IOS = "ios"
    ANDROID = "android"
    DESKTOP = "desktop"
    OTHER = "other"


class DeclineReason(StrEnum):
    """The only grounds for a no: each can be checked, and is the same for every app (45 CFR 422.119(e))."""

    SECURITY_RISK = "security_risk"
    POSES_AS_ANOTHER = "poses_as_another"
    ADDRESS_NOT_YOURS = "address_not_yours"
    DESCRIPTION_UNTRUE = "description_untrue"
    PAGES_MISSING = "pages_missing"
    NO_ANSWER = "no_answer"


class DeveloperOrganization(Base):
    """Who is responsible for apps. `domain` is set where the proven e-mail address belongs to the website's domain."""

    __tablename__ = "developer_organization"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    website: Mapped[str] = mapped_column(String(2000))
    domain: Mapped[str | None] = mapped_column(String(253), default=None)
    terms_version: Mapped[str] = mapped_column(String(40))
    disabled_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    disabled_reason: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)

    @property
    def stands(self) -> bool:
        """Whether its apps may work."""
        return self.disabled_at is None


class Developer(Base):
    """A person of a developer organisation: one account, one organisation."""

    __tablename__ = "developer"

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("developer_organization.id"), index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)

    account: Mapped[Account] = relationship(lazy="joined")
    organization: Mapped[DeveloperOrganization] = relationship(lazy="joined")


class PendingDeveloper(SpentOnce, Base):
    """Somebody who signs up as a developer, before the e-mail address is proven and the account is opened."""

    __tablename__ = "pending_developer"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    browser_id: Mapped[str] = mapped_column(String(64), index=True)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    organization_name: Mapped[str] = mapped_column(String(200))
    website: Mapped[str] = mapped_column(String(2000))
    email: Mapped[str] = mapped_column(String(254), default="")
    terms_version: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class AppReview(Base):
    """One version of an app: what it says of itself (`content`), and where its review stands.

    `revision` rises with every change of state, so that a second look is a look at what the first one saw.
    """

    __tablename__ = "app_review"
    __table_args__ = (UniqueConstraint("client_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[ReviewState] = mapped_column(words(ReviewState), index=True)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    decline_reason: Mapped[DeclineReason | None] = mapped_column(words(DeclineReason), default=None)
    # Since when it waits for the plan, questions and answers included; null where it does not wait.
    submitted_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    decided_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    appealed_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class DynamicRegistration(Base):
    """That an app was registered by a program (RFC 7591): the digest of the token that manages it, and what it said
    that no column of the app holds (`told`, in the words of RFC 7591)."""

    __tablename__ = "dynamic_registration"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64))
    told: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class AppReviewEvent(Base):
    """One step in the history of an app; `words` are what was said with it, to the developer or by them."""

    __tablename__ = "app_review_event"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    review_id: Mapped[str] = mapped_column(ForeignKey("app_review.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    step: Mapped[ReviewStep] = mapped_column(words(ReviewStep))
    state: Mapped[ReviewState] = mapped_column(words(ReviewState))
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"), default=None)
    words: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(Instant)
