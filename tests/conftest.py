"""What every test may ask for: a clock it commands, databases of both kinds, the app, and a town."""

import contextlib
import ipaddress
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.database import Database
from backend.wiring import Wiring, wire
from tests import migrated, postgres
from tests.fakes import FakeClock

# No example is too slow: the machine is shared. CI repeats the same examples, so that a change alone can turn it red.
hypothesis.settings.register_profile(
    "vigie", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("ci", hypothesis.settings.get_profile("vigie"), derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "vigie")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if TYPE_CHECKING:
    from tests.town import Town

ENGINES = ("sqlite", "postgres")
_outside: list[str] = []


def _watch(event: str, args: tuple[object, ...]) -> None:
    """Refuses any connection that leaves this machine, in whatever thread it is tried."""
    if event != "socket.connect":
        return
    address = args[1]
    if isinstance(address, tuple):
        try:
            if ipaddress.ip_address(str(address[0])).is_loopback:
                return
        except ValueError:
            pass
        _outside.append(str(address))
        message = f"a test tried to reach {address}: tests talk to 127.0.0.1 only"
        raise PermissionError(message)


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def outside() -> Iterator[list[str]]:
    """Fails the test that tried to leave the machine, even where the code swallowed the refusal."""
    _outside.clear()
    yield _outside
    assert not _outside, f"the code tried to reach {_outside}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs_data"):
        missing = [name for name in mark.args if not (DATA / name).exists()]
        if missing:
            pytest.skip(f"needs {', '.join(missing)} in {DATA} (real data is not part of the project)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test on both databases as soon as it touches one, directly or through app, client or town."""
    if "engine_name" in metafunc.fixturenames:
        only_postgres = metafunc.definition.get_closest_marker("postgres_only")
        metafunc.parametrize("engine_name", ENGINES[1:] if only_postgres else ENGINES, scope="session")


@pytest.fixture(scope="session")
def data() -> Path:
    """Real networks, recordings and malformed feeds; mark the test needs_data("name")."""
    return DATA


@pytest.fixture
def clock() -> FakeClock:
    """A clock at 21:00 UTC that only `clock.advance(seconds)` moves."""
    return FakeClock()


@pytest.fixture(scope="session")
def sqlite_copies() -> Iterator[migrated.SqliteCopies]:
    """Makes SQLite files, in memory where the machine has enough of it."""
    with tempfile.TemporaryDirectory(prefix="vigie-sqlite-", dir=postgres.fast_folder()) as folder:
        yield migrated.SqliteCopies(Path(folder))


@pytest.fixture(scope="session")
def postgres_copies() -> Iterator[migrated.PostgresCopies]:
    """Makes PostgreSQL databases, on TEST_DATABASE_URL's server or on one of the tests' own."""
    with contextlib.ExitStack() as stack:
        server = os.environ.get("TEST_DATABASE_URL") or stack.enter_context(postgres.running()).url("postgres")
        yield stack.enter_context(contextlib.closing(migrated.PostgresCopies(server)))


@pytest.fixture
def copies(engine_name: str, request: pytest.FixtureRequest) -> migrated.Copies:
    """Makes databases of the kind that this test runs on."""
    made: migrated.Copies = request.getfixturevalue(f"{engine_name}_copies")
    return made


@pytest.fixture
def database_url(copies: migrated.Copies) -> Iterator[str]:
    """The address of a migrated, empty database that nobody else uses."""
    url = copies.copy(migrated.HEAD)
    yield url
    copies.drop(url)


@pytest.fixture
def wiring(database_url: str, clock: FakeClock) -> Iterator[Wiring]:
    """The parts of one process on an empty database, with the clock that the test commands."""
    made = wire(migrated.settings(database_url), clock)
    yield made
    made.database.dispose()


@pytest.fixture
def database(wiring: Wiring) -> Database:
    """A migrated, empty database: the test runs once on SQLite and once on PostgreSQL."""
    return wiring.database


@pytest.fixture
def app(wiring: Wiring) -> Flask:
    """The whole application, web and live, with nothing started; an answer outside the contract fails the test."""
    from backend.app import create_app
    from tests.contract.conformance import check_answers

    made = create_app(wiring, ("web", "live"))
    check_answers(made, wiring.contract)
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Asks the application without a server."""
    return app.test_client()


@pytest.fixture
def town(wiring: Wiring, clock: FakeClock) -> "Iterator[Town]":
    """A running server with real sockets, and people to tell a story with; time stands still between its lines."""
    from tests.town import Town, serving

    with serving(wiring) as (url, work, settle):
        made = Town(wiring, clock, url, work, settle)
        yield made
        made.leave()
        assert not made.outside, "outside the contract: " + "; ".join(made.outside[:10])
