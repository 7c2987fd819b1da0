"""The review clock: since when a version waits, and how long the plan usually takes."""

import math
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps.models import AppReview
from service.clock import now

_LAST, _FEWEST = 50, 3
_DAY = 86_400


@dataclass(frozen=True)
class ReviewClock:
    """What a waiting developer is told. `usual_days` is the median of what was decided last; None for too few."""

    waits_since: datetime
    days_so_far: int
    usual_days: int | None


def read(session: Session, review: AppReview) -> ReviewClock | None:
    """The clock of a version that waits; None for one that does not."""
    if review.submitted_at is None or review.decided_at is not None:
        return None
    return ReviewClock(review.submitted_at, (now() - review.submitted_at).days, usual_days(session))


def usual_days(session: Session) -> int | None:
    """How many days a decision takes, begun days counted as whole."""
    decided = (AppReview.submitted_at.is_not(None), AppReview.decided_at.is_not(None))
    spans = select(AppReview.submitted_at, AppReview.decided_at).where(*decided)
    rows = session.execute(spans.order_by(AppReview.decided_at.desc()).limit(_LAST)).all()
    if len(rows) < _FEWEST:
        return None
    spent = median((end - begin).total_seconds() for begin, end in rows if begin and end)
    return max(1, math.ceil(spent / _DAY))
