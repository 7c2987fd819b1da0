"""`flask reports`: what the plan answers for in numbers."""

import click
from flask.cli import AppGroup

from service.plan.members import roster
from service.reports import disclosures, patient_access_usage, transfers
from service.web import latchstring, settings

group = AppGroup("reports")


@group.command("usage")
@click.option("--year", required=True, type=click.IntRange(2020, 2100), help="Of which calendar year.")
@click.option("--public", is_flag=True, help="Numbers below 11 are not told.")
def usage(year: int, public: bool) -> None:
    """Print the Patient Access API usage of a year as CSV (42 CFR 422.119(f)): by contract, plan or issuer within each
    line of business. Days that are over are counted first.
    """
    transfers.count_finished_days(latchstring().sessions, settings())
    with latchstring().sessions() as session:
        made = patient_access_usage.report(session, year)
    click.echo(patient_access_usage.as_csv(made, public=public), nl=False)
    if not made.is_complete:
        through = made.complete_through.isoformat() if made.complete_through else "no day"
        click.echo(f"{year} is not complete: counted through {through}.", err=True)
    if made.lacks_units:
        click.echo(
            f"{patient_access_usage.NO_UNIT}: members of whom the roster named no contract, plan or issuer as the day"
            " ended; give it a column report_unit (flask members load).",
            err=True,
        )
    if made.has_days_without_units:
        click.echo(
            f"{patient_access_usage.UNIT_NOT_KEPT}: days that an earlier version counted, by line of business alone;"
            " they cannot be told apart any more.",
            err=True,
        )


@group.command("disclosures")
@click.argument("member_number")
def account(member_number: str) -> None:
    """Print the accounting of disclosures of the member with MEMBER_NUMBER as CSV (45 CFR 164.528)."""
    with latchstring().sessions.begin() as session:
        member = roster.find_by_number(session, member_number)
        if member is None:
            raise click.ClickException("No member has this member number.")
        made = disclosures.begin_csv(session, member, by_account_id=None)
    for piece in made.pieces(latchstring().sessions):
        click.echo(piece, nl=False)
