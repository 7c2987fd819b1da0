"""What an app may do after a yes: what was answered now and, beside it, what the answer was not about.

One grant has one set of scopes, one of very personal topics and one end. What stands undecided goes on just as it was
agreed, or it goes: an answer opens nothing of it that its page did not show (decision 163).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dateutil.relativedelta import relativedelta

from consent import data_types
from consent.models import ConsentDecision, Duration, Grant
from consent.scopes import Scope, ScopeSet, parse

ONCE = timedelta(hours=1, minutes=1)
"""A grant for once lives for the code (60 s) and one access token (3,600 s)."""
RETURNING = ("online_access", "offline_access")
"""Words by which an app comes back by itself, the weaker one first."""
_LENGTHS = list(Duration)


@dataclass(frozen=True)
class Terms:
    """Scopes, very personal topics, for how long it was chosen, and the first moment at which it is over."""

    scopes: ScopeSet
    sensitive_classes: frozenset[str]
    duration: Duration
    expires_at: datetime

    @property
    def offline(self) -> bool:
        """Whether the app may read while the person is away."""
        return "offline_access" in self.scopes


def of_answer(decision: ConsentDecision) -> Terms:
    """What a yes allows by itself."""
    scopes = parse(decision.granted_scopes)
    # "This time only" means no refresh token (architecture.md section 7.7).
    is_once = decision.duration is Duration.ONCE
    refused = RETURNING if is_once else () if decision.offline else ("offline_access",)
    return Terms(
        scopes.without(*refused),
        frozenset(decision.sensitive_classes),
        decision.duration,
        _end_of(decision.duration, decision.at),
    )


def after(standing: Grant, decision: ConsentDecision) -> Terms:
    """What a standing grant allows once a yes is given beside or over it."""
    before, answer = _as_it_stands(standing), of_answer(decision)
    undecided = _undecided(before, answer, parse(decision.asked_scopes))
    if not _goes_on(undecided, before, answer):
        # Who somebody is goes on being told; that opens no record.
        return replace(answer, scopes=answer.scopes.joined(_words_alone(undecided)))
    topics = answer.sensitive_classes
    if not data_types.sensitive_matter(parse(decision.asked_scopes)):
        # The page had no box for them.
        topics = before.sensitive_classes
    return replace(before, scopes=answer.scopes.joined(undecided), sensitive_classes=topics)


def undecided_by(standing: Grant, asked: ScopeSet) -> ScopeSet:
    """The data that a grant allows and that an answer to `asked` would not be about."""
    return ScopeSet(_outside(parse(standing.scopes), asked))


def _as_it_stands(grant: Grant) -> Terms:
    scopes = parse(grant.scopes)
    agreed = scopes if grant.offline else scopes.without("offline_access")
    return Terms(agreed, frozenset(grant.sensitive_classes), grant.duration, grant.expires_at)


def _undecided(before: Terms, answer: Terms, asked: ScopeSet) -> ScopeSet:
    """What stands and this answer is not about: a second phone that asks for less takes nothing from the first.

    A standing scope that reaches into something left unticked now goes as a whole: a no is a no.
    """
    resources = tuple(
        mine for mine in _outside(before.scopes, asked) if not _reaches_refused(mine, asked, answer.scopes)
    )
    words = (word for word in before.scopes.words if word not in asked)
    if answer.duration is Duration.ONCE:
        # Whether it may come back is no question for once; where all data is decided anew, once counts for all of it.
        still = before.scopes if resources else before.scopes.without(*RETURNING)
        words = (word for word in still.words if word not in asked or word in RETURNING)
    return ScopeSet(resources, tuple(words))


def _outside(scopes: ScopeSet, asked: ScopeSet) -> tuple[Scope, ...]:
    return tuple(mine for mine in scopes.resources if not any(mine.within(theirs) for theirs in asked.resources))


def _reaches_refused(mine: Scope, asked: ScopeSet, granted: ScopeSet) -> bool:
    # In whatever context it was asked: `patient/` and `user/` reach the same record.
    common = (mine.meet(replace(one, context=mine.context)) for one in asked.resources)
    allowed = [replace(one, context=mine.context) for one in granted.resources]
    return any(part is not None and not any(part.within(one) for one in allowed) for part in common)


def _goes_on(undecided: ScopeSet, before: Terms, answer: Terms) -> bool:
    """Whether what is undecided goes on as it was agreed, so that neither answer gives more by the other's terms."""
    if not undecided.resources and not _ways_back(undecided):
        return False
    is_longer = _LENGTHS.index(answer.duration) > _LENGTHS.index(before.duration)
    # What was let in once does not shorten what is agreed to now: it is over within the hour.
    if is_longer or before.duration is Duration.ONCE:
        return False
    if not answer.sensitive_classes <= before.sensitive_classes:
        return False
    if not _ways_back(answer.scopes) <= _ways_back(before.scopes):
        return False
    adds_data = not ScopeSet(answer.scopes.resources).within(before.scopes)
    lasts_too_long = before.expires_at > answer.expires_at or not _ways_back(undecided) <= _ways_back(answer.scopes)
    return not (adds_data and lasts_too_long)


def _ways_back(scopes: ScopeSet) -> frozenset[str]:
    """How the app may come back by itself: who may while one is away may while one is signed in."""
    if "offline_access" in scopes:
        return frozenset(RETURNING)
    return frozenset(RETURNING) & frozenset(scopes.words)


def _words_alone(scopes: ScopeSet) -> ScopeSet:
    return replace(scopes, resources=()).without(*RETURNING)


def _end_of(duration: Duration, start: datetime) -> datetime:
    ends = {
        Duration.ONCE: start + ONCE,
        Duration.THREE_MONTHS: start + relativedelta(months=3),
        Duration.THIRTEEN_MONTHS: start + relativedelta(months=13),
    }
    return ends[duration]
