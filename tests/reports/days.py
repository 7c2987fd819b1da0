"""Days for tests of the reports: the clock goes to a time of day of the plan, and events are written there."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from service import audit
from service.clock import now
from service.settings import Settings
from tests.conftest import MovableClock


def go_to(clock: MovableClock, settings: Settings, at: str, days: int = 0) -> None:
    """Move to the time of day "HH:MM" of the plan, so many days from today on; never back."""
    zone = settings.plan.timezone
    local = now().astimezone(zone)
    wanted = datetime.combine(local.date() + timedelta(days=days), time.fromisoformat(at), zone).astimezone(UTC)
    clock.advance((wanted - now()).total_seconds())


def read(session: Session, member_id: str, grant_id: str | None, **given: Any) -> None:
    """An app reads under a grant, now."""
    values: dict[str, Any] = {
        "client_id": "porch", "resource_type": "ExplanationOfBenefit", "count": 3, "member_id": member_id,
        "grant_id": grant_id,
    } | given  # fmt: skip
    audit.record(session, "fhir:ExplanationOfBenefit:search", **values)
