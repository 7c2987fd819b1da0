"""`flask members`: the plan's roster."""

from pathlib import Path

import click
from flask.cli import AppGroup

from service.cli.completing import complete_roster
from service.plan.members import roster
from service.web import latchstring

group = AppGroup("members")


@group.command("load")
@click.argument("csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(csv: Path) -> None:
    """Load the roster of a CSV file; good lines are kept, bad ones told by line."""
    try:
        with latchstring().sessions.begin() as session:
            summary = roster.load_csv(session, csv)
    except roster.UnreadableRoster as unreadable:
        raise click.ClickException(f"{csv.name} is no roster: {unreadable}.") from None
    for problem in summary.problems:
        click.echo(f"{csv.name}, line {problem.line}: {problem.why}", err=True)
    click.echo(f"{summary.added} added, {summary.changed} changed, {summary.unchanged} unchanged.")
    complete_roster()
    if summary.problems:
        raise click.exceptions.Exit(1)
