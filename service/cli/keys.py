"""`flask keys`: keys that sign ID tokens."""

import click
from flask.cli import AppGroup

from oauth import keys
from service.web import latchstring, settings

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
