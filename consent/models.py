"""Tables of consent: who represents whom, what a member answered, and the live permission that follows from it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    JSON,
    Boolean,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    case,
    select,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from service.accounts.models import Account
from service.clock import now
from service.db import Base, Instant, append_only, new_id, words
from service.plan.models import Member


class SensitiveClass(StrEnum):
    """Data kept from an app until the member ticks it (identity.md 10)."""

    SUBSTANCE_USE = "substance_use"
    MENTAL_HEALTH = "mental_health"
    SEXUAL_REPRODUCTIVE = "sexual_reproductive"
    HIV = "hiv"
    GENETIC = "genetic"


class Basis(StrEnum):
    """Why somebody may act for a member (45 CFR 164.502(g))."""

    PARENT = "parent"
    GUARDIAN = "guardian"
    POWER_OF_ATTORNEY = "power_of_attorney"
    CONSERVATOR = "conservator"
    EXECUTOR = "executor"
    PERMISSION = "permission"
    """The member's own permission, signed on the request form and taken back whenever they like."""


class LinkScope(StrEnum):
    """How much of the member's record a representative stands for (a limited power of attorney covers its subject)."""

    ALL = "all"
    CLAIMS_ONLY = "claims_only"
    WITHOUT_SENSITIVE = "without_sensitive"
    CLAIMS_WITHOUT_SENSITIVE = "claims_without_sensitive"

    @property
    def claims_only(self) -> bool:
        """Whether nothing but claims and what they name is covered."""
        return self in (LinkScope.CLAIMS_ONLY, LinkScope.CLAIMS_WITHOUT_SENSITIVE)

    @property
    def sensitive(self) -> bool:
        """Whether very personal topics are covered."""
        return self in (LinkScope.ALL, LinkScope.CLAIMS_ONLY)

    @property
    def narrowed(self) -> "LinkScope":
        """The same without very personal topics: what a teenager's parents keep (45 CFR 164.502(g)(3))."""
        return LinkScope.CLAIMS_WITHOUT_SENSITIVE if self.claims_only else LinkScope.WITHOUT_SENSITIVE


class Answer(StrEnum):
    """What a person answered on the consent screen."""

    ALLOW = "allow"
    DENY = "deny"


class Duration(StrEnum):
    """How long a member lets an app in."""

    ONCE = "once"
    THREE_MONTHS = "three_months"
    THIRTEEN_MONTHS = "thirteen_months"


class GrantStatus(StrEnum):
    """The states of a grant; only an active one lets anybody in."""

    ACTIVE = "active"
    PAUSED = "paused"
    REVOKED = "revoked"
    EXPIRED = "expired"


class EndedBy(StrEnum):
    """Who ended a grant or a link."""

    MEMBER = "member"
    REPRESENTATIVE = "representative"
    PLAN = "plan"
    APP = "app"
    TIME = "time"


class ChangeKind(StrEnum):
    """What somebody did to a grant after it was given, other than ending it."""

    PAUSED = "paused"
    RESUMED = "resumed"
    NARROWED = "narrowed"


class PersonalRepresentative(Base):
    """A person who acts for members. `number` is the Personal Representative ID that a non-member registers with.

    `member_id` is who they are on the roster, if they are a member. `person_id` names them as one FHIR Person once
    they act for several members.
    """

    __tablename__ = "personal_representative"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    number: Mapped[str | None] = mapped_column(String(20), unique=True)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    birth_date: Mapped[date] = mapped_column(Date)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"), unique=True)
    member_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"), unique=True)
    person_id: Mapped[str | None] = mapped_column(String(36), unique=True)
    address_line: Mapped[str] = mapped_column(String(200), default="")
    city: Mapped[str] = mapped_column(String(100), default="")
    state: Mapped[str] = mapped_column(String(40), default="")
    zip_code: Mapped[str] = mapped_column(String(10), default="")
    letter_printed_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the letter with the number was last printed."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)

    @property
    def full_name(self) -> str:
        """Given and family name."""
        return f"{self.given_name} {self.family_name}"


