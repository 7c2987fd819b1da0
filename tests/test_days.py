"""Days and moments have one form, whoever reads them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from service import days

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(("language", "told"), [("en", "Nov 26, 2026"), ("es", "26 nov 2026")])
def test_a_day_names_its_month(language: str, told: str) -> None:
    assert days.in_words(date(2026, 11, 26), language) == told


def test_a_moment_is_told_where_the_plan_is_with_the_time_zone_s_name() -> None:
    summer, winter = (datetime(2026, month, 1, 1, 30, tzinfo=UTC) for month in (7, 1))
    assert days.moment_in_words(summer, NEW_YORK) == "Jun 30, 2026, 9:30 PM EDT"
    assert days.moment_in_words(winter, NEW_YORK, "es") == "31 dic 2025, 8:30 p.m. EST"
    assert days.day_in_words(summer, NEW_YORK) == "Jun 30, 2026"


@pytest.mark.parametrize(("hour", "read"), [(0, 12), (1, 1), (12, 12), (13, 1), (23, 11)])
def test_hours_are_read_on_a_clock_of_twelve_there(hour: int, read: int) -> None:
    assert days.hour_read(datetime(2026, 1, 15, hour, 5, tzinfo=NEW_YORK).astimezone(UTC), NEW_YORK) == read
