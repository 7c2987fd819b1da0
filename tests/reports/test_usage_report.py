"""Patient Access usage: what is a transfer and a session, to which day and plan it belongs, whom it counts once."""

from dataclasses import astuple
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session, sessionmaker

from service.audit import Outcome
from service.clock import now
from service.plan.members import roster
from service.plan.models import FormerUnit, Member
from service.reports import patient_access_usage, transfers
from service.reports.models import ApiTransfer
from service.reports.patient_access_usage import UsageReport
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


def numbers(made: UsageReport) -> dict[str, tuple[int, int, int]]:
    """By "line unit", "line" and "all": members, more than once by sessions and by requests."""
    units = {f"{line.name} {unit.name}": astuple(unit.numbers) for line in made.lines for unit in line.units}
    return units | {line.name: astuple(line.total) for line in made.lines} | {"all": astuple(made.total)}


def tell(session: Session, member: Member, **told: str) -> None:
    """The roster's file says this of the member."""
    line = {
        "patient": member.patient_id, "member_id": member.member_number, "given": member.given_name,
        "family": member.family_name, "birth_date": member.birth_date.isoformat(),
    }  # fmt: skip
    summary = roster.load(session, [line | told])
    assert not summary.problems and not summary.added
    session.commit()


def units_by_day(session: Session) -> list[tuple[str, str | None]]:
    rows = session.scalars(select(ApiTransfer).order_by(ApiTransfer.day)).all()
    assert all(earlier.day < later.day for earlier, later in pairwise(rows))
    return [(row.line_of_business, row.report_unit) for row in rows]


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

    assert numbers(made) == {
        "HMO (none)": (2, 1, 2), "HMO": (2, 1, 2), "PPO (none)": (1, 0, 0), "PPO": (1, 0, 0), "all": (3, 1, 2),
    }  # fmt: skip
    assert made.complete_through == (now() - timedelta(days=1)).astimezone(settings.plan.timezone).date()
    assert not patient_access_usage.report(session, made.year - 1).total.members


def test_a_change_of_plan_leaves_the_days_before_it_where_they_were(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)
    tell(session, members[0], line_of_business="PPO")
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)

    assert units_by_day(session) == [("HMO", ""), ("PPO", "")]


def test_who_changed_the_contract_counts_once_in_each_and_once_in_all(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    changes, stays, _ = members
    for member in (changes, stays):
        tell(session, member, report_unit="h1234")
    today = now().astimezone(settings.plan.timezone).date()
    go_to(clock, settings, "09:00", days=(today.replace(year=today.year + 1, month=6, day=1) - today).days)
    for member in (changes, stays):
        read(session, member.id, f"grant-{member.id[:8]}")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)
    tell(session, changes, report_unit="H5678")
    read(session, changes.id, "grant-new")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)

    assert numbers(patient_access_usage.report(session, today.year + 1)) == {
        "HMO H1234": (2, 0, 0), "HMO H5678": (1, 0, 0), "HMO": (2, 1, 1), "all": (2, 1, 1),
    }  # fmt: skip


