"""`flask sandbox`: a plan of invented people, made and served."""

import os
from pathlib import Path

import click
from flask.cli import AppGroup
from rich.console import Console

from service.sandbox import codes, create, data_members, mail_catcher, prepare, serve
from service.web import latchstring, settings

group = AppGroup("sandbox")


@group.command("create")
@click.option("--members", default=prepare.DEFAULT_MEMBERS, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=prepare.DEFAULT_SEED, show_default=True, help="The same seed gives the same plan.")
def create_plan(members: int, seed: int) -> None:
    """Make a plan of invented members with claims, clinical records, sign-ins and apps."""
    try:
        create.create(settings(), members=members, seed=seed, console=Console())
    except create.CannotCreate as refused:
        raise click.ClickException(str(refused)) from None


@group.command("add-members")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def add_members(folder: Path) -> None:
    """Let the members of FOLDER's members.csv sign in; their records are loaded before (flask fhir load FOLDER)."""
    try:
        create.require_sandbox(settings())
        found = data_members.add(latchstring().sessions, settings(), folder)
    except (create.CannotCreate, data_members.NoRoster) as refused:
        raise click.ClickException(str(refused)) from None
    click.echo(f"{len(found)} can sign in: {', '.join(found)}.")


@group.command("prepare")
def prepare_plan() -> None:
    """Make what is missing before the sandbox can be served: schema, plan, hand-out."""
    try:
        prepare.prepare(settings(), Console())
    except create.CannotCreate as refused:
        raise click.ClickException(str(refused)) from None


@group.command("serve")
@click.option("--host", default=lambda: os.environ.get("HOST", "127.0.0.1"), help="HOST, or 127.0.0.1.")
@click.option("--port", default=lambda: int(os.environ.get("PORT", "8000")), type=int, help="PORT, or 8000.")
def serve_plan(host: str, port: int) -> None:
    """Serve the sandbox: web server, worker and mail catcher until Ctrl-C."""
    try:
        serve.serve(settings(), host=host, port=port)
    except serve.CannotServe as refused:
        raise click.ClickException(str(refused)) from None


@group.command("catch-mail")
def catch_mail() -> None:
    """Receive every mail on SMTP_PORT and keep it under var/mail."""
    mail_catcher.run(settings())


@group.command("code")
@click.argument("username")
def code(username: str) -> None:
    """Print the 6 digits that the authenticator app of this sign-in shows now."""
    try:
        create.require_sandbox(settings())
        digits, seconds = codes.current(settings(), username)
    except (create.CannotCreate, codes.NoFactor) as refused:
        raise click.ClickException(str(refused)) from None
    click.echo(digits)
    click.echo(f"Works once, for {seconds} more seconds.", err=True)
