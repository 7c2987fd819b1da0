"""Acts of plan staff that take effect only when a second person says yes (four eyes, security.md 145)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id, words
from service.single_use import SpentOnce


class ActKind(StrEnum):
    """The acts one person cannot do alone."""

    DELEGATE_REPLACEMENT = "delegate_replacement"
    APP_APPROVAL = "app_approval"
    REPRESENTATIVE_LINK = "representative_link"
    MEMBER_FACTOR_RESET = "member_factor_reset"
    LOGIN_FACTOR_RESET = "login_factor_reset"
    DEVELOPER_FACTOR_RESET = "developer_factor_reset"
    STAFF_FACTOR_RESET = "staff_factor_reset"
    PLAN_EDITION = "plan_edition"
    PAUSE_LIFT = "pause_lift"
    STAFF_ROLES = "staff_roles"
    PROGRAM_REGISTRATION = "program_registration"
    PROGRAM_CREDENTIALS = "program_credentials"
    AUDIT_PURGE = "audit_purge"


class PendingAct(SpentOnce, Base):
    """An act that was asked for. `spent_at` is when it was decided; `content` holds what it is about and its diff.

    `content["changes"]` is a list of {"what", "before", "after"} in words, as the approver reads them. What a command
    asked for is no account's; `content["operator"]` is who ran it.
    """

    __tablename__ = "pending_act"
    __table_args__ = (Index("ix_pending_act_kind_subject_id", "kind", "subject_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[ActKind] = mapped_column(words(ActKind))
    subject_id: Mapped[str] = mapped_column(String(36))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(500), default="")
    asked_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    asked_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    approved: Mapped[bool | None] = mapped_column(Boolean)
    decided_by_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    decision_reason: Mapped[str] = mapped_column(String(500), default="")