def test_days_that_are_counted_late_are_reported_under_what_held_as_they_ended(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    member, other, _ = members
    tell(session, member, report_unit="H1")
    for unit in ("", "H2", "", "H4"):
        go_to(clock, settings, "09:00", days=1)
        read(session, member.id, "grant-1")
        if unit == "H2":
            tell(session, member, report_unit="H-IN-BETWEEN")
            tell(session, other, report_unit="H9")
        tell(session, member, report_unit=unit)
    tell(session, member, line_of_business="PPO", report_unit="H5")
    go_to(clock, settings, "09:00", days=1)
    tell(session, member, report_unit="H6")

    assert count(session, settings) == 4, "the worker was down"

    assert units_by_day(session) == [("HMO", "H1"), ("HMO", "H2"), ("HMO", "H2"), ("PPO", "H5")]
    kept = [(row.line_of_business, row.report_unit) for row in session.scalars(select(FormerUnit))]
    assert kept == [("PPO", "H5")], "that of today is needed tonight; no other is"


def test_what_changes_at_midnight_belongs_to_the_day_that_begins(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    read(session, members[0].id, "grant-1")
    day = now().astimezone(settings.plan.timezone).date()
    members[0].report_unit = "H2"
    _, end = transfers.bounds(day, settings.plan.timezone)
    session.add(FormerUnit(member_id=members[0].id, until=end, line_of_business="HMO", report_unit="H1"))
    go_to(clock, settings, "12:00", days=1)

    count(session, settings)

    assert units_by_day(session) == [("HMO", "H1")]


def test_a_unit_that_is_told_for_the_first_time_is_that_of_the_days_not_counted_yet(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    read(session, members[0].id, "grant-1")
    go_to(clock, settings, "12:00", days=1)
    tell(session, members[0], report_unit="H1234")

    count(session, settings)

    assert units_by_day(session) == [("HMO", "H1234")]
    assert not session.scalars(select(FormerUnit)).all(), "nothing was replaced"


def test_days_that_were_counted_before_units_were_kept_are_told_apart(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    go_to(clock, settings, "09:00", days=1)
    today = now().astimezone(settings.plan.timezone).date()
    session.execute(
        text(
            "INSERT INTO api_transfer (day, grant_id, member_id, client_id, plan_unit, events, sessions, resources)"
            " VALUES (:day, 'grant-1', :member, 'porch', 'HMO', 1, 1, 1)"
        ),
        {"day": today, "member": members[0].id},
    )
    read(session, members[1].id, "grant-2")
    tell(session, members[1], report_unit="H1234")
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)

    made = patient_access_usage.report(session, today.year)

    assert [unit.name for unit in made.lines[0].units] == ["H1234", "(not kept)"]
    assert numbers(made)["HMO (not kept)"] == (1, 0, 0) and made.has_days_without_units and not made.lacks_units
    assert ",HMO,(not kept),1,0,0," in patient_access_usage.as_csv(made)


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

    assert numbers(patient_access_usage.report(session, year_of(settings)))["all"] == (1, 1, 1)
    members[1].merged_into_id = None
    session.commit()
    assert numbers(patient_access_usage.report(session, year_of(settings)))["all"] == (2, 1, 1)


def test_records_of_one_person_in_two_contracts_count_once_in_each_and_once_in_all(
    session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    for member, unit in zip(members, ("H1", "H1", "H2"), strict=True):
        tell(session, member, line_of_business="HMO", report_unit=unit)
    go_to(clock, settings, "09:00", days=1)
    for number, member in enumerate(members):
        read(session, member.id, f"grant-{number}")
    # All three are one person from here on; what the merged ones read today stands under their own records.
    members[2].merged_into_id = members[1].merged_into_id = members[0].id
    go_to(clock, settings, "12:00", days=1)
    count(session, settings)

    made = patient_access_usage.report(session, year_of(settings))

    assert numbers(made) == {"HMO H1": (1, 1, 1), "HMO H2": (1, 0, 0), "HMO": (1, 1, 1), "all": (1, 1, 1)}


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

    head = "year,line_of_business,report_unit,members,members_more_than_once,members_more_than_once_by_request"
    assert exact[0] == public[0] == f"{head},complete_through,query_version"
    assert [line.split(",")[1:5] for line in exact[1:]] == [
        ["HMO", "(none)", "1", "0"], ["HMO", "(all)", "1", "0"], ["(all)", "(all)", "1", "0"],
    ]  # fmt: skip
    assert [line.split(",")[1:5] for line in public[1:]] == [
        ["HMO", "(none)", "<11", "0"],
        ["(all)", "(all)", "<11", "0"],
    ]
    assert all(line.startswith(f"{made.year},") and line.endswith(",2026-2") for line in (*exact[1:], *public[1:]))


def test_the_command_gives_the_year_by_unit_and_says_what_is_lacking(
    app: Flask, session: Session, settings: Settings, clock: MovableClock, members: list[Member]
) -> None:
    tell(session, members[0], report_unit="H1234")
    go_to(clock, settings, "09:00", days=1)
    for member in members:
        read(session, member.id, f"grant-{member.id[:8]}")
    session.commit()
    go_to(clock, settings, "12:00", days=1)

    told = app.test_cli_runner().invoke(args=["reports", "usage", "--year", str(year_of(settings))])

    assert told.exit_code == 0, told.output
    assert [line.split(",")[1:4] for line in told.stdout.splitlines()[1:]] == [
        ["HMO", "H1234", "1"], ["HMO", "(none)", "1"], ["HMO", "(all)", "2"], ["PPO", "(none)", "1"],
        ["PPO", "(all)", "1"], ["(all)", "(all)", "3"],
    ]  # fmt: skip
    assert "(none): members of whom the roster named no contract, plan or issuer" in told.stderr
    assert "(not kept)" not in told.stderr


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