class RepresentativeLink(Base):
    """That one representative may act for one member: on which basis, for how much, from when until when.

    `related_person_id` is the id under which the representative stands in FHIR as the member's RelatedPerson.
    """

    __tablename__ = "representative_link"
    __table_args__ = (Index("ix_representative_link_member", "member_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    representative_id: Mapped[str] = mapped_column(ForeignKey("personal_representative.id"), index=True)
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    related_person_id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    basis: Mapped[Basis] = mapped_column(words(Basis))
    scope: Mapped[LinkScope] = mapped_column(words(LinkScope), default=LinkScope.ALL)
    evidence: Mapped[str] = mapped_column(String(200), default="")
    valid_from: Mapped[datetime] = mapped_column(Instant)
    valid_until: Mapped[datetime | None] = mapped_column(Instant)
    """The first moment at which the link is over; None where nothing ends it by itself."""
    narrows_at: Mapped[datetime | None] = mapped_column(Instant)
    """From when on very personal topics are left out: the 12th birthday of who was a minor when linked; else None."""
    safety_block: Mapped[bool] = mapped_column(Boolean, default=False)
    """45 CFR 164.502(g)(5): the plan does not treat this person as representative, and does not tell them why."""
    blocked_at: Mapped[datetime | None] = mapped_column(Instant)
    blocked_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    block_reason: Mapped[str] = mapped_column(String(500), default="")
    block_reviewed_at: Mapped[datetime | None] = mapped_column(Instant)
    """When a privacy officer last said that the block stays."""
    adult_decided_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the child, grown up, decided about the apps that came in by this link."""
    version: Mapped[int] = mapped_column(Integer, default=1)
    changed_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the version rose last; None of one that is as it was made."""
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[EndedBy | None] = mapped_column(words(EndedBy))

    @property
    def scope_now(self) -> LinkScope:
        """How much the link covers at this moment."""
        return self.scope.narrowed if self.narrows_at is not None and self.narrows_at <= now() else self.scope

    representative: Mapped[PersonalRepresentative] = relationship(lazy="joined")
    member: Mapped[Member] = relationship(lazy="joined")


class Subject(Base):
    """The OpenID Connect `sub` of one account acting for one member: stable, never reassigned, tells nothing."""

    __tablename__ = "subject"
    __table_args__ = (UniqueConstraint("account_id", "member_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))


class ConsentPage(Base):
    """What a consent page said to everybody whom the same app asked the same, in one version and language.

    `digest` is that of `words`; no word of it is about a member.
    """

    __tablename__ = "consent_page"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    words: Mapped[dict[str, Any]] = mapped_column(JSON)


append_only(cast(Table, ConsentPage.__table__))


class ConsentDecision(Base):
    """One answer on the consent screen, yes or no: evidence, never changed afterwards.

    `words` keeps what the receipt says of this answer alone, and names the page (`consent.kept_words`) whose sentences
    were shown, so that a receipt can be made again years later. In the first format it keeps all of the sentences.
    """

    __tablename__ = "consent_decision"
    __table_args__ = (Index("ix_consent_decision_member_at", "member_id", "at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(Instant)
    answer: Mapped[Answer] = mapped_column(words(Answer))
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    link_id: Mapped[str | None] = mapped_column(ForeignKey("representative_link.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    client_version: Mapped[int] = mapped_column(Integer)
    asked_scopes: Mapped[str] = mapped_column(Text)
    granted_scopes: Mapped[str] = mapped_column(Text)
    sensitive_classes: Mapped[list[str]] = mapped_column(JSON)
    duration: Mapped[Duration] = mapped_column(words(Duration))
    offline: Mapped[bool] = mapped_column(Boolean)
    language: Mapped[str] = mapped_column(String(8))
    text_version: Mapped[str] = mapped_column(String(40))
    words: Mapped[dict[str, Any]] = mapped_column(JSON)


append_only(cast(Table, ConsentDecision.__table__))


class GrantChange(Base):
    """One pause, resumption or narrowing: who, when, and what the grant allowed from then on. Never changed afterwards.

    With the decision it tells the whole life of a grant; apps' servers are told from it (`oauth.webhooks`).
    """

    __tablename__ = "grant_change"
    __table_args__ = (Index("ix_grant_change_grant_at", "grant_id", "at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    grant_id: Mapped[str] = mapped_column(ForeignKey("consent_grant.id"))
    kind: Mapped[ChangeKind] = mapped_column(words(ChangeKind))
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    link_id: Mapped[str | None] = mapped_column(ForeignKey("representative_link.id"))
    scopes: Mapped[str] = mapped_column(Text)
    sensitive_classes: Mapped[list[str]] = mapped_column(JSON)
    offline: Mapped[bool] = mapped_column(Boolean)
    expires_at: Mapped[datetime] = mapped_column(Instant)

    account: Mapped[Account] = relationship()


append_only(cast(Table, GrantChange.__table__))


class Grant(Base):
    """The live permission of one account, for one member, to one app. Token families hang from it.

    `version` rises whenever the grant gets narrower or ends: older access tokens are refused on their next use.
    `revision` rises with every change, so that what is rendered from the grant can be told apart.
    """

    __tablename__ = "consent_grant"
    __table_args__ = (
        Index("ix_consent_grant_member", "member_id"),
        Index(
            "uq_consent_grant_standing", "account_id", "member_id", "client_id", unique=True,
            sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"),
        ),
        # The grants under which nothing was read yet: few, since most apps read as soon as they may.
        Index(
            "ix_consent_grant_unread", "id",
            sqlite_where=text("read_told_at IS NULL AND ended_at IS NULL"),
            postgresql_where=text("read_told_at IS NULL AND ended_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    member_id: Mapped[str] = mapped_column(ForeignKey("member.id"))
    link_id: Mapped[str | None] = mapped_column(ForeignKey("representative_link.id"))
    link_version: Mapped[int | None] = mapped_column(Integer)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), index=True)
    decision_id: Mapped[str] = mapped_column(ForeignKey("consent_decision.id"))
    scopes: Mapped[str] = mapped_column(Text)
    sensitive_classes: Mapped[list[str]] = mapped_column(JSON)
    duration: Mapped[Duration] = mapped_column(words(Duration))
    offline: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(Integer, default=1)
    status: Mapped[GrantStatus] = mapped_column(words(GrantStatus), default=GrantStatus.ACTIVE)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    changed_at: Mapped[datetime] = mapped_column(Instant, default=now)
    paused_at: Mapped[datetime | None] = mapped_column(Instant)
    """Since when nobody may come in; kept when a paused grant ends."""
    paused_by: Mapped[EndedBy | None] = mapped_column(words(EndedBy))
    """The member or a representative: what the member pauses, only the member resumes, also after its end."""
    ended_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    ended_by: Mapped[EndedBy | None] = mapped_column(words(EndedBy))
    ended_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    read_told_at: Mapped[datetime | None] = mapped_column(Instant)
    """When people were told that the app read for the first time."""
    end_warned_at: Mapped[datetime | None] = mapped_column(Instant)
    """When they were told that the time they chose is over soon."""
    end_told_at: Mapped[datetime | None] = mapped_column(Instant)
    """When they were told that it is over."""
    pauser_id: Mapped[str | None] = column_property(
        case((
            (status == GrantStatus.PAUSED) & (paused_by == EndedBy.REPRESENTATIVE),
            select(GrantChange.account_id)
            .where(GrantChange.grant_id == id, GrantChange.kind == ChangeKind.PAUSED)
            .order_by(GrantChange.at.desc()).limit(1).correlate_except(GrantChange).scalar_subquery(),
        )),
        deferred=True,
    )  # fmt: skip
    """Who paused it last, where the pause is a representative's: the member, where the plan lifted theirs."""

    account: Mapped[Account] = relationship(foreign_keys=[account_id])
    ender: Mapped[Account | None] = relationship(foreign_keys=[ended_by_account_id])
    link: Mapped[RepresentativeLink | None] = relationship()
    member: Mapped[Member] = relationship()
    decision: Mapped[ConsentDecision] = relationship()
