"""`flask worker`: what runs in the background."""

import signal

import click
from flask import current_app
from flask.cli import AppGroup

from service.jobs import Worker
from service.web import latchstring, settings

group = AppGroup("worker")


@group.command("run")
@click.option("--once", is_flag=True, help="Run every job once and end.")
def run(once: bool) -> None:
    """Deliver mail and clean up until SIGTERM or Ctrl-C."""
    if latchstring().journal.must_replay(latchstring().sessions):
        raise click.ClickException("The database is older than the journal of revocations: flask backup replay")
    worker = Worker(latchstring().sessions, settings(), current_app.extensions["latchstring.jobs"])
    if once:
        if broken := worker.run_once():
            raise click.ClickException(
                f"These jobs broke: {', '.join(broken)}. The lines above (job_failed) say where."
            )
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
