"""`flask groups`: lists of members that a bulk export may be about."""

import csv
from collections import defaultdict
from pathlib import Path

import click
from flask.cli import AppGroup

from fhir.bulk import groups
from fhir.bulk.models import GroupKind
from service.web import latchstring

group = AppGroup("groups")
_COLUMNS = ("group", "name", "member_id")


@group.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--attribution", is_flag=True, help="Lists of the members in a provider's care (PROVIDER_ACCESS).")
def load(file: Path, attribution: bool) -> None:
    """Load lists from a CSV file (group, name, member_id): each named list becomes what the file says."""
    names, members = _read(file)
    kind, missing = GroupKind.ATTRIBUTION if attribution else GroupKind.PLAN, 0
    with latchstring().sessions.begin() as session:
        for group_id, numbers in members.items():
            try:
                loaded = groups.load(session, group_id, names[group_id], kind, numbers)
            except groups.BadGroup as bad:
                raise click.ClickException(f"{bad}. Nothing was loaded.") from None
            missing += len(loaded.unknown)
            for number in loaded.unknown:
                click.echo(f"{group_id}: nobody on the roster has the member number {number}", err=True)
            click.echo(f"{group_id}: {loaded.members} members.")
    if missing:
        raise click.exceptions.Exit(1)


@group.command("list")
def list_() -> None:
    """Every list with its kind and the number of its members."""
    with latchstring().sessions() as session:
        for one, number in groups.list_all(session):
            click.echo(f"{one.id}\t{one.kind}\t{number}\t{one.name}")


@group.command("opt-out")
@click.argument("member_number")
@click.option("--undo", is_flag=True, help="Let providers get the record in bulk again.")
def opt_out(member_number: str, undo: bool) -> None:
    """Leave a member out of what providers get in bulk, from the next page of any export on."""
    try:
        with latchstring().sessions.begin() as session:
            groups.opt_out(session, member_number, out=not undo)
    except groups.BadGroup as bad:
        raise click.ClickException(f"{bad}.") from None


def _read(file: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    names: dict[str, str] = {}
    members: dict[str, list[str]] = defaultdict(list)
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            if lacking := [one for one in _COLUMNS if one not in (reader.fieldnames or ())]:
                raise click.ClickException(f"{file.name} has no column {', '.join(lacking)} in its first line.")
            for line in reader:
                group_id = (line["group"] or "").strip()
                names[group_id] = (line["name"] or "").strip()[:200] or names.get(group_id) or group_id
                members[group_id].append(line["member_id"] or "")
    except (UnicodeDecodeError, csv.Error):
        raise click.ClickException(f"{file.name} is not comma-separated text in UTF-8.") from None
    return names, members
