"""A night for every test of alerts on a database."""

import pytest

from backend.wiring import Wiring
from faults.invariants import check
from tests.fakes import FakeClock
from tests.night import Night


@pytest.fixture
def night(wiring: Wiring, clock: FakeClock):
    """People and a worker; when the test is over, every invariant must hold."""
    made = Night(wiring, clock)
    yield made
    with made.database.reading() as session:
        check(session)
