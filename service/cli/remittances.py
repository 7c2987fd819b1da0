"""`flask remittances`: what the plan paid providers, from X12 835 files."""

from pathlib import Path

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from service.plan.remittances import remittance_files
from service.plan.remittances.remittance_files import FileSummary
from service.web import latchstring

group = AppGroup("remittances")


@group.command("load")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--warnings/--no-warnings", default=True, show_default=True, help="Tell what was loose, too.")
def load(paths: tuple[Path, ...], warnings: bool) -> None:
    """Load 835 files, and of folders those that end in .edi, .835, .x12, .era or .txt.

    A transaction set that does not balance or cannot be read is refused and told by file and segment; the others are
    kept. What was loaded before is recognised. The exit status is 1 where anything was refused.
    """
    try:
        files = remittance_files.files_of(paths)
    except remittance_files.NothingToLoad:
        raise click.ClickException("No 835 file there: they end in .edi, .835, .x12, .era or .txt.") from None
    summaries = _load_with_bar(files)
    for summary in summaries:
        _tell(summary, warnings)
    _tell_all(summaries)
    if any(summary.refused for summary in summaries):
        raise click.exceptions.Exit(1)


def _load_with_bar(files: list[Path]) -> list[FileSummary]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    done, summaries = 0, []
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("Loading", total=sum(path.stat().st_size for path in files if path.is_file()))
        for path in files:
            bar.update(task, description=path.name[-30:])
            with latchstring().sessions.begin() as session:
                show = _Shown(bar, task, done)
                summaries.append(remittance_files.load_file(session, path, progress=show))
            done += path.stat().st_size if path.is_file() else 0
            bar.update(task, completed=done)
    return summaries


class _Shown:
    """Moves the bar while one file is read."""

    def __init__(self, bar: Progress, task: TaskID, before: int) -> None:
        self._bar, self._task, self._before = bar, task, before

    def __call__(self, read: int) -> None:
        self._bar.update(self._task, completed=self._before + read)


def _tell(summary: FileSummary, warnings: bool) -> None:
    for fault in summary.refused:
        click.echo(f"{summary.name}, {fault}", err=True)
    for fault in summary.warnings if warnings else ():
        click.echo(f"{summary.name}, {fault} (warning)", err=True)
    if summary.seen_before:
        click.echo(f"{summary.name}: this file was loaded before.")


def _tell_all(summaries: list[FileSummary]) -> None:
    def total(name: str) -> str:
        return f"{sum(getattr(summary, name) for summary in summaries):,}"

    refused = sum(len(summary.refused) for summary in summaries)
    click.echo(
        f"{len(summaries):,} files: {total('loaded')} transaction sets with {total('claims')} claims loaded, "
        f"{total('duplicates')} there already, {refused:,} refused."
    )
    unknown = sum(summary.unknown_payees for summary in summaries)
    if unknown:
        click.echo(f"{unknown:,} with a payee the plan does not know: staff find them under Unassigned remittances.")
