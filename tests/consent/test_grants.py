"""Grants: one for each account, member and app; a new answer changes it, and takes away only what it was about."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent import decisions, grants, subjects
from consent.models import Answer, Duration, EndedBy, Grant, GrantStatus
from consent.representatives import MemberChoice
from consent.scopes import parse
from service.accounts.models import Account
from service.db import make_sessions
from service.settings import Settings
from tests.conftest import MovableClock
from tests.factories import make_account, make_client, make_member


class Table:
    """A member at the consent screen of one app."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self.session = session
        self.member = make_member(session)
        self.account: Account = make_account(session, member=self.member)
        self.choice = MemberChoice(self.member, None)
        self.client_id = make_client(session, settings)

    def allow(self, asked: str, ticked: str | None = None, *, sensitive: frozenset[str] = frozenset(),
              duration: Duration = Duration.THIRTEEN_MONTHS) -> Grant:  # fmt: skip
        chosen = parse(ticked if ticked is not None else asked)
        decision = decisions.record(
            self.session, self.account, self.choice,
            decisions.Asked(self.client_id, 1, parse(asked), "en", "1", {}), answer=Answer.ALLOW,
            chosen=decisions.Chosen(chosen, sensitive, duration, "offline_access" in chosen),
        )  # fmt: skip
        return grants.give(self.session, decision, self.choice)


@pytest.fixture
def table(session: Session, settings: Settings) -> Table:
    return Table(session, settings)


def test_a_second_device_that_asks_for_less_takes_nothing_away(table: Table) -> None:
    first = table.allow("openid offline_access patient/*.rs")
    second = table.allow("openid patient/Coverage.rs")
    assert second is first
    assert second.version == 1
    assert parse("openid offline_access patient/*.rs").within(parse(second.scopes))
    assert second.offline


def test_unticking_what_was_ticked_before_narrows_and_raises_the_version(table: Table) -> None:
    table.allow("patient/Coverage.rs patient/Observation.rs")
    narrowed = table.allow("patient/Coverage.rs patient/Observation.rs", "patient/Coverage.rs")
    assert narrowed.scopes == "patient/Coverage.rs"
    assert narrowed.version == 2


@pytest.mark.parametrize("standing", ["patient/*.rs", "user/*.rs", "patient/Observation.rs", "user/Observation.r"])
@pytest.mark.parametrize("refused", ["patient/Observation.rs", "patient/Observation.rs?category=laboratory"])
def test_what_is_left_unticked_now_is_not_kept_by_a_wider_answer_from_before(
    table: Table, standing: str, refused: str
) -> None:
    table.allow(f"patient/Coverage.rs {standing}")
    narrowed = table.allow(f"patient/Condition.rs {refused}", "patient/Condition.rs")
    assert not parse(narrowed.scopes).permits("Observation", "r")
    assert parse("patient/Condition.rs patient/Coverage.rs").within(parse(narrowed.scopes))
    assert narrowed.version == 2


def test_only_this_time_is_never_while_away(table: Table) -> None:
    table.allow("openid offline_access patient/*.rs")
    assert not table.allow("patient/*.rs", duration=Duration.ONCE).offline
    assert not table.allow("offline_access patient/*.rs", duration=Duration.ONCE).offline


def test_unticking_a_sensitive_class_raises_the_version(table: Table) -> None:
    table.allow("patient/*.rs", sensitive=frozenset({"hiv"}))
    assert table.allow("patient/*.rs").version == 2


def test_asking_for_more_keeps_older_tokens(table: Table) -> None:
    table.allow("patient/Coverage.rs")
    assert table.allow("patient/*.rs").version == 1


@pytest.mark.parametrize(("duration", "days"), [(Duration.THREE_MONTHS, 89), (Duration.THIRTEEN_MONTHS, 394)])
def test_a_grant_ends_by_itself(table: Table, clock: MovableClock, duration: Duration, days: int) -> None:
    given = table.allow("patient/*.rs", duration=duration)
    clock.advance(timedelta(days=days).total_seconds())
    assert grants.is_live(given)
    clock.advance(timedelta(days=5).total_seconds())
    assert not grants.is_live(given)
    assert grants.live_grant(table.session, table.account.id, table.member.id, table.client_id) is None
    again = table.allow("patient/*.rs")
    assert again is not given
    table.session.refresh(given)
    assert (given.status, given.ended_by) == (GrantStatus.EXPIRED, EndedBy.TIME)


def test_revoking_ends_for_good_and_the_next_consent_begins_anew(table: Table) -> None:
    given = table.allow("patient/*.rs")
    grants.revoke(table.session, given, by=EndedBy.MEMBER, account_id=table.account.id)
    assert not grants.is_live(given)
    assert table.allow("patient/*.rs").id != given.id


def test_an_ask_is_agreed_only_as_far_as_it_was_answered(table: Table) -> None:
    given = table.allow("openid patient/Coverage.rs patient/Observation.rs", "openid patient/Coverage.rs")
    assert grants.already_agreed(given, parse("openid patient/Observation.rs"), None)
    assert not grants.already_agreed(given, parse("patient/*.rs"), None)
    assert not grants.already_agreed(given, parse("offline_access patient/Coverage.rs"), None)


def test_one_subject_for_one_account_and_member_even_at_one_moment(engine: Engine, session: Session) -> None:
    member = make_member(session)
    account = make_account(session, member=member)
    session.commit()
    sessions, barrier = make_sessions(engine), Barrier(4)

    def ask(_number: int) -> str:
        barrier.wait()
        with sessions.begin() as own:
            return subjects.find_or_make(own, account.id, member.id)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1


def test_two_first_answers_at_one_moment_make_one_grant(engine: Engine, session: Session, settings: Settings) -> None:
    table = Table(session, settings)
    session.commit()
    sessions, barrier = make_sessions(engine), Barrier(4)

    def answer(_number: int) -> str:
        barrier.wait()
        with sessions.begin() as own:
            asked = decisions.Asked(table.client_id, 1, parse("patient/*.rs"), "en", "1", {})
            decision = decisions.record(
                own, table.account, table.choice, asked, answer=Answer.ALLOW, chosen=decisions.Chosen(asked.scopes)
            )
            return grants.give(own, decision, table.choice).id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(answer, range(4)))) == 1
