"""What the sandbox needs before it can be served: the newest schema, a plan, and a hand-out for this address."""

from rich.console import Console

from service.sandbox import create, gather, schema
from service.settings import Settings

DEFAULT_MEMBERS = 12
DEFAULT_SEED = 1


def prepare(settings: Settings, console: Console) -> None:
    """Bring the schema up to date, make the plan if there is none, and write the hand-out."""
    create.require_sandbox(settings)
    if schema.bring_up_to_date(settings):
        console.print("The database has the newest schema.")
    if create.is_complete(settings):
        gather.write_for(settings)
    else:
        create.create(settings, members=DEFAULT_MEMBERS, seed=DEFAULT_SEED, console=console)
