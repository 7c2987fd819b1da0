"""Grants: one for each account, member and app; a new answer changes it, and takes away only what it was about."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent import decisions, grant_terms, grants, subjects
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


WIDE, NARROW = "openid patient/*.rs", "openid patient/Immunization.rs"
AWAY = "offline_access patient/*.rs"


@pytest.mark.parametrize(
    ("standing", "lasting", "asked", "chosen"),
    [
        (WIDE, Duration.THREE_MONTHS, NARROW, {"sensitive": frozenset({"hiv"}), "duration": Duration.THREE_MONTHS}),
        (WIDE, Duration.THREE_MONTHS, NARROW, {"duration": Duration.THIRTEEN_MONTHS}),
        (WIDE, Duration.ONCE, NARROW, {"duration": Duration.ONCE}),
        (WIDE, Duration.THIRTEEN_MONTHS, f"{NARROW} offline_access", {}),
        ("patient/Coverage.rs", Duration.THIRTEEN_MONTHS, NARROW, {"duration": Duration.THREE_MONTHS}),
        ("patient/Coverage.rs", Duration.THIRTEEN_MONTHS, NARROW, {"duration": Duration.ONCE}),
        ("offline_access patient/Coverage.rs", Duration.THIRTEEN_MONTHS, NARROW, {}),
    ],
    ids=["topic", "longer", "once over once", "away", "shorter for new data", "once for new data", "new data, away"],
)
def test_what_an_answer_was_not_about_ends_where_it_would_go_on_by_other_terms(
    table: Table, clock: MovableClock, standing: str, lasting: Duration, asked: str, chosen: dict[str, Any]
) -> None:
    first = table.allow(standing, duration=lasting)
    clock.advance(60)
    given = table.allow(asked, **chosen)
    assert given is first and given.version == 2, "tokens for more end in this transaction"
    assert parse(given.scopes).types == {"Immunization"}
    assert set(given.sensitive_classes) == chosen.get("sensitive", set())
    assert given.duration is chosen.get("duration", Duration.THIRTEEN_MONTHS)
    assert given.expires_at == grant_terms.of_answer(given.decision).expires_at
    assert given.offline is ("offline_access" in asked)


@pytest.mark.parametrize("duration", Duration)
@pytest.mark.parametrize("asked", [NARROW, f"{NARROW} offline_access"])
def test_an_answer_within_what_stands_leaves_its_end_and_its_return(
    table: Table, clock: MovableClock, asked: str, duration: Duration
) -> None:
    first = table.allow(AWAY)
    ends = first.expires_at
    clock.advance(86_400)
    given = table.allow(asked, duration=duration)
    assert (given.expires_at, given.duration, given.version) == (ends, Duration.THIRTEEN_MONTHS, 1)
    assert given.offline and parse(AWAY).within(parse(given.scopes))


def test_new_data_ends_with_what_stands_beside_it(table: Table, clock: MovableClock) -> None:
    ends = table.allow("patient/Coverage.rs").expires_at
    clock.advance(86_400)
    given = table.allow(NARROW)
    assert given.expires_at == ends and parse(given.scopes).types == {"Coverage", "Immunization"}


def test_a_topic_left_unticked_goes_from_all_and_one_without_a_box_stays(table: Table) -> None:
    table.allow(WIDE, sensitive=frozenset({"hiv", "genetic"}))
    without_box = table.allow("patient/Coverage.rs")
    assert without_box.sensitive_classes == ["genetic", "hiv"] and without_box.version == 1
    unticked = table.allow(NARROW, sensitive=frozenset({"genetic"}))
    assert unticked.sensitive_classes == ["genetic"] and "*" in parse(unticked.scopes).types
    assert unticked.version == 2


def test_a_new_answer_about_all_of_it_begins_its_own_time(table: Table, clock: MovableClock) -> None:
    table.allow(WIDE, duration=Duration.THREE_MONTHS)
    clock.advance(86_400)
    for duration in (Duration.THIRTEEN_MONTHS, Duration.THREE_MONTHS, Duration.ONCE):
        given = table.allow(WIDE, sensitive=frozenset({"hiv"}), duration=duration)
        assert given.expires_at == grant_terms.of_answer(given.decision).expires_at
        assert (given.duration, given.sensitive_classes) == (duration, ["hiv"])


def test_only_this_time_is_never_while_away(table: Table) -> None:
    table.allow("openid offline_access patient/*.rs")
    assert not table.allow("patient/*.rs", duration=Duration.ONCE).offline
    table.allow("openid offline_access patient/*.rs")
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


def test_an_ask_is_agreed_only_as_far_as_it_was_granted(table: Table) -> None:
    given = table.allow("openid patient/Coverage.rs patient/Observation.rs", "openid patient/Coverage.rs")
    refused = parse("openid patient/Observation.rs")
    assert grants.already_agreed(given, parse("openid patient/Coverage.rs"), None)
    assert not grants.already_agreed(given, refused, None) and grants.already_answered(given, refused, None)
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
