"""Patient Access usage: what is a transfer and a session, to which day and plan it belongs, whom it counts once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session, sessionmaker

from service.audit import Outcome
from service.clock import now
from service.plan.models import Member
from service.reports import patient_access_usage, transfers
from service.reports.models import ApiTransfer
from service.reports.patient_access_usage import UsageReport, UsageRow
from service.settings import Settings
from tests.conftest import MovableClock
from tests.factories import make_member
from tests.reports.days import go_to, read


@pytest.fixture
def members(session: Session) -> list[Member]:
    lines = ("HMO", "HMO", "PPO")
    found = [make_member(session, line_of_business=line) for line in lines]
    session.commit()
    return found


def count(session: Session, settings: Settings) -> int:
    session.commit()
    return transfers.count_finished_days(sessionmaker(session.get_bind()), settings)


def numbers(made: UsageReport) -> dict[str | None, tuple[int, int, int]]:
    return {row.plan_unit: (row.members, row.more_than_once, row.by_request) for row in (*made.rows, made.total)}


def year_of(settings: Settings, clock_back: timedelta = timedelta(days=1)) -> int:
    return (now() - clock_back).astimezone(settings.plan.timezone).year


def transfers_of(session: Session) -> list[tuple[Any, ...]]:
    columns = (ApiTransfer.grant_id, ApiTransfer.events, ApiTransfer.sessions, ApiTransfer.resources)
    return sorted(tuple(row) for row in session.execute(select(*columns)))


def test_reads_closer_than_half_an_hour_are_one_session(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    for minutes in (0, 10, 29, 31, 5):
        clock.advance(60 * minutes)
        read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)

    assert count(session, settings) >= 1

    assert transfers_of(session) == [("grant-1", 5, 2, 15)]


def test_only_answers_with_data_of_a_member_under_a_grant_count(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    member = members[0].id
    read(session, member, "empty", count=0)
    read(session, member, "refused", outcome=Outcome.REFUSED)
    read(session, member, "shared", resource_type="Practitioner")
    read(session, member, None)
    read(session, member, "good", count=1)
    go_to(clock, settings, "12:00", days=1)

    count(session, settings)

    assert transfers_of(session) == [("good", 1, 1, 1)]


def test_a_session_over_midnight_belongs_to_the_day_it_began_and_counts_once(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "23:50", days=1)
    read(session, members[0].id, "grant-1")
    clock.advance(1_200)
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)

    count(session, settings)

    assert transfers_of(session) == [("grant-1", 1, 0, 3), ("grant-1", 1, 1, 3)]


def test_a_day_is_counted_once_however_often_the_job_runs_and_today_never(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    read(session, members[0].id, "grant-1")
    assert count(session, settings) == 0 and not transfers_of(session)
    go_to(clock, settings, "00:30", days=1)
    read(session, members[0].id, "grant-2")
    assert count(session, settings) == 0, "a request of last night may still be writing"
    go_to(clock, settings, "01:30")

    assert [count(session, settings) for _ in range(3)] == [1, 0, 0]
    assert [row[0] for row in transfers_of(session)] == ["grant-1"]
    go_to(clock, settings, "12:00", days=2)

    assert count(session, settings) == 2
    assert [row[0] for row in transfers_of(session)] == ["grant-1", "grant-2"]


def test_members_count_once_by_line_of_business_and_all_together(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    first, second, third = (member.id for member in members)
    go_to(clock, settings, "09:00", days=1)
    read(session, first, "grant-1")
    read(session, first, "grant-1b", client_id="other")
    read(session, second, "grant-2")
    read(session, second, "grant-2")
    read(session, third, "grant-3")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)

    made = patient_access_usage.report(session, year_of(settings))

    assert numbers(made) == {"HMO": (2, 1, 2), "PPO": (1, 0, 0), None: (3, 1, 2)}
    assert made.complete_through == (now() - timedelta(days=1)).astimezone(settings.plan.timezone).date()
    assert not patient_access_usage.report(session, made.year - 1).total.members


def test_a_change_of_plan_leaves_the_days_before_it_where_they_were(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)
    members[0].line_of_business = "PPO"
    session.commit()
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)

    found = [row.plan_unit for row in session.scalars(select(ApiTransfer).order_by(ApiTransfer.day))]
    assert found == ["HMO", "PPO"]


def test_two_records_of_one_person_count_as_one_after_they_are_merged(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    for number, member in enumerate(members):
        read(session, member.id, f"grant-{number}")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)
    # The third became part of the second, which became part of the first.
    members[2].merged_into_id, members[1].merged_into_id = members[1].id, members[0].id
    session.commit()

    assert numbers(patient_access_usage.report(session, year_of(settings)))[None] == (1, 1, 1)
    members[1].merged_into_id = None
    session.commit()
    assert numbers(patient_access_usage.report(session, year_of(settings)))[None] == (2, 1, 1)


def test_small_numbers_are_not_published(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)
    made = patient_access_usage.report(session, year_of(settings))

    exact = patient_access_usage.as_csv(made).splitlines()
    public = patient_access_usage.as_csv(made, public=True).splitlines()

    assert exact[1].split(",")[:4] == [str(made.year), "HMO", "1", "0"]
    assert public[1].split(",")[:4] == [str(made.year), "HMO", "<11", "0"]
    assert exact[-1].split(",")[1] == "(all)" and exact[-1].endswith(patient_access_usage.QUERY_VERSION)


def test_no_small_number_can_be_worked_out_of_what_is_published() -> None:
    rows = [UsageRow("DSNP", 40, 12, 12), UsageRow("HMO", 90, 30, 30), UsageRow("PPO", 5, 0, 0)]
    made = UsageReport(2026, rows, UsageRow(None, 135, 42, 42), None, now())

    public = [line.split(",")[1:5] for line in patient_access_usage.as_csv(made, public=True).splitlines()[1:]]

    assert public == [
        ["DSNP", "*", "12", "12"], ["HMO", "90", "30", "30"], ["PPO", "<11", "0", "0"], ["(all)", "135", "42", "42"],
    ]  # fmt: skip
    assert "DSNP,40,12,12" in patient_access_usage.as_csv(made)


def test_what_was_counted_cannot_be_changed(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)

    for statement in ("UPDATE api_transfer SET events = 9", "DELETE FROM api_transfer"):
        with pytest.raises(DatabaseError, match="append-only"):
            session.execute(text(statement))
        session.rollback()
