"""A sandbox behind a proxy that can misbehave, for all tests of this folder, and trials against it."""

from collections.abc import Iterator

import pytest
from rich.console import Console

from fhir.loading import profiles
from service.conformance import sandbox_file
from service.conformance.trial import Trial
from service.conformance.wire import Wire
from service.sandbox import create, prepare
from service.settings import Settings
from tests.conformance.proxy import Proxy
from tests.conftest import LiveServer, free_port, running_server, running_worker


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """A database without tables: making the sandbox brings them."""
    return empty_database_url


@pytest.fixture
def sandbox_server(settings: Settings) -> Iterator[LiveServer]:
    """A sandbox on this database, served by two workers."""
    server = running_server(settings)
    make_sandbox(server.settings)
    with server as running, running_worker(running.settings):
        yield running


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy in front of a running server on SQLite, whose address is the one that people use."""
    var, port = tmp_path_factory.mktemp("var"), free_port()
    settings = Settings.from_environment({"VAR": str(var), "BASE_URL": f"http://127.0.0.1:{port}"})
    make_sandbox(settings)
    with (
        running_server(settings, workers=1, base_url=settings.base_url) as server,
        running_worker(settings),
        Proxy(port, server, settings) as made,
    ):
        yield made


@pytest.fixture
def trial(proxy: Proxy) -> Trial:
    """A fresh trial against the proxy, which behaves until a test says otherwise."""
    proxy.misdeed = None
    return Trial(Wire(), sandbox_file.read(proxy.settings.sandbox_file), definitions=profiles)


def make_sandbox(settings: Settings) -> None:
    """The schema, the plan, its sign-ins and apps, and the hand-out."""
    create.create(settings, members=prepare.DEFAULT_MEMBERS, seed=1, console=Console(quiet=True))
