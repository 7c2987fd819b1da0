"""What of the usage report is published: no small number in it, and none that can be worked out of it."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, product

import pytest

from service.clock import now
from service.reports import patient_access_usage
from service.reports.patient_access_usage import FEWEST_PUBLIC, Numbers, UsageLine, UsageReport, UsageUnit

LARGEST = 40


def report(lines: dict[str, dict[str, tuple[int, int, int]]], total: tuple[int, int, int]) -> UsageReport:
    """A report of these numbers, by line of business and unit; nobody is in two units."""
    made = [
        UsageLine(
            line, [UsageUnit(unit, Numbers(*of)) for unit, of in units.items()],
            Numbers(*(sum(column) for column in zip(*units.values(), strict=True))),
        )
        for line, units in lines.items()
    ]  # fmt: skip
    return UsageReport(2026, made, Numbers(*total), None, now())


def published(made: UsageReport) -> list[list[str]]:
    return [line.split(",")[1:6] for line in patient_access_usage.as_csv(made, public=True).splitlines()[1:]]


def test_what_a_small_number_could_be_worked_out_of_is_not_published() -> None:
    made = report(
        {"Medicare": {"H1": (40, 12, 12), "H2": (90, 30, 30)}, "QHP": {"77001": (5, 0, 0)}}, (135, 42, 42)
    )  # fmt: skip

    assert published(made) == [
        ["Medicare", "H1", "*", "12", "12"], ["Medicare", "H2", "90", "30", "30"], ["QHP", "77001", "<11", "0", "0"],
        ["(all)", "(all)", "135", "42", "42"],
    ]  # fmt: skip
    assert "Medicare,H1,40,12,12" in patient_access_usage.as_csv(made)


def test_no_sum_of_a_line_of_business_gives_its_unit_away() -> None:
    made = report({"Medicare": {"H1": (40, 0, 0), "H2": (5, 0, 0)}, "QHP": {"77001": (7, 0, 0)}}, (52, 0, 0))

    assert ["Medicare", "(all)", "45", "0", "0"] not in published(made)
    assert [row[2] for row in published(made)] == ["40", "<11", "<11", "52"]
    assert "Medicare,(all),45,0,0" in patient_access_usage.as_csv(made)


@pytest.mark.parametrize(("small", "large"), [((40, 10, 10), (30, 30, 30)), ((12, 10, 10), (15, 15, 15))])
def test_the_numbers_beside_it_do_not_give_a_small_one_away(
    small: tuple[int, int, int], large: tuple[int, int, int]
) -> None:
    """Of the second unit no more than its members asked twice: what is left of the sum would be the first one's."""
    together = tuple(map(sum, zip(small, large, strict=True)))
    rows = published(report({"Medicare": {"H1": small, "H2": large}}, (together[0], together[1], together[2])))

    assert [row[3:] for row in rows] == [["<11", "<11"], ["*", "*"], ["*", "*"]]


def choices(cells: Sequence[str]) -> Iterator[range]:
    """What each number may be for who reads these cells, and knows by which rule they are left out."""
    told = [int(cell) for cell in cells if cell.isdigit() and int(cell) >= FEWEST_PUBLIC]
    for cell in cells:
        match cell:
            case "*":
                yield range(FEWEST_PUBLIC, min(told, default=LARGEST) + 1)
            case _ if cell.startswith("<"):
                yield range(1, FEWEST_PUBLIC)
            case _:
                yield range(int(cell), int(cell) + 1)


@pytest.mark.parametrize("many", [1, 2, 3, 4])
def test_of_every_small_number_two_values_at_least_are_possible(many: int) -> None:
    for of in combinations_with_replacement((0, 1, 2, 9, 10, 11, 12, 20), many):
        units = {f"H{place}": (number, 0, 0) for place, number in enumerate(of)}
        cells = [row[2] for row in published(report({"Medicare": units}, (sum(of), 0, 0)))]
        assert all(not 0 < int(cell) < FEWEST_PUBLIC for cell in cells if cell.isdigit()), of
        *each, total = cells
        if not total.isdigit():
            continue
        possible = [found for found in product(*choices(each)) if sum(found) == int(total)]
        assert of in possible, of
        for place, cell in enumerate(each):
            values = {found[place] for found in possible}
            assert not cell.startswith("<") or len(values) > 1, (of, cells)
