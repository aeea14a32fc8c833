"""The simulated town against the real server: everything it says is in the contract, and help arrives."""

import threading
import time
from pathlib import Path

import pytest

from backend.network.cli import import_feed
from backend.night_stops.policies import set_policy
from backend.night_stops.wishes import CODES
from backend.people.demo import load_demo
from backend.simulation.behaviour import Profile
from backend.simulation.run import Simulation, Wishes, read_accounts
from backend.simulation.wire import Counters

NETWORK = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
EXPECTED_REFUSALS = {"refused: already_taken", "refused: action_impossible", "refused: offer_expired",
                     "refused: alert_over", "refused: pin_wrong",
                     "refused: implausible",  # a machine that stalls lets two fixes arrive at once
                     "refused: busy", "socket refused: busy",  # and lets a lock be waited for too long; it is tried again
                     *(f"refused: {code}" for code in CODES)}  # fmt: skip


@pytest.fixture
def alive(town, clock, tmp_path):
    """The simulation at twenty times the pace of people, with accounts and a network."""
    import_feed(town.wiring.database, NETWORK, clock.now())
    file = tmp_path / "demo.json"
    with town.wiring.database.transaction() as session:
        load_demo(session, clock.now(), town.wiring.settings, teams=3, vehicles=2, path=file)
        for line in ("21", "N1"):
            set_policy(session, {"line_id": line, "starts": "00:00", "ends": "23:59", "valid_from": "2020-01-01"}, None,
                       clock.now())  # fmt: skip
    wishes = Wishes(
        url=town.url, live_url=town.url, teams=3, vehicles=2, riders=20, rate=300, speed=20, seed=7,
        profile=Profile(), tracks=[], night_stops=60,
    )  # fmt: skip
    counters, stop = Counters(), threading.Event()
    simulation = Simulation(wishes, read_accounts(file), counters, stop)
    yield simulation, counters
    stop.set()
    simulation.join(15)


def test_riders_are_heard_teams_come_and_the_operator_closes(alive, town, clock):
    simulation, counters = alive
    simulation.start()
    before = time.monotonic()
    until = before + 60
    wanted = ("alerts taken", "teams: accept", "teams: en route", "operator: seen", "team positions",
              "night stops asked", "night stops: driver asked", "night stops: driver: accept", "night stops: accepted")
    while time.monotonic() < until and not all(counters.all().get(what) for what in wanted):
        time.sleep(0.2)
        town.work()
        # As fast as the buses' own time: else they would seem to fly.
        clock.advance(time.monotonic() - before)
        before = time.monotonic()
    counts = counters.all()
    assert all(counts.get(what) for what in wanted), counts
    wrong = {what for what in counts if "refused" in what or "fell" in what} - EXPECTED_REFUSALS
    assert not wrong, counts
