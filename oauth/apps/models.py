"""Tables of who makes apps, and of the review that each version of an app goes through."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Integer, String, Text, UniqueConstraint
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
    NARROW = "narrow"
    """The plan took from what it may ask for."""
    RETIRE = "retire"
    DISABLE = "disable"
    """Its whole developer organisation was shut out."""
    ENABLE = "enable"
    REPLACE = "replace"
    DROP = "drop"


class Platform(StrEnum):
    """Where an app runs, as the gallery filters."""

    WEB = "web"
    IOS = "ios"
    ANDROID = "android"
    DESKTOP = "desktop"
    OTHER = "other"


class Category(StrEnum):
    """What an app is for, as the gallery filters: one for each app."""

    CLAIMS = "claims"
    RECORDS = "records"
    MEDICINES = "medicines"
    CONDITIONS = "conditions"
    WELLBEING = "wellbeing"
    CARING = "caring"
    OTHER = "other"


class CheckAnswer(StrEnum):
    """What a reviewer found."""

    YES = "yes"
    NO = "no"
    NOT_APPLICABLE = "not_applicable"


class ReportReason(StrEnum):
    """Why somebody reports an app to the plan."""

    POSES_AS_ANOTHER = "poses_as_another"
    MISLEADS = "misleads"
    SHARES_DATA = "shares_data"
    DOES_NOT_WORK = "does_not_work"
    UNSAFE = "unsafe"
    OTHER = "other"
    POLICY_CHANGED = "policy_changed"
    """Told by the plan's own watch, by no person; so is the next."""
    POLICY_UNREADABLE = "policy_unreadable"


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


class OrganizationStep(StrEnum):
    """What the plan did to a whole developer organisation."""

    DISABLE = "disable"
    ENABLE = "enable"


class DeveloperOrganizationEvent(Base):
    """One step in the history of an organisation; `words` are the reason, as its people read it."""

    __tablename__ = "developer_organization_event"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("developer_organization.id"), index=True)
    step: Mapped[OrganizationStep] = mapped_column(words(OrganizationStep))
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"), default=None)
    words: Mapped[str] = mapped_column(String(500), default="")
    at: Mapped[datetime] = mapped_column(Instant)


class DeveloperRole(StrEnum):
    """What a person of a developer organisation may do beside working on its apps."""

    OWNER = "owner"
    """Invites people, removes them and says who is an owner."""
    DEVELOPER = "developer"


class Developer(Base):
    """A person of a developer organisation: one account, one organisation."""

    __tablename__ = "developer"

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("developer_organization.id"), index=True)
    role: Mapped[DeveloperRole] = mapped_column(words(DeveloperRole), default=DeveloperRole.OWNER)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)

    account: Mapped[Account] = relationship(lazy="joined")
    organization: Mapped[DeveloperOrganization] = relationship(lazy="joined")

    @property
    def is_owner(self) -> bool:
        """Whether they say now who belongs to the organisation."""
        return self.role is DeveloperRole.OWNER and self.ended_at is None


class DeveloperInvitation(SpentOnce, Base):
    """An owner's offer to belong to the organisation, by a mailed link with a single-use secret."""

    __tablename__ = "developer_invitation"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("developer_organization.id"), index=True)
    invited_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(320))
    role: Mapped[DeveloperRole] = mapped_column(words(DeveloperRole))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    withdrawn_at: Mapped[datetime | None] = mapped_column(Instant, default=None)

    organization: Mapped[DeveloperOrganization] = relationship(lazy="joined")
    invited_by: Mapped[Account] = relationship(lazy="joined")


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

    `revision` rises with every change of state or content, so that a second look is a look at what the first one saw.
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

    @property
    def as_seen(self) -> str:
        """Names the version as it stands: forms carry it, so that nobody decides on or overwrites what they have not
        read."""
        return f"{self.id}:{self.revision}"


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
    # When the last of the members who had connected the app was told; null while some are not. Up to whom, by account.
    members_told_at: Mapped[datetime | None] = mapped_column(Instant, index=True, default=None)
    members_told_to: Mapped[str] = mapped_column(String(36), default="")


class AppCheck(Base):
    """An answer to one question of the check-list. Rows stay; the latest for a question and content counts."""

    __tablename__ = "app_check"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    review_id: Mapped[str] = mapped_column(ForeignKey("app_review.id"), index=True)
    # What was looked at: an answer says nothing of what the developer changed afterwards.
    content_digest: Mapped[str] = mapped_column(String(64))
    question: Mapped[str] = mapped_column(String(40))
    answer: Mapped[CheckAnswer] = mapped_column(words(CheckAnswer))
    note: Mapped[str] = mapped_column(String(500), default="")
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime] = mapped_column(Instant)


class AppReport(Base):
    """What somebody told the plan about an app, or the plan's own watch did; its developer never learns who."""

    __tablename__ = "app_report"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), index=True)
    reason: Mapped[ReportReason] = mapped_column(words(ReportReason))
    words: Mapped[str] = mapped_column(Text)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant, index=True, default=None)
    closed_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"), default=None)
    outcome: Mapped[str] = mapped_column(String(500), default="")


class PolicyWatch(Base):
    """What was found last at the address of an app's privacy policy: the digest of its words."""

    __tablename__ = "policy_watch"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    address: Mapped[str] = mapped_column(String(2000))
    digest: Mapped[str | None] = mapped_column(String(64), default=None)
    looked_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    failing_since: Mapped[datetime | None] = mapped_column(Instant, default=None)
    told_at: Mapped[datetime | None] = mapped_column(Instant, default=None)


class FunnelDay(Base):
    """How many authorizations of an app came how far on a day that is over (`oauth.apps.funnel.STEPS`)."""

    __tablename__ = "funnel_day"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    asked: Mapped[int] = mapped_column(Integer)
    opened: Mapped[int] = mapped_column(Integer)
    shown: Mapped[int] = mapped_column(Integer)
    allowed: Mapped[int] = mapped_column(Integer)
    denied: Mapped[int] = mapped_column(Integer)
    exchanged: Mapped[int] = mapped_column(Integer)
    read: Mapped[int] = mapped_column(Integer)


class RefusalDay(Base):
    """How often an app was refused on a day (since 1970, of UTC) for one reason (`oauth.apps.refusals`)."""

    __tablename__ = "refusal_day"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, index=True)
    reason: Mapped[str] = mapped_column(String(60), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
