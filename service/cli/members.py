"""`flask members`: the plan's roster."""

from pathlib import Path

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import childhood
from consent.policy import plan_system
from fhir.merges import merging
from fhir.merges.merging import Moved
from service.cli.completing import complete_roster
from service.plan.members import roster
from service.plan.models import Member
from service.web import latchstring

group = AppGroup("members")


@group.command("load")
@click.argument("csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(csv: Path) -> None:
    """Load the roster of a CSV file; good lines are kept, bad ones told by line.

    A column that the file does not have says nothing, and a blank neither: what is known stays. Only a blank
    deceased_on takes a death back, and a blank subscriber_id makes the member their own subscriber.
    """
    try:
        with latchstring().sessions.begin() as session:
            summary = roster.load_csv(session, csv)
            childhood.follow_birth_dates(session, summary.born_otherwise, latchstring().settings.plan.timezone)
    except roster.UnreadableRoster as unreadable:
        raise click.ClickException(f"{csv.name} is no roster: {unreadable}.") from None
    for problem in summary.problems:
        click.echo(f"{csv.name}, line {problem.line}: {problem.why}", err=True)
    click.echo(f"{summary.added} added, {summary.changed} changed, {summary.unchanged} unchanged.")
    if summary.deaths_taken_back:
        click.echo(f"{summary.deaths_taken_back} deaths taken back: their deceased_on was blank.")
    if summary.unread_columns:
        click.echo(
            f"{csv.name}: columns that a roster does not have were left out: {', '.join(summary.unread_columns)}."
        )
    complete_roster()
    if summary.problems:
        raise click.exceptions.Exit(1)


@group.command("merge")
@click.argument("merged")
@click.argument("survivor")
@click.option("--reason", required=True, help="Why, for the audit stream.")
@click.option("--move-account", is_flag=True, help="The account of the merged member goes with the record.")
def merge(merged: str, survivor: str, reason: str, move_account: bool) -> None:
    """Make the record of member number MERGED part of that of SURVIVOR: they are one person."""
    try:
        with latchstring().sessions.begin() as session:
            pair = _member(session, merged), _member(session, survivor)
            moved = merging.merge(
                session, plan_system("members merge"), *pair, reason=reason, move_account=move_account
            )
    except merging.MergeRefused as refused:
        raise click.ClickException(refused.sentence) from None
    _tell(moved)


@group.command("unmerge")
@click.argument("merged")
@click.option("--reason", required=True, help="Why, for the audit stream.")
def unmerge(merged: str, reason: str) -> None:
    """Give the member number MERGED their record back: they were not one person."""
    try:
        with latchstring().sessions.begin() as session:
            member = _member(session, merged)
            moved = merging.unmerge(session, plan_system("members unmerge"), member, reason=reason)
    except merging.MergeRefused as refused:
        raise click.ClickException(refused.sentence) from None
    _tell(moved)


def _member(session: Session, number: str) -> Member:
    # The very row of that number, whatever became of it.
    found = session.scalar(select(Member).where(Member.member_number == number.strip().upper()))
    if found is None:
        raise click.ClickException("No member has that number.")
    return found


def _tell(moved: Moved) -> None:
    account = " The account went along." if moved.account else ""
    click.echo(
        f"{moved.resources} resources moved; {moved.grants} apps' permissions and {moved.links} representatives ended."
        f"{account}"
    )
