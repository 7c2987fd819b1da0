"""`flask providers`: provider groups, their addresses and practitioners."""

from pathlib import Path

import click
from flask.cli import AppGroup

from service.plan.providers import provider_files
from service.plan.providers.provider_groups import Change
from service.web import latchstring

group = AppGroup("providers")


@group.command("load")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def load(path: Path) -> None:
    """Load a folder of provider CSV files, or one of them; good lines are kept, bad ones told by file and line."""
    try:
        with latchstring().sessions.begin() as session:
            summary = provider_files.load(session, path)
    except provider_files.UnreadableProviders as unreadable:
        raise click.ClickException(f"{path.name} holds no provider records: {unreadable}.") from None
    for problem in summary.problems:
        click.echo(f"{problem.file}, line {problem.line}: {problem.why}", err=True)
    for name, counts in summary.counts.items():
        click.echo(f"{name}: {', '.join(f'{counts[change]} {change.value}' for change in Change)}.")
    if summary.problems:
        raise click.exceptions.Exit(1)
