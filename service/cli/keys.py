"""`flask keys`: keys that sign ID tokens, and what lies sealed under SECRET_KEY."""

from datetime import datetime

import click
from flask.cli import AppGroup

from oauth import keys
from oauth.webhooks import endpoints
from service import mail, resealing
from service.accounts import second_factors
from service.audit_chain import restoring, verifier
from service.audit_chain.checkpoints import CheckpointLog, KeyChanged, Untrustworthy
from service.audit_chain.keys import AuditKey
from service.cli import operator
from service.plan.registering import mailed_pins
from service.resealing import Sealed, Tally
from service.web import latchstring, settings

SEALED = (keys.SEALED, second_factors.SEALED, *endpoints.SEALED, mailed_pins.SEALED, mail.SEALED)
"""Everything in the database that is sealed under SECRET_KEY."""
_TOLD_EVERY = 10_000

group = AppGroup("keys")


@group.command("rotate")
def rotate() -> None:
    """Make a new signing key; the older one stays published until its last ID token is over."""
    try:
        with latchstring().sessions.begin() as session:
            kid = keys.rotate(session, settings().secret_key)
    except keys.NextKeyWaits as waits:
        raise click.ClickException(waits.sentence) from None
    click.echo(f"The next signing key is {kid}.")


@group.command("list")
def list_published() -> None:
    """Show the ids of the published keys."""
    with latchstring().sessions.begin() as session:
        for key in keys.public_keys(session, settings().secret_key):
            click.echo(key["kid"])


@group.command("reseal")
def reseal() -> None:
    """After SECRET_KEY was changed: seal everything anew under it. It may be stopped and run again (docs/keys.md)."""
    if not settings().secret_key_previous:
        raise click.ClickException("SECRET_KEY_PREVIOUS names no earlier key: there is nothing to seal anew.")
    try:
        _begin()
    except (Untrustworthy, OSError) as problem:
        raise click.ClickException(f"Checkpoints of the audit: {problem}") from None
    tallies = [_sealed_anew(sealed) for sealed in SEALED]
    refused = _vouch_for_audit()
    click.echo(f"{sum(tally.earlier for tally in tallies)} were sealed anew. flask doctor says what is left to do.")
    if unopened := sum(tally.unopened for tally in tallies):
        refused.append(
            f"{unopened} open under no key that is named, and stay as they are: name the key they were sealed under in "
            "SECRET_KEY_PREVIOUS, and run this again."
        )
    if refused:
        raise click.ClickException("\n".join(refused))


@group.command("end-recovery-codes")
def end_recovery_codes() -> None:
    """End the recovery codes that were made under earlier keys, and tell their owners, so that those keys may go."""
    before = begun_at()
    if before is None:
        raise click.ClickException("Nothing was ended: run flask keys reseal first, with every server on SECRET_KEY.")
    ended, some = 0, 1
    while some:
        with latchstring().sessions.begin() as session:
            some = second_factors.end_codes_of_earlier_key(session, before=before)
        ended += some
    click.echo(f"The recovery codes of {ended} accounts ended; their owners are told by mail.")


def begun_at() -> datetime | None:
    """Since when everything is made under the present key; None where it was not sealed anew under it yet."""
    session = verifier.reading(latchstring().engine)
    try:
        return resealing.begun_at(session, settings().secret_key)
    finally:
        session.end()


def last_checkpoint_is_earlier() -> bool:
    """Whether another key than the present one signed the audit's last checkpoint; raises Untrustworthy, OSError."""
    last = CheckpointLog(settings().checkpoints_folder).last()
    key = AuditKey(settings().secret_key)
    return last is not None and last.key_id != key.id and last.key_id in key.known


def _begin() -> None:
    """Note since when everything is made under the present key, once there is something of an earlier one."""
    if begun_at() is not None:
        return
    key, sessions = settings().secret_key, latchstring().sessions
    unopened = 0
    for one in SEALED:
        found = resealing.survey(sessions, key, one)
        if found.earlier:
            break
        unopened += found.unopened
    else:
        if not last_checkpoint_is_earlier():
            if unopened:
                # Told at the end; what opens under no key says nothing of which one seals now.
                return
            raise click.ClickException(
                "Nothing is under a key of SECRET_KEY_PREVIOUS. If it holds the coming key, this is step 1 of"
                " docs/keys.md: give that to SECRET_KEY first."
            )
    with sessions.begin() as session:
        resealing.begin(session, key)


def _sealed_anew(sealed: Sealed) -> Tally:
    tally = Tally()
    for tally in resealing.seal_anew(latchstring().sessions, settings().secret_key, sealed):
        if tally.all % _TOLD_EVERY == 0:
            click.echo(f"{sealed.name}: {tally.all} so far", err=True)
    lost = f", {tally.unopened} not opened" if tally.unopened else ""
    click.echo(f"{sealed.name}: {tally.earlier} sealed anew, {tally.present} were already{lost}.")
    return tally


def _vouch_for_audit() -> list[str]:
    """Let the present key vouch for the checkpoints of those that are named; what stands against it."""
    folder, key = CheckpointLog(settings().checkpoints_folder), AuditKey(settings().secret_key)
    try:
        last = folder.last()
        if last is None or last.key_id == key.id:
            click.echo("checkpoints of the audit: nothing to do.")
        elif last.key_id not in key.known:
            return [f"Checkpoints of the audit: {KeyChanged.sentence}"]
        else:
            with latchstring().sessions() as session:
                restoring.rotate_key(session, folder, key, operator=operator())
            click.echo(f"checkpoints of the audit: {key.id} vouches for them.")
    except (Untrustworthy, OSError) as refused:
        return [f"Checkpoints of the audit: {refused}"]
    return []
