"""`flask fhir`: the plan's FHIR data."""

from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from consent.policy import plan_system
from fhir.compartment import TYPES
from fhir.description import search_page
from fhir.loading import definitions as defined
from fhir.loading import freshness, ingest, labels, reading, relabelling, withdrawing
from fhir.loading.rejects import IsBeingRead
from fhir.loading.summary import LoadSummary
from fhir.storage import partitions, reindexing
from service.cli.completing import complete_roster
from service.web import latchstring, settings

group = AppGroup("fhir")
_LEVELS = [level.value for level in ingest.Level]
_REJECTS = ("rejected.ndjson", "rejected-again.ndjson")
_FILE = click.Path(dir_okay=False, path_type=Path)
_TIME = "%Y-%m-%d %H:%M:%S"


@group.command("load")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--validate", type=click.Choice(_LEVELS), default=ingest.Level.SCHEMA.value, show_default=True,
              help="schema: JSON, elements and types; models: also the FHIR models; profiles: also the profiles that "
                   "resources declare, sums of claims, references.")  # fmt: skip
@click.option("--strict", is_flag=True, help="With --validate profiles: refuse what breaks its profile.")
@click.option("--definitions", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="StructureDefinitions and value sets to check by, instead of our own.")  # fmt: skip
@click.option("--rejects", type=_FILE, help="Where bad lines go, to be corrected and loaded again.")
@click.option("--warnings", type=_FILE, help="Where breaches go that refuse nothing.")
@click.option("--delete", "deletions", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A list of resources to delete, one Type/id a line.")  # fmt: skip
@click.option("--source", default="plan", show_default=True, help="Whose data it is, for `flask fhir freshness`.")
@click.option("--again", is_flag=True, help="Read the files from their start, though a load of them was interrupted.")
def load(
    paths: tuple[Path, ...], validate: str, strict: bool, definitions: Path | None, rejects: Path | None,
    warnings: Path | None, deletions: tuple[Path, ...], source: str, again: bool,
) -> None:  # fmt: skip
    """Load files and folders (NDJSON, Bundles, gzip); good resources are kept, bad ones told by file and line."""
    if not paths and not deletions:
        raise click.UsageError("Name files or folders to load, or a list to delete.")
    if (strict or definitions) and validate != ingest.Level.PROFILES:
        raise click.UsageError("--strict and --definitions are for --validate profiles.")
    checks = ingest.Checks(ingest.Level(validate), strict, definitions.resolve() if definitions else None)
    for one in reading.left_alone(paths):
        click.echo(f"Left alone: {one}", err=True)
    try:
        with _Bar() as bar:
            summary = ingest.load(
                latchstring().engine, paths, access=plan_system("fhir load"), checks=checks, source=source,
                progress=bar.show, rejects=rejects or _own_rejects(paths), warnings=warnings, delete=deletions,
                again=again,
            )  # fmt: skip
    except (reading.NothingToLoad, IsBeingRead, defined.NoDefinitions) as nothing:
        raise click.ClickException(str(nothing)) from None
    except BrokenProcessPool:
        raise click.ClickException(
            "A process that examines files was ended, perhaps for want of memory. Run the same command again: "
            "it goes on behind the last batch."
        ) from None
    _tell(summary)
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
    withdrawn = withdrawing.withdraw(latchstring().sessions, access=plan_system("fhir reindex"))
    for resource_type, resource_id in withdrawn:
        click.echo(f"{resource_type}/{resource_id} holds a member's record, which everybody would see.", err=True)
    if withdrawn:
        click.echo(f"{len(withdrawn)} deleted with their versions. Load them again without what is of members.")


@group.command("partition")
@click.option("--parts", type=click.IntRange(2, 1024), default=64, show_default=True)
def partition(parts: int) -> None:
    """Cut the tables of records by member (PostgreSQL). The servers and the worker are stopped meanwhile."""
    engine = latchstring().engine
    if engine.dialect.name != "postgresql":
        raise click.ClickException("Only PostgreSQL cuts tables; SQLite needs no parts.")
    try:
        with engine.begin() as connection:
            partitions.cut(connection, parts)
    except partitions.AlreadyCut:
        raise click.ClickException("The tables are cut already.") from None
    click.echo(f"{' and '.join(table.name for table in partitions.TABLES)} have {parts} parts each.")


@group.command("search-parameters")
def search_parameters() -> None:
    """Print docs/search-parameters.md, made from the declared parameters."""
    click.echo(search_page.page(), nl=False)


@group.command("relabel")
def relabel() -> None:
    """Label anew what an older version of the sensitive-code tables labelled; can be stopped and run again."""
    with Progress(SpinnerColumn(), TextColumn("{task.completed} looked at"), console=Console(stderr=True)) as bar:
        task = bar.add_task("Labelling", total=None)
        looked_at, changed = relabelling.relabel(
            latchstring().sessions,
            access=plan_system("fhir relabel"),
            progress=lambda some: bar.advance(task, some),
        )
    click.echo(f"{looked_at} looked at by tables {labels.VERSION}, {changed} have other labels now.")


@group.command("freshness")
def show_freshness() -> None:
    """When each source's last delivery came in, and when apps could read it."""
    table = Table("Source", "Received (UTC)", "Visible (UTC)", "Written", "Rejected", box=None)
    with latchstring().sessions() as session:
        rejected = freshness.rejected(session)
        for one in freshness.sources(session):
            counts = (str(one.written), str(rejected.get(one.name, 0)))
            table.add_row(one.name, f"{one.received_at:{_TIME}}", f"{one.visible_at:{_TIME}}", *counts)
    Console().print(table)


@group.command("definitions")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def make_definitions(folder: Path) -> None:
    """Make the files that loads check by anew, from the packages of FHIR R4 and its guides in FOLDER."""
    try:
        defined.write(folder, Path(defined.__file__).parent, TYPES)
    except defined.NoDefinitions as nothing:
        raise click.ClickException(str(nothing)) from None


def _own_rejects(paths: Sequence[Path]) -> Path:
    """Where rejects go if nothing is said; not over what is corrected and read right now."""
    read = {path.resolve() for path in paths}
    first, second = (settings().var / name for name in _REJECTS)
    return second if first.resolve() in read else first


class _Bar:
    """A progress bar: bytes, rate, time left, resources."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[lines]} read"), console=Console(stderr=True),
        )  # fmt: skip
        self._task = self._bar.add_task("Loading", total=None, lines=0)

    def __enter__(self) -> "_Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, summary: LoadSummary) -> None:
        """Show how far the load came."""
        words = "Going on" if summary.resumed else "Loading"
        self._bar.update(
            self._task, description=words, total=summary.total_bytes, completed=summary.read_bytes, lines=summary.read
        )


def _tell(summary: LoadSummary) -> None:
    for problem in summary.problems:
        click.echo(str(problem), err=True)
    for finding, count in summary.warnings.most_common(20):
        where = f" at {finding.path}" if finding.path else ""
        click.echo(f"Warning, {count} times{where}: {finding.rule}. {finding.hint}", err=True)
    if summary.resumed:
        click.echo("Went on where an earlier load was interrupted.")
    deleted = f", {summary.deleted} deleted" if summary.deleted else ""
    click.echo(f"{summary.added} added, {summary.changed} changed, {summary.unchanged} unchanged{deleted}.")
    if summary.warned:
        where = f": {summary.warning_file}" if summary.warning_file else ""
        click.echo(f"{summary.warned} warnings{where}", err=True)
