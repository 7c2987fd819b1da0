"""`flask audit`: verified, exported, purged; what people have to say about its chain."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import click
from flask.cli import AppGroup

from service import journal_losses
from service.audit_chain import checkpoints, purging, reading, restoring, sealer, verifier, vouching
from service.audit_chain.checkpoints import CheckpointLog, Disagrees, KeyChanged, Untrustworthy
from service.audit_chain.keys import AuditKey
from service.audit_chain.reading import Wanted
from service.audit_chain.restoring import NothingToAccept
from service.audit_chain.verifier import ChainBroken, Verdict
from service.cli import second_person
from service.clock import now
from service.days import read_day
from service.plan.staff import audit_purges
from service.plan.staff.asked_by_command import BrokenGlass
from service.plan.staff.second_looks import SecondLookRefused
from service.web import latchstring, settings

group = AppGroup("audit")


class _Day(click.DateTime):
    """A day on which there can be events, as the console asks for it."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        day: datetime = super().convert(value, param, ctx)
        if read_day(f"{day:%Y-%m-%d}") is None:
            self.fail("give a day from 2000-01-01 to 2999-12-31.", param, ctx)
        return day


_DAY = _Day()
_MOST_NAMED = 20


@group.command("verify")
@click.option(
    "--checkpoints", "folder", type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="The folder of checkpoints, where it is not AUDIT_CHECKPOINTS: a copy kept elsewhere, say.",
)  # fmt: skip
def verify(folder: Path | None) -> None:
    """Work out the whole chain again, and name the first row that is not what was written (exit status 1).

    The status is 1 too where no checkpoint was written for some minutes: what none has seen could have been rewritten.
    Of a copy (--checkpoints) this is only said. Then it compares the journal of revocations with the database, line by
    line: one that is in no file fails it too.
    """
    verdict = verifier.verify(latchstring().engine, CheckpointLog(folder or settings().checkpoints_folder), _key())
    for loss in verdict.losses:
        click.echo(f"{loss.at}: restored from a backup; rows after {loss.position} were lost. Reason: {loss.reason}")
    if verdict.fault is not None:
        raise click.ClickException(_fault(verdict))
    click.echo(
        f"Whole: {verdict.rows} rows up to position {verdict.head.position}, {verdict.purged} purged before them, "
        f"{verdict.checkpoints} checkpoints, {verdict.waiting} events not sealed yet."
    )
    _verify_journal()
    if verdict.unseen_since is None or now() - verdict.unseen_since <= vouching.PATIENCE:
        return
    unseen = (
        f"No checkpoint of {folder or settings().checkpoints_folder} saw what was audited since "
        f"{verdict.unseen_since:%Y-%m-%d %H:%M:%S} UTC: it could have been rewritten."
    )
    if folder is None:
        raise click.ClickException(f"{unseen} Is a worker running, and may it write there? flask doctor says.")
    click.echo(unseen)


def _verify_journal() -> None:
    journal = latchstring().journal
    with latchstring().sessions() as session:
        losses = journal_losses.find(session, journal)
    if losses.elsewhere:
        others = ", ".join(losses.elsewhere)
        click.echo(f"The journal of {others} is in no file of {journal.folder}: a restore needs it too.")
    for one in losses.lines[:_MOST_NAMED]:
        whose = f" of host {one.host}" if one.host else ""
        click.echo(f"Lost from the journal: revocation {one.id}{whose}, {one.at:%Y-%m-%d %H:%M:%S} UTC.", err=True)
    for line in losses.unknown[:_MOST_NAMED]:
        click.echo(f"Lost from the journal: revocation {line}, which the database does not know either.", err=True)
    if count := len(losses.lines) + len(losses.unknown):
        raise click.ClickException(
            f"{count} revocations are in no file of {journal.folder} (REVOCATION_JOURNAL): a restore would revive what "
            "they ended. Put the files back; if they are lost, docs/backup.md says how lines are written anew."
        )
    click.echo("Every revocation that was written is in the journal.")


@group.command("checkpoint")
def checkpoint() -> None:
    """Seal what waits and add a checkpoint now; the worker does both by itself."""
    sealer.seal_all(latchstring().sessions)
    with latchstring().sessions() as session:
        try:
            at = checkpoints.take(session, _folder(), _key())
        except (KeyChanged, Disagrees) as refused:
            raise click.ClickException(refused.sentence) from None
        except (Untrustworthy, OSError) as problem:
            raise click.ClickException(str(problem)) from None
    click.echo(f"At position {at.position}." if at else "Nothing was sealed since the last one.")


@group.command("key")
def key() -> None:
    """The public half of the key that signs checkpoints (Ed25519, hexadecimal): to keep elsewhere."""
    click.echo(_key().id)


