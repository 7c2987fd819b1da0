"""`flask fhir`: the plan's FHIR data."""

from pathlib import Path

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from consent.policy import plan_system
from fhir.description import search_page
from fhir.loading import ingest, reading
from fhir.storage import reindexing
from service.cli.completing import complete_roster
from service.web import latchstring, settings

group = AppGroup("fhir")
_LEVELS = [level.value for level in ingest.Level]


@group.command("load")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--validate", type=click.Choice(_LEVELS), default=ingest.Level.SCHEMA.value, show_default=True)
def load(paths: tuple[Path, ...], validate: str) -> None:
    """Load files and folders (NDJSON, Bundles, gzip); good resources are kept, bad ones told by file and line."""
    try:
        summary = _load_with_bar(paths, ingest.Level(validate))
    except reading.NothingToLoad as nothing:
        raise click.ClickException(str(nothing)) from None
    for problem in summary.problems:
        click.echo(str(problem), err=True)
    click.echo(f"{summary.added} added, {summary.changed} changed, {summary.unchanged} unchanged.")
    complete_roster()
    if summary.rejected:
        click.echo(f"{summary.rejected} rejected: {summary.reject_file}", err=True)
        raise click.exceptions.Exit(1)


@group.command("reindex")
def reindex() -> None:
    """Work the search index out anew from what is stored: after a release that says so."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("Indexing", total=None)
        done = reindexing.reindex(
            latchstring().engine,
            access=plan_system("fhir reindex"),
            progress=lambda so_far: bar.update(task, total=so_far.total, completed=so_far.seen),
        )
    click.echo(f"{done.seen} looked at, {done.changed} changed.")


@group.command("search-parameters")
def search_parameters() -> None:
    """Print docs/search-parameters.md, made from the declared parameters."""
    click.echo(search_page.page(), nl=False)


def _load_with_bar(paths: tuple[Path, ...], level: ingest.Level) -> ingest.LoadSummary:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("Loading", total=None)
        return ingest.load(
            latchstring().engine,
            paths,
            access=plan_system("fhir load"),
            progress=lambda so_far: bar.update(task, total=so_far.total_bytes, completed=so_far.read_bytes),
            reject_dir=settings().var,
            level=level,
        )
