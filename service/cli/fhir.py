"""`flask fhir`: the plan's FHIR data."""

import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC
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
from fhir import bases
from fhir.compartment import TYPES
from fhir.description import search_page
from fhir.loading import definitions as defined
from fhir.loading import drug_codes, freshness, giving_up, ingest, labels, reading, relabelling, withdrawing
from fhir.loading.checkpoints import GivenUp
from fhir.loading.freshness import Watch
from fhir.loading.giving_up import Lost, NothingUnfinished, StillRuns
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
_WIDE = 200
_LONGEST_REASON = 500


@group.command("load")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--validate", type=click.Choice(_LEVELS), default=ingest.Level.SCHEMA.value, show_default=True,
              help="schema: JSON, elements and types; models: also the FHIR models (about a hundred times slower); "
                   "profiles: also the profiles that resources declare, sums of claims, references.")  # fmt: skip
@click.option("--strict", is_flag=True, help="With --validate profiles: refuse what breaks its profile.")
@click.option("--definitions", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="StructureDefinitions and value sets to check by, instead of our own.")  # fmt: skip
@click.option("--rejects", type=_FILE, help="Where bad lines go, to be corrected and loaded again.")
@click.option("--warnings", type=_FILE, help="Where breaches go that refuse nothing.")
@click.option("--delete", "deletions", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A list of resources to delete, one Type/id a line.")  # fmt: skip
@click.option("--source", default="plan", show_default=True, help="Whose data it is, for `flask fhir freshness`.")
@click.option("--source-base", "source_bases", multiple=True, metavar="URL",
              help="Where the files come from, such as https://claims.example/fhir: references below it are to what "
                   "they hold. All other addresses but our own are none of our members.")  # fmt: skip
@click.option("--again", is_flag=True, help="Read the files from their start, though a load of them was interrupted.")
def load(
    paths: tuple[Path, ...], validate: str, strict: bool, definitions: Path | None, rejects: Path | None,
    warnings: Path | None, deletions: tuple[Path, ...], source: str, source_bases: tuple[str, ...],
    again: bool,
) -> None:  # fmt: skip
    """Load files and folders (NDJSON, Bundles, gzip); good resources are kept, bad ones told by file and line."""
    if not paths and not deletions:
        raise click.UsageError("Name files or folders to load, or a list to delete.")
    if (strict or definitions) and validate != ingest.Level.PROFILES:
        raise click.UsageError("--strict and --definitions are for --validate profiles.")
    for base in source_bases:
        if not base.startswith(("https://", "http://")):
            raise click.UsageError("--source-base begins with https:// or http://.")
    checks = ingest.Checks(
        ingest.Level(validate), strict, definitions.resolve() if definitions else None,
        (*bases.own(settings().base_url), *source_bases),
    )  # fmt: skip
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
    except GivenUp:
        raise click.ClickException(
            f"This load was given up meanwhile (flask fhir give-up {source}): what it wrote before stays. "
            "Run the same command again to read the files from their start."
        ) from None
    except BrokenProcessPool:
        raise click.ClickException(
            "A process that examines files was ended, perhaps for want of memory. Run the same command again: "
            "it goes on behind the last batch."
        ) from None
    except OSError as unusable:
        # Not ours to read or to write, on a full disk, or taken away meanwhile.
        raise click.ClickException(
            f"{unusable.filename or 'A file'}: {unusable.strerror or type(unusable).__name__}. "
            "Mend that and run the same command again: it goes on behind the last batch."
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
        done = relabelling.relabel(
            latchstring().sessions,
            access=plan_system("fhir relabel"),
            progress=lambda some: bar.advance(task, some),
        )
    click.echo(f"{done.looked_at} looked at by tables {labels.VERSION}, {done.changed} have other labels now.")
    if done.restricted:
        click.echo(
            f"{done.restricted} are restricted, by their source or as no table knows their codes: no app gets them."
        )


@group.command("drug-codes")
@click.argument("directories", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def add_drug_codes(directories: tuple[Path, ...]) -> None:
    """Add the drugs of FDA's NDC directory (product.txt, one edition or several) to those that labels are told by."""
    try:
        known = drug_codes.extend(directories, labels.SUBSTANCES)
    except drug_codes.NoDirectory as other:
        raise click.ClickException(str(other)) from None
    except OSError as unusable:
        raise click.ClickException(f"{unusable.filename}: {unusable.strerror}") from None
    click.echo(f"{known} products are known. Start servers and worker anew, and run: flask fhir relabel")


@group.command("freshness")
def show_freshness() -> None:
    """When each source's last delivery came in, until when apps must see it, and since when they do.

    Deliveries that are not visible yet come first. Ends with status 1 where one is overdue.
    """
    table = Table("Source", "State", "Received (UTC)", "Due (UTC)", "Visible (UTC)", "Written", "Rejected", box=None)
    with latchstring().sessions() as session:
        found = freshness.deliveries(session, settings().plan.timezone)
    for one in found:
        visible = f"{one.visible_at:{_TIME}}" if one.visible_at else "never" if one.given_up_at else "not yet"
        times = (f"{one.received_at:{_TIME}}", f"{one.due_at.astimezone(UTC):{_TIME}}", visible)
        table.add_row(one.source, one.watch.replace("_", " "), *times, str(one.written), str(one.rejected))
    # Where lines go into a file or to another program, none is folded.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
    overdue = sum(one.watch is Watch.OVERDUE for one in found)
    if overdue:
        raise click.ClickException(
            f"{overdue} overdue: run the same flask fhir load again, it goes on where it was. "
            "One that nobody will go on with: flask fhir give-up SOURCE."
        )


@group.command("give-up")
@click.argument("source")
@click.option("--reason", required=True, help="Why, for the audit: the source was mistyped, say.")
def give_up(source: str, reason: str) -> None:
    """Wait no more for what interrupted loads of SOURCE did not write: it is overdue no longer.

    What they wrote stays. Their places in the files are forgotten, and resources that wait for their patient dropped.
    """
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise click.UsageError(f"--reason needs a reason, of {_LONGEST_REASON} letters at most.")
    try:
        with latchstring().sessions.begin() as session:
            lost = giving_up.give_up(session, source, access=plan_system("fhir give-up"), reason=reason.strip())
    except NothingUnfinished as nothing:
        named = ", ".join(nothing.unfinished)
        others = f"Unfinished are: {named}." if named else "No load is unfinished."
        raise click.ClickException(f"No load of {source} was interrupted. {others}") from None
    except StillRuns as runs:
        raise click.ClickException(
            f"A load of {source} wrote a moment ago and may be running. Nothing was given up. Stop it, and do this "
            f"again after {runs.until:{_TIME}} UTC; or run the same flask fhir load again, it goes on where it was."
        ) from None
    for one in lost:
        _tell_lost(source, one)
    if not lost:
        click.echo(f"Every interrupted load of {source} was given up before.")
    click.echo(
        "For what is lost load the files again: flask fhir load FILES --source NAME, by the name that is right. "
        "What is stored already and has not changed is left alone."
    )


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


def _tell_lost(source: str, lost: Lost) -> None:
    click.echo(f"Given up: the delivery of {source} that came {lost.received_at:{_TIME}} UTC.")
    click.echo(f"  {lost.stored} resources were added, changed or deleted by it, which stays so.")
    for path, line, is_whole in lost.files:
        click.echo(f"  {path}: " + ("read to its end." if is_whole else f"lost is what stands behind line {line}."))
    if not lost.files:
        click.echo("  Lost are its files, of which nothing was read.")
    if lost.waiting:
        click.echo(f"  Lost are {lost.waiting} resources that waited for their patient.")
