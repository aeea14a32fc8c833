"""An application to compare with the contract."""

from collections.abc import Iterator

import pytest
from flask import Flask

from backend.app import create_app
from backend.settings import Settings
from backend.wiring import wire
from tests.contract.conformance import check_answers
from tests.contract.inhabited import Inhabited, inhabit
from tests.fakes import FakeClock
from tests.migrated import HEAD, Copies, settings


@pytest.fixture(scope="session")
def contract_app() -> Flask:
    """The application, to look at; its database is never opened."""
    return create_app(wire(Settings(environment="test"), FakeClock()))


@pytest.fixture(scope="module")
def inhabited(engine_name: str, request: pytest.FixtureRequest) -> Iterator[Inhabited]:
    """The application with people and an alert in it; an answer that breaks the contract fails the test."""
    copies: Copies = request.getfixturevalue(f"{engine_name}_copies")
    url = copies.copy(HEAD)
    made = wire(settings(url), FakeClock())
    app = create_app(made)
    check_answers(app, made.contract)
    yield inhabit(app, made)
    made.database.dispose()
    copies.drop(url)