@group.command("rotate-key")
def rotate_key() -> None:
    """After SECRET_KEY was changed: let the new key vouch for what the old one signed."""
    with latchstring().sessions() as session:
        try:
            restoring.rotate_key(session, _folder(), _key(), operator=getpass.getuser())
        except (NothingToAccept, Untrustworthy, OSError) as refused:
            raise click.ClickException(str(refused)) from None
    click.echo(f"The key of checkpoints is {_key().id}.")


@group.command("accept-loss")
@click.option("--reason", required=True, help="Which backup was put back, and why.")
def accept_loss(reason: str) -> None:
    """After the database was restored from a backup: say that what was audited since is lost."""
    with latchstring().sessions() as session:
        try:
            held = restoring.accept_loss(session, _folder(), _key(), reason=reason, operator=getpass.getuser())
        except KeyChanged as refused:
            raise click.ClickException(refused.sentence) from None
        except (NothingToAccept, Untrustworthy, OSError) as refused:
            raise click.ClickException(str(refused)) from None
    click.echo(f"Kept: what came after position {held.position if held else 0} is lost. The chain goes on.")


@group.command("purge")
@click.option("--before", type=_DAY, required=True, help="Events before this day (UTC) go.")
@second_person.reason
@second_person.glass
def purge(before: datetime, reason: str, break_glass: str | None) -> None:
    """Purge what is older than AUDIT_YEARS; a signed stub stands for it, so that the chain still verifies.

    Given once it asks an administrator, who says yes in the staff console within 48 hours (Waiting for a second
    person); given again within 48 hours of the yes it purges.
    """
    day, command = before.replace(tzinfo=UTC), second_person.command(reason, break_glass)
    try:
        with latchstring().sessions.begin() as session:
            by = audit_purges.begin(session, day, command, settings())
    except (purging.TooYoung, purging.OnHold) as refused:
        raise click.ClickException(str(refused)) from None
    except SecondLookRefused as refusal:
        raise click.ClickException(refusal.sentence) from None
    if isinstance(by, BrokenGlass):
        second_person.say_broken(by)
    elif not by.approved:
        click.echo(f"Asked for: events before {day:%Y-%m-%d} may be purged {second_person.until(by)}.")
        click.echo("Give this command again then. Nothing was purged yet.")
        return
    _purge(day, None if isinstance(by, BrokenGlass) else by.id)


def _purge(day: datetime, act_id: str | None) -> None:
    try:
        gone = purging.purge(latchstring().engine, settings(), day, operator=getpass.getuser(), act_id=act_id)
    except ChainBroken as broken:
        raise click.ClickException(f"{_fault(Verdict(fault=broken.fault))} Nothing was purged.") from None
    except (purging.TooYoung, purging.OnHold, Untrustworthy) as refused:
        raise click.ClickException(str(refused)) from None
    click.echo(f"Purged {gone} events.")


@group.command("export")
@click.option("--since", type=_DAY, help="The first day (UTC); yesterday if not given.")
@click.option("--until", type=_DAY, help="The day after the last one (UTC); today if not given.")
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A new file; standard output if none.")
def export(since: datetime | None, until: datetime | None, form: str, output: Path | None) -> None:
    """Write out the events of some days with their positions and hashes; that it was done is an event too."""
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    last = until.replace(tzinfo=UTC) if until else today
    first = since.replace(tzinfo=UTC) if since else last - timedelta(days=1)
    if first >= last:
        raise click.ClickException("--since must be before --until.")
    wanted, written = Wanted(first, last), 0
    with _target(output) as target, latchstring().sessions() as session:
        for line in reading.export(session, wanted, operator=getpass.getuser(), as_csv=form == "csv"):
            target.write(line)
            written += 1
        target.flush()
    click.echo(f"Wrote {written - (form == 'csv')} events.", err=True)


def _target(output: Path | None) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdout.buffer) if output is None else _whole_file(output)


@contextmanager
def _whole_file(output: Path) -> Iterator[IO[bytes]]:
    """What is written stands under its name once all of it does: half a day's events would pass for the day's."""
    if output.exists():
        raise click.ClickException(f"{output} is there already: name a new file.")
    draft = output.with_name(f"{output.name}.part")
    try:
        with draft.open("wb") as file:
            yield file
            os.fsync(file.fileno())
        draft.rename(output)
    except OSError as problem:
        raise click.ClickException(f"{output} cannot be written: {problem.strerror}.") from None
    finally:
        with suppress(OSError):
            draft.unlink()


def _fault(verdict: Verdict) -> str:
    assert verdict.fault is not None
    fault = verdict.fault
    names = [f"position {fault.position}"] if fault.position else []
    names += [f"event {fault.event_id}"] if fault.event_id else []
    return f"{', '.join(names).capitalize()}: {fault.sentence}" if names else fault.sentence


def _folder() -> CheckpointLog:
    return CheckpointLog(settings().checkpoints_folder)


def _key() -> AuditKey:
    return AuditKey(settings().secret_key)
