"""The command line: `flask <group> <command>`. Each reads its arguments, calls one function, says what happened."""

from collections.abc import Sequence
from importlib import import_module

import click
from flask import Flask
from flask.cli import AppGroup

from service.jobs import Job

GROUPS = {
    "fhir": "The plan's FHIR data.",
    "keys": "Keys that sign ID tokens.",
    "members": "The plan's roster.",
    "sandbox": "A plan of invented people to try everything with.",
    "worker": "What runs in the background.",
}
"""Each name is a module beside this one whose `group` holds the commands."""


class LateGroup(AppGroup):
    """A group whose commands are imported when one is asked for: web workers never pay for them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return self._group().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return self._group().get_command(context, name)

    def _group(self) -> click.Group:
        assert self.name
        group: click.Group = import_module(f"service.cli.{self.name}").group
        return group


def install(app: Flask, jobs: Sequence[Job] = ()) -> None:
    """Add every group of commands to `app`; `jobs` is what `worker run` does."""
    app.extensions["latchstring.jobs"] = tuple(jobs)
    for name, words in GROUPS.items():
        app.cli.add_command(LateGroup(name, help=words))
