"""`flask conformance`: what the field's public suites check, checked by a client of our own."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask.cli import AppGroup

from fhir.loading import profiles
from service.conformance import own_server, runner, sandbox_file
from service.conformance.guides import published, stated
from service.conformance.guides.definitions import Definitions
from service.conformance.report import Report, Verdict, together
from service.conformance.sections import OF_EVERYBODY, OF_RECORDS, REQUIREMENTS
from service.conformance.trial import Trial
from service.conformance.wire import Wire

group = AppGroup("conformance")
_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@group.command("run")
@click.option("--base-url", help="FHIR base of the server, as apps are told it; the sandbox file's when not given.")
@click.option(
    "--sandbox-file", "file", type=_File, help="Its accounts and apps; without one a server is started for the run."
)
@click.option("--ca-file", type=_File, help="Certificates (PEM) to trust instead of this machine's own.")
@click.option("--username", help="Which account signs in; the one that the file names when not given.")
@click.option("--section", "sections", multiple=True, help="Only this section; may be given several times.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there too."
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="FHIR files with members.csv, to be loaded in the middle of the run: searches and exports are checked for "
    "their members too.",
)
@click.option("--members", default=12, show_default=True, help="How many members a server started for the run has.")
def run(
    base_url: str | None, file: Path | None, ca_file: Path | None, username: str | None,
    sections: tuple[str, ...], json_file: Path | None, data: Path | None, members: int,
) -> None:  # fmt: skip
    """Check a test system, or a sandbox of its own; a line a requirement. Ends with status 1 if any fails.

    Never a production system: the run signs in as a member, connects apps and ends them.
    """
    if base_url and not file:
        raise click.UsageError("--base-url needs --sandbox-file, which names the accounts and apps there")
    if data and file:
        raise click.UsageError("--data is for a server started for the run; load it there, then name its accounts")
    with _server(file, ca_file, members) as (found, trusted, load):
        report = _run(Wire(trusted), found, base_url, username, sections)
        if data:
            report = together({"sandbox": report} | _of_data(Wire(trusted), found, lambda: load(data), sections))
    click.echo(report.as_text())
    if json_file:
        json_file.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    if report.failed:
        raise SystemExit(1)


@group.command("requirements")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def make_requirements(folder: Path) -> None:
    """Make the list of what guides ask of searches anew, from the packages of the guides in FOLDER."""
    try:
        published.write(folder, stated.FILE)
    except published.NothingPublished as nothing:
        raise click.ClickException(str(nothing)) from None


@contextmanager
def _server(
    file: Path | None, ca_file: Path | None, members: int
) -> Iterator[tuple[Path, Path | None, Callable[[Path], None]]]:  # fmt: skip
    """The sandbox file, whom to trust, and what loads data, of the server that is there or of one started now."""
    if file is not None:
        yield file, ca_file, _load_nothing
        return
    click.echo("Making a sandbox for this run ...", err=True)
    try:
        with own_server.running(members) as own:
            yield own.sandbox_file, own.ca_file, own.load
    except own_server.NoServer as refused:
        raise click.ClickException(str(refused)) from None


def _load_nothing(_data: Path) -> None:
    """A server that was there before the run keeps its records."""


def _run(
    wire: Wire, file: Path, base_url: str | None, username: str | None, sections: tuple[str, ...],
    definitions: Definitions | None = profiles,
) -> Report:  # fmt: skip
    try:
        trial = Trial(wire, sandbox_file.read(file, username), base_url, definitions)
        return runner.run(trial, REQUIREMENTS, sections=sections)
    except (sandbox_file.UnusableFile, runner.UnknownSection, runner.Unreachable) as refused:
        raise click.ClickException(str(refused)) from None


def _of_data(
    wire: Wire, file: Path, load: Callable[[], None], sections: tuple[str, ...]
) -> dict[str, Report]:  # fmt: skip
    """What the server does with loaded data, by user name. How good the data is, is not the server's: no profiles."""
    load()
    reports: dict[str, Report] = {}
    names = sandbox_file.read(file).data_usernames
    for number, name in enumerate(names):
        asked = OF_RECORDS if number else (*OF_RECORDS, *OF_EVERYBODY)
        wanted = tuple(one for one in asked if not sections or one in sections)
        if wanted:
            reports[name] = _run(wire, file, None, name, wanted, None)
            failed = reports[name].sums[Verdict.FAIL]
            click.echo(f"{name}, {number + 1} of {len(names)}: {failed} failed.", err=True)
    return reports
