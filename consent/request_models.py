"""Tables of requests that somebody act for a member: what was asked, with which evidence, and what became of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Boolean, Date, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from consent.models import Basis, LinkScope, PersonalRepresentative, RepresentativeLink
from service.accounts.models import Account
from service.clock import now
from service.db import Base, Instant, new_id, words
from service.plan.models import Member


class RequestChannel(StrEnum):
    """How a request came."""

    ONLINE = "online"
    PAPER = "paper"


class RequestState(StrEnum):
    """Where a request stands; the first two are open."""

    WAITING = "waiting"
    """For the plan."""
    ASKED_BACK = "asked_back"
    """For an answer of whoever asked."""
    LINKED = "linked"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class RefusalReason(StrEnum):
    """Why a request is refused."""

    EVIDENCE = "evidence"
    NOT_MATCHED = "not_matched"
    NOT_COVERED = "not_covered"
    NO_ANSWER = "no_answer"
    PROTECTION = "protection"
    """45 CFR 164.502(g)(5): whoever asked reads neutral words only."""


class RequestStep(StrEnum):
    """What happened to a request."""

    SUBMITTED = "submitted"
    MATCHED = "matched"
    CHECKED = "checked"
    ASKED = "asked"
    ANSWERED = "answered"
    PROPOSED = "proposed"
    LINKED = "linked"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class RepresentativeRequest(Base):
    """One Request for Access to Protected Health Information: who is to act for whom, why, for how much, how long.

    Both people stand in it as they were typed; `member_id` is whom that is on the roster, None where nobody fits.
    `for_oneself`: the member asked. `valid_until` is the last day that is asked for.
    """

    __tablename__ = "representative_request"
    __table_args__ = (Index("ix_representative_request_state_asked_at", "state", "asked_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    state: Mapped[RequestState] = mapped_column(words(RequestState), default=RequestState.WAITING)
    channel: Mapped[RequestChannel] = mapped_column(words(RequestChannel))
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"), index=True)
    """Who asked on-line; None for paper."""
    entered_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    """Who of the plan entered a paper form."""
    for_oneself: Mapped[bool] = mapped_column(Boolean)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100))
    birth_date: Mapped[date] = mapped_column(Date)
    number: Mapped[str] = mapped_column(String(40), default="")
    """The representative's member ID or Personal Representative ID, where they have one."""
    address_line: Mapped[str] = mapped_column(String(200), default="")
    city: Mapped[str] = mapped_column(String(100), default="")
    state_code: Mapped[str] = mapped_column(String(40), default="")
    zip_code: Mapped[str] = mapped_column(String(10), default="")
    member_number: Mapped[str] = mapped_column(String(40))
    member_family_name: Mapped[str] = mapped_column(String(100))
    member_birth_date: Mapped[date] = mapped_column(Date)
    member_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"), index=True)
    basis: Mapped[Basis] = mapped_column(words(Basis))
    scope: Mapped[LinkScope] = mapped_column(words(LinkScope))
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    explanation: Mapped[str] = mapped_column(String(1000), default="")
    checks: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """The check-list as answered: key -> account id of who found it so."""
    asked_at: Mapped[datetime] = mapped_column(Instant, default=now)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    refusal: Mapped[RefusalReason | None] = mapped_column(words(RefusalReason))
    representative_id: Mapped[str | None] = mapped_column(ForeignKey("personal_representative.id"))
    link_id: Mapped[str | None] = mapped_column(ForeignKey("representative_link.id"))
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Rises with every change, so that nobody decides what they have not seen."""

    account: Mapped[Account | None] = relationship(foreign_keys=[account_id], lazy="joined")
    member: Mapped[Member | None] = relationship(lazy="joined")
    representative: Mapped[PersonalRepresentative | None] = relationship()
    link: Mapped[RepresentativeLink | None] = relationship()

    @property
    def full_name(self) -> str:
        """Given and family name of whoever is to act."""
        return f"{self.given_name} {self.family_name}"

    @property
    def is_open(self) -> bool:
        """Whether somebody still owes something."""
        return self.state in (RequestState.WAITING, RequestState.ASKED_BACK)


class RepresentativeRequestEvent(Base):
    """One step of a request. `words` are read by both sides, except those of checks and proposals."""

    __tablename__ = "representative_request_event"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    request_id: Mapped[str] = mapped_column(ForeignKey("representative_request.id"), index=True)
    at: Mapped[datetime] = mapped_column(Instant, default=now)
    step: Mapped[RequestStep] = mapped_column(words(RequestStep))
    words: Mapped[str] = mapped_column(String(2000), default="")
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    from_plan: Mapped[bool] = mapped_column(Boolean)


class RepresentativeEvidence(Base):
    """A file that proves authority, kept as bytes and never interpreted (decision 31), six years at least."""

    __tablename__ = "representative_evidence"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    request_id: Mapped[str] = mapped_column(ForeignKey("representative_request.id"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(Integer)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    added_at: Mapped[datetime] = mapped_column(Instant, default=now)
    added_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
