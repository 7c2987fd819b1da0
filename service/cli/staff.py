"""`flask staff`: who works in the staff console, and which members they are. The console itself appoints nobody."""

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from service.accounts.authentication import find_by_username
from service.accounts.models import Account
from service.cli import second_person
from service.plan.members import roster
from service.plan.models import ActKind, PendingAct, PlanStaff, StaffRole
from service.plan.staff import plan_staff, record_guards, second_looks, staff_roles
from service.plan.staff.asked_by_command import BrokenGlass
from service.plan.staff.second_looks import SecondLookRefused
from service.web import latchstring

group = AppGroup("staff")


@group.command("appoint")
@click.argument("username")
@click.argument(
    "roles", nargs=-1, required=True, metavar="ROLE...", type=click.Choice([role.value for role in StaffRole])
)
@second_person.reason
@second_person.glass
def appoint(username: str, roles: tuple[str, ...], reason: str, break_glass: str | None) -> None:
    """Give the account with this user name these roles, in place of the ones it has.

    Roles: member_services, app_reviewer, provider_services, privacy_officer, administrator. Where one of them is new,
    an administrator says yes in the staff console first, within 48 hours (Waiting for a second person); until then all
    stays as it is. The very first administrator needs nobody.
    """
    wanted, command = {StaffRole(role) for role in roles}, second_person.command(reason, break_glass)
    made: PlanStaff | PendingAct
    broken: BrokenGlass | None = None
    with latchstring().sessions.begin() as session:
        account = _account(session, username)
        try:
            if command.breaks_glass:
                made, broken = staff_roles.break_glass(session, account, wanted, command)
            else:
                made = staff_roles.appoint(session, account, wanted, command)
        except SecondLookRefused as refusal:
            raise click.ClickException(refusal.sentence) from None
    if isinstance(made, PlanStaff):
        click.echo(f"Appointed: {_line(made)}. The person signs in anew.")
    else:
        until = second_person.until(made)
        click.echo(f"Asked for: {account.username} is given the roles {until}. Nothing was changed yet.")
    if broken is not None:
        second_person.say_broken(broken)


@group.command("end")
@click.argument("username")
def end(username: str) -> None:
    """Take the place in the staff console away and end the sign-ins of this person."""
    with latchstring().sessions.begin() as session:
        staff = plan_staff.find(session, _account(session, username))
        if staff is None:
            raise click.ClickException(f"{username} has no place in the staff console. Who has: flask staff list")
        plan_staff.end(session, staff, by_account_id=None)
        click.echo(f"Ended: {staff.account.username}.")


@group.command("is-member")
@click.argument("username")
@click.argument("member_number")
def is_member(username: str, member_number: str) -> None:
    """Keep which member a person of the plan is, so that colleagues open that record with a second reason only."""
    with latchstring().sessions.begin() as session:
        staff = plan_staff.find(session, _account(session, username))
        member = roster.find_by_number(session, member_number)
        if staff is None:
            raise click.ClickException(f"{username} has no place in the staff console. Who has: flask staff list")
        if member is None:
            raise click.ClickException("No member has this member ID.")
        record_guards.know_colleague(session, staff, member)
        click.echo(f"Kept: {staff.account.username} is a member.")


@group.command("list")
def show() -> None:
    """Everybody with a place in the staff console, a line each."""
    with latchstring().sessions() as session:
        every = plan_staff.serving(session)
        for staff in every:
            click.echo(_line(staff))
        for act in second_looks.list_waiting(session):
            if act.kind is ActKind.STAFF_ROLES:
                [change] = act.content["changes"]
                click.echo(f"Waits for an administrator: {change['what']}: {change['after']}")
    if not every:
        click.echo("Nobody yet. The first: flask staff appoint USERNAME administrator", err=True)


def _account(session: Session, username: str) -> Account:
    found = find_by_username(session, username)
    if found is None:
        raise click.ClickException(f"There is no account with the user name {username}. The person registers first.")
    return found


def _line(staff: PlanStaff) -> str:
    return f"{staff.account.username} ({staff.account.full_name}): {', '.join(staff.roles)}"
