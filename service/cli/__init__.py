"""The command line: `flask <group> <command>`. Each reads its arguments, calls one function, says what happened."""

import getpass
import os
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy.exc import OperationalError, ProgrammingError

from service.audit import told_by
from service.jobs import Job
from service.journal_files import Unreadable

GROUPS = {
    "apps": "Apps, and programs without a person.",
    "audit": "Who did what: verified, exported, purged.",
    "backup": "Copies of the database, and revocations done again after one was put back.",
    "conformance": "Checks a test system as the public suites do.",
    "fhir": "The plan's FHIR data.",
    "groups": "Lists of members for bulk export.",
    "keys": "Keys that sign ID tokens, and what lies sealed under SECRET_KEY.",
    "members": "The plan's roster.",
    "providers": "Provider groups, their addresses and practitioners.",
    "remittances": "What the plan paid providers (X12 835).",
    "reports": "What the plan answers for in numbers.",
    "sandbox": "A plan of invented people to try everything with.",
    "staff": "Who of the plan works in the staff console.",
    "worker": "What runs in the background.",
}
"""Each name is a module beside this one whose `group` holds the commands."""

COMMANDS = {"doctor": "Look this installation over and say what to mend."}
"""Each name is a module beside this one with a `command` that takes no argument."""


class DatabaseRefused(click.ClickException):
    """The database does not answer, or its schema is not ours."""

    def __init__(self, refused: OperationalError | ProgrammingError) -> None:
        # The first line alone: what follows may quote rows.
        why = str(refused.orig).partition("\n")[0]
        super().__init__(f"The database of DATABASE_URL said: {why}. Tables that are missing come with: make migrate")


class LateGroup(AppGroup):
    """A group whose commands are imported when one is asked for: web workers never pay for them."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; a database that is away or without tables, or a journal that is shut, is told in a line."""
        try:
            # Nobody runs the worker by hand, and the sandbox has no operator.
            with nullcontext() if self.name in {"worker", "sandbox"} else told_by(operator()):
                return super().invoke(context)
        except (OperationalError, ProgrammingError) as refused:
            raise DatabaseRefused(refused) from None
        except Unreadable as shut:
            raise click.ClickException(str(shut)) from None

    def list_commands(self, context: click.Context) -> list[str]:
        return self._group().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return self._group().get_command(context, name)

    def _group(self) -> click.Group:
        assert self.name
        group: click.Group = import_module(f"service.cli.{self.name}").group
        return group


def operator() -> str:
    """Who runs this command, by their name on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that nobody has given a name.
        return f"uid {os.getuid()}"


class LateCommand(click.Command):
    """A command by itself, imported when it is run."""

    def invoke(self, context: click.Context) -> Any:
        """Run the `command` of the module of this name."""
        assert self.name
        return context.invoke(import_module(f"service.cli.{self.name}").command)


def install(app: Flask, jobs: Sequence[Job] = ()) -> None:
    """Add every group of commands to `app`; `jobs` is what `worker run` does."""
    app.extensions["latchstring.jobs"] = tuple(jobs)
    for name, words in GROUPS.items():
        app.cli.add_command(LateGroup(name, help=words))
    for name, words in COMMANDS.items():
        app.cli.add_command(LateCommand(name, help=words))
