"""The audit row of a page that lists members by name: queues, protected records (security.md 166)."""

from collections.abc import Iterable

from service import audit
from service.staff.gate import current_staff
from service.web import db_session


def record(what: str, ids: Iterable[str | None]) -> None:
    """Tell that a list (`what`, such as `protected_record`) named members: by their ids, or those of what names them.

    None stands for somebody whom nobody has found on the roster yet. A list that names nobody tells nothing.
    """
    named = list(ids)
    if named:
        audit.record(
            db_session(), f"staff:{what}:list", account_id=current_staff().account_id, count=len(named),
            detail={"listed": sorted({one for one in named if one is not None})},
        )  # fmt: skip
