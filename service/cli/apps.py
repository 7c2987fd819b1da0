"""`flask apps`: which apps there are, programs without a person registered, and what changes an app's standing.

Apps of people are registered by their developers. Who may run a program without a person is agreed with the plan: what
lets one in, or gives it other keys or another secret, waits for an administrator's yes (`oauth.apps.programs`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from oauth.apps import changes, clients, organizations, own_apps, programs, reviews
from oauth.apps.clients import BackendBasis, ClientKind, ClientRefused, ClientView, NoSuchClient
from oauth.apps.models import DeveloperOrganization
from oauth.apps.organizations import OrganizationLine
from oauth.apps.own_apps import OrganizationDisabled
from oauth.apps.registration import PLAN_SCOPES, PROVIDER_SCOPES, Registration
from oauth.apps.reviews import ReviewRefused
from service.cli import second_person
from service.plan.models import ActKind, OrganizationKind, PendingAct
from service.plan.providers import numbers
from service.plan.registering.joining import find_organization
from service.plan.staff import second_looks
from service.plan.staff.second_looks import SecondLookRefused
from service.web import latchstring, settings

group = AppGroup("apps")
_MOST = 10_000
_keys_file = click.option(
    "--jwks", "keys", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with its public keys."
)
_keys_address = click.option("--jwks-uri", "address", help="Where its public keys stand (https).")


@group.command("list")
def show() -> None:
    """Every app, a line each: id, standing, kind, way of proof, name, whose. Then what waits for an administrator."""
    with latchstring().sessions() as session:
        every = clients.list_clients(session, limit=_MOST)
        waiting = [act for act in second_looks.list_waiting(session) if act.kind in programs.KINDS]
    for app in every:
        click.echo(_line(app))
    for act in waiting:
        click.echo(f"Waits for an administrator, until {act.expires_at:%Y-%m-%d %H:%M} UTC: {_asked(act)}")
    if not every:
        click.echo("No app is registered yet.", err=True)


@group.command("register")
@click.argument("name")
@click.option("--developer", required=True, help="Who answers for it.")
@click.option("--contact", help="E-mail address or telephone of the developer.")
@_keys_file
@_keys_address
@click.option("--provider", help="Tax ID of the portal's organization whose program it is; the plan's own without.")
@click.option("--scopes", help="What it may ask for, system/ scopes only; what its kind may read without.")
@click.option("--may-introspect", is_flag=True, help="It may ask about tokens of other apps (a resource server).")
@click.option("--dpop-bound", is_flag=True, help="It gets no token without proving a key (DPoP, RFC 9449).")
@second_person.reason
@second_person.glass
def register(
    name: str, developer: str, contact: str | None, keys: Path | None, address: str | None, provider: str | None,
    scopes: str | None, *, may_introspect: bool, dpop_bound: bool, reason: str, break_glass: str | None,
) -> None:  # fmt: skip
    """Register a program without a person (SMART Backend Services), by its public keys or their address.

    It reads what no member was asked for, so an administrator says yes in the staff console first, within 48 hours
    (Waiting for a second person); until then it gets no token.
    """
    command = second_person.command(reason, break_glass)
    with _telling() as session:
        app = Registration(
            name=name,
            developer_name=developer,
            contact=contact,
            kind=ClientKind.BACKEND,
            jwks=_read(keys) if keys else None,
            jwks_uri=address,
            backend_basis=BackendBasis.PROVIDER if provider else BackendBasis.PLAN,
            provider_organization_id=_organization_id(session, provider) if provider else None,
            scopes=scopes or (PROVIDER_SCOPES if provider else PLAN_SCOPES),
            may_introspect=may_introspect,
            dpop_bound_access_tokens=dpop_bound,
        )
        client_id, outcome = programs.register(session, app, command, settings=settings())
    if isinstance(outcome, PendingAct):
        told = f"Asked for: the program is registered {second_person.until(outcome)}. It gets no token before."
    else:
        told = "Registered."
        second_person.say_broken(outcome)
    click.echo(f"{told} Its client_id: {client_id}")


@group.command("set-keys")
@click.argument("client_id")
@_keys_file
@_keys_address
@second_person.reason
@second_person.glass
def set_keys(
    client_id: str, keys: Path | None, address: str | None, reason: str, break_glass: str | None
) -> None:  # fmt: skip
    """Give an app that proves itself by a key other keys; the ones before end at once.

    Those of a program without a person wait for an administrator's yes in the staff console, and the ones before work
    until then.
    """
    command = second_person.command(reason, break_glass)
    with _telling() as session:
        given = _read(keys) if keys else None
        outcome = programs.replace_keys(session, client_id, given, address, command, settings=settings())
    if isinstance(outcome, PendingAct):
        click.echo(
            f"Asked for: its keys are replaced {second_person.until(outcome)}. Nothing was changed yet. If those that"
            f" it has have leaked, shut it out meanwhile: flask apps suspend {client_id} --reason …"
        )
        return
    click.echo("Its keys are replaced.")
    if outcome is not None:
        second_person.say_broken(outcome)


@group.command("suspend")
@click.argument("client_id")
@click.option("--reason", required=True, help="For the record.")
def suspend(client_id: str, reason: str) -> None:
    """Shut an app out at once, until it is resumed."""
    with _telling() as session:
        reviews.suspend(session, client_id, reason=reason, settings=settings())
    click.echo("Suspended.")


@group.command("resume")
@click.argument("client_id")
@click.option("--reason", required=True, help="For the record.")
def resume(client_id: str, reason: str) -> None:
    """Let a suspended app in again; what members allowed it stands as before."""
    with _telling() as session:
        reviews.reinstate(session, client_id, reason=reason, settings=settings())
    click.echo("Resumed.")


@group.command("narrow")
@click.argument("client_id")
@click.argument("scopes")
@click.option("--reason", required=True, help="For the record, and for its developers to read.")
def narrow(client_id: str, scopes: str, reason: str) -> None:
    """Let an app ask for SCOPES alone, of those it has; what is connected goes on with the rest at once."""
    with _telling() as session:
        changes.narrow(session, client_id, scopes, reason=reason)
    click.echo("Narrowed.")


@group.command("retire")
@click.argument("client_id")
@click.option("--reason", required=True, help="For the record.")
def retire(client_id: str, reason: str) -> None:
    """Close an app for good."""
    with _telling() as session:
        reviews.retire(session, client_id, reason=reason, settings=settings())
    click.echo("Retired.")


@group.command("organizations")
@click.argument("sought", default="")
def list_organizations(sought: str) -> None:
    """Developer organizations, a line each: id, standing, apps, people, name; those alone that SOUGHT fits."""
    count, page = 0, 1
    with latchstring().sessions() as session:
        while page:
            found = organizations.search(session, sought, page=page)
            for line in found.lines:
                click.echo(_organization_line(line))
            count, page = count + len(found.lines), page + 1 if found.has_more else 0
    if not count:
        click.echo("No developer organization fits." if sought else "No developer has signed up yet.", err=True)


@group.command("adopt")
@click.argument("client_id")
@click.argument("organization")
def adopt(client_id: str, organization: str) -> None:
    """Give an app that belongs to nobody, as one that a program registered, to a developer ORGANIZATION (name or id).

    From then on its people manage it, and the program's registration token manages it no more.
    """
    with _telling() as session:
        found = _developer_organization(session, organization)
        try:
            own_apps.take_over(session, client_id, found)
        except OrganizationDisabled:
            raise click.ClickException(
                "The plan has shut this organization out. Let it in again first, at Developer organizations of the "
                "staff console. Nothing was changed."
            ) from None
        told = f"{found.name} has the app now. Its registration token, if it had one, manages it no more."
    click.echo(told)


@group.command("rotate-secret")
@click.argument("client_id")
@second_person.reason
@second_person.glass
def rotate_secret(client_id: str, reason: str, break_glass: str | None) -> None:
    """Give an app a new secret, shown here once; the one before works for another day.

    That of a program that may ask about tokens of other apps counts from an administrator's yes in the staff console
    on, and the day of the one before begins then.
    """
    command = second_person.command(reason, break_glass)
    with _telling() as session:
        secret, outcome = programs.rotate_secret(session, client_id, command)
    click.echo(secret)
    if isinstance(outcome, PendingAct):
        click.echo(
            f"Asked for: the secret counts {second_person.until(outcome)}, and never if nobody does. It is shown this"
            " once. Nothing was changed yet.", err=True,
        )  # fmt: skip
    elif outcome is not None:
        second_person.say_broken(outcome)


@contextmanager
def _telling() -> Iterator[Session]:
    """A database session that commits, or tells in a line why not."""
    try:
        with latchstring().sessions.begin() as session:
            yield session
    except NoSuchClient:
        raise click.ClickException("There is no app with this client_id. Which there are: flask apps list") from None
    except ClientRefused as refused:
        raise click.ClickException(refused.reason) from None
    except (ReviewRefused, SecondLookRefused) as refused:
        raise click.ClickException(refused.sentence) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise click.ClickException(f"{path.name} is not JSON.") from None
    if not isinstance(found, dict):
        raise click.ClickException(f'{path.name} is no key set: {{"keys": [...]}}.')
    return found


def _organization_id(session: Session, tax_id: str) -> str:
    try:
        found = find_organization(session, OrganizationKind.PROVIDER, numbers.tax_id(tax_id))
    except numbers.UnusableNumber:
        raise click.ClickException("A Tax ID has nine digits.") from None
    if found is None:
        raise click.ClickException("No provider organization of the portal has this Tax ID. It registers first.")
    return found.id


def _developer_organization(session: Session, name_or_id: str) -> DeveloperOrganization:
    found = organizations.find_by_name(session, name_or_id)
    if not found:
        raise click.ClickException(
            "No developer organization has this id or exactly this name. Which there are: flask apps organizations"
        )
    if len(found) > 1:
        told = ", ".join(f"{one.id} ({one.website})" for one in found)
        raise click.ClickException(f"Several developer organizations have this name. Please give the id of one: {told}")
    return found[0]


def _organization_line(line: OrganizationLine) -> str:
    one = line.organization
    standing = "stands" if one.stands else "disabled"
    return f"{one.id}  {standing}  apps: {line.apps}  people: {line.people}  {one.name}, {one.website}"


def _line(app: ClientView) -> str:
    whose = f" ({app.backend_basis.value})" if app.backend_basis else ""
    method = app.token_endpoint_auth_method.value
    return f"{app.id}  {app.status.value}  {app.kind.value}{whose}  {method}  {app.name}, {app.developer_name}"


def _asked(act: PendingAct) -> str:
    deed = "registered, client_id" if act.kind is ActKind.PROGRAM_REGISTRATION else "other credentials, client_id"
    return f"{act.content['app']}: {deed} {act.content.get('program', act.subject_id)}"
