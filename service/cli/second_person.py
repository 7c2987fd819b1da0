"""Commands that one person cannot carry out alone: what they are given for that, and what they say of it."""

import click

from service.cli import operator
from service.plan.models import PendingAct
from service.plan.staff.asked_by_command import BrokenGlass, Command

_LONGEST = 500

reason = click.option("--reason", default="", help="Why, for the administrator who is asked.")
glass = click.option(
    "--break-glass", metavar="REASON", help="Do it now; administrators and privacy officers hear of it."
)


def command(reason: str, break_glass: str | None) -> Command:
    """Who asks, and why; raises ClickException for a glass broken without a reason, or a reason that is too long."""
    if break_glass is not None and not break_glass.strip():
        raise click.ClickException("--break-glass needs a reason.")
    given = reason if break_glass is None else break_glass
    if len(given) > _LONGEST:
        raise click.ClickException(f"A reason has {_LONGEST} letters at most.")
    return Command(operator(), given.strip(), breaks_glass=break_glass is not None)


def until(act: PendingAct) -> str:
    """Who is waited for, where and how long."""
    return f"when an administrator has said yes in the staff console, by {act.expires_at:%Y-%m-%d %H:%M} UTC"


def say_broken(broken: BrokenGlass) -> None:
    """Say that nobody else looked at it, and who is told of that."""
    names = ", ".join(one.account.username for one in broken.told)
    told = (
        f"Told by mail: {names}." if names else "Nobody could be told: nobody else is administrator or privacy officer."
    )
    click.echo(f"This was done without a second person. {told}", err=True)
