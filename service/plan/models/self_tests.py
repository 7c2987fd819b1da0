"""Runs of the conformance self-test."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from service.clock import now
from service.db import Base, Instant, new_id
from service.single_use import SpentOnce


class SelfTestRun(SpentOnce, Base):
    """A run that was asked for. `spent_at` is when a worker took it; `report` is what `Report.as_json` gave."""

    __tablename__ = "self_test_run"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    asked_by_account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    asked_at: Mapped[datetime] = mapped_column(Instant, default=now, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    problem: Mapped[str] = mapped_column(String(300), default="")
    """Why there is no report, in a sentence."""
