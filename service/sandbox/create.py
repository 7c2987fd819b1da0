"""Makes the sandbox plan: roster, records, payments, accounts and apps, streamed in constant memory."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from consent.policy import plan_system
from fhir.loading import ingest
from oauth.apps import clients
from service.databases.connections import PoolLimits
from service.db import make_engine, make_sessions
from service.plan.members import roster
from service.plan.models import Member
from service.sandbox import (
    accounts,
    app_developers,
    backend_apps,
    developer_apps,
    gather,
    member_lists,
    portal,
    provider_groups,
    remittances,
    representative_requests,
    sample_apps,
    sample_logos,
    schema,
)
from service.sandbox.plan import stream
from service.sandbox.plan.chart import patient_id
from service.sandbox.plan.codes import Resource
from service.sandbox.plan.identifiers import member_number
from service.sandbox.plan.payments import RUN
from service.settings import Settings

_BATCH = 4 * RUN


class CannotCreate(Exception):
    """The sandbox cannot be made or served here; the message says what to do."""


def require_sandbox(settings: Settings) -> None:
    """Raise CannotCreate in production: invented people with known passwords have no place there."""
    if not settings.sandbox:
        raise CannotCreate("This is a production installation (MODE). The sandbox is not for it.")


def create(settings: Settings, *, members: int, seed: int, console: Console) -> None:
    """Make the plan of `members` people from `seed`, or what is missing of it, and write the hand-out."""
    require_sandbox(settings)
    schema.bring_up_to_date(settings)
    engine = make_engine(settings.database_url)
    try:
        sessions = make_sessions(engine)
        with sessions() as session:
            _require_same_seed(session, seed)
        with sessions.begin() as session:
            provider_groups.ensure_groups(session, seed)
        _load(sessions, members, seed, settings.var / "remittances", console)
        with sessions.begin() as session:
            accounts.open_missing(session, settings, seed)
            portal.open_missing(session, settings)
            representative_requests.open_missing(session)
            sample_apps.register_missing(session, settings, sample_logos.draw)
            backend_apps.register_missing(session, settings)
            member_lists.make_missing(session)
            app_developers.open_missing(session, settings)
            developer_apps.open_missing(session, settings, sample_logos.draw)
    finally:
        engine.dispose()
    gather.write_for(settings)


def is_complete(settings: Settings) -> bool:
    """Whether the plan was made to its end: apps and accounts come last, in one transaction."""
    engine = make_engine(settings.database_url, PoolLimits(1))
    try:
        with make_sessions(engine)() as session:
            # All of them: a plan made by an older version lacks the newest.
            for app in sample_apps.SAMPLE_APPS:
                clients.get(session, app.client_id)
            programs = all(backend_apps.is_registered(session, app) for app in backend_apps.BACKEND_APPS)
            return programs and portal.is_complete(session) and app_developers.is_complete(session)
    except clients.NoSuchClient:
        return False
    finally:
        engine.dispose()


def _require_same_seed(session: Session, seed: int) -> None:
    first = session.scalar(select(Member.patient_id).where(Member.member_number == member_number(0)))
    if first is not None and first != patient_id(seed, 0):
        raise CannotCreate("This database holds the plan of another seed. Forget it first: make clean")


def _load(sessions: sessionmaker[Session], members: int, seed: int, folder: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Making members", total=members)
        records = _records(sessions, members, seed, folder, lambda made: progress.advance(task, made))
        resources = chain(stream.shared(seed), records)
        summary = ingest.load_resources(sessions, resources, access=plan_system("sandbox create"))
    for problem in summary.problems:
        console.print(str(problem), highlight=False)
    console.print(f"{members} members with {summary.read - summary.rejected} resources.", highlight=False)


def _records(
    sessions: sessionmaker[Session], members: int, seed: int, folder: Path, advance: Callable[[int], None]
) -> Iterator[Resource]:
    """The records of every member in turn; a batch enters the roster before its records are drawn, is paid after."""
    people = stream.members(members, seed)
    while batch := list(islice(people, _BATCH)):
        with sessions.begin() as session:
            roster.load_rows(session, (person.roster for person in batch))
        for person in batch:
            yield from person.resources
        remittances.load(sessions, batch, seed, folder)
        advance(len(batch))
