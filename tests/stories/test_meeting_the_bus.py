"""An alert in a moving bus, told with real sockets: the team ahead meets it, and another stop when it moves on."""

from pathlib import Path

import pytest

from backend.network.cli import import_feed
from backend.network.index import network_of
from tests.geodesy import moved

NETWORK = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NUMBER = "7518"


def fix(point, **said):
    return {"latitude": point.latitude, "longitude": point.longitude, "accuracy_m": 6, "provider": "gnss", **said}


class Bus:
    """A bus on line 518 that drives where the story says."""

    def __init__(self, town, pattern):
        self.town, self.pattern = town, pattern
        self.driver = town.driver(NUMBER, "518", connected=False)
        self.measure_m = 0.0

    def drives(self, to_m, mps=9.0, every_s=5):
        """Time passes while the bus drives to a place of its way."""
        way = self.pattern.way
        while self.measure_m < to_m:
            self.measure_m = min(self.measure_m + mps * every_s, to_m)
            self.town.wait(every_s)
            here = fix(way.point_at(self.measure_m), speed_mps=mps, heading_deg=way.heading_at(self.measure_m))
            answer = self.driver.post("/v1/driver/positions", {"points": [here]})
            assert answer["accepted"] == 1, answer
            self.town.settle()


@pytest.fixture
def pattern(town):
    import_feed(town.wiring.database, NETWORK, town.clock.now())
    with town.wiring.database.reading() as session:
        return network_of(session).patterns_of("518", 0)[0]


@pytest.fixture
def bus(town, pattern):
    bus = Bus(town, pattern)
    bus.drives(pattern.stops[1].measure_m + 60)
    return bus


def stand(team, point):
    assert team.post("/v1/agent/positions", {"points": [fix(point)]})["accepted"] == 1
    team.town.settle()


def coming(bus, least_s):
    """The first stop that the bus reaches in so many seconds at least."""
    found = bus.driver.get(f"/v1/vehicles/{NUMBER}")["next_stops"]
    stop_id = next(stop["stop_id"] for stop in found if stop["eta_s"] >= least_s)
    return next(stop for stop in bus.pattern.stops if stop.stop_id == stop_id)


def test_the_team_ahead_meets_the_bus_and_is_sent_on_when_it_has_passed(town, bus):
    behind, ahead, room, rider = town.team(None), town.team(None), town.operator(), town.rider()
    stand(behind, moved(bus.pattern.way.point_at(bus.measure_m - 120), 0, 60))
    stop = coming(bus, 100)
    stand(ahead, moved(stop.point, 0, 30))

    alert = rider.raises("assault", place={"vehicle_number": NUMBER}, position=None)
    offer = ahead.offered(alert)
    behind.hears_nothing("assignment.offered")
    reason = offer["reasons"][0]
    assert (reason["code"], reason["stop_id"], reason["stop"]) == ("intercept_stop", stop.stop_id, stop.name)
    assert reason["value"] == offer["meet_at"]["in_s"] >= 60
    assert offer["meet_at"]["stop_id"] == stop.stop_id
    situation = room.sees(alert)["place"]["situation"]
    assert (situation["line_id"], situation["direction_id"], situation["vehicle_number"]) == ("518", 0, NUMBER)
    assert situation["next_stop"]["stop_id"] == coming(bus, 0).stop_id
    assert offer["alert"]["place"]["situation"]["next_stop"] == situation["next_stop"]

    ahead.does("accept", offer)
    ahead.does("en-route", offer)
    bus.drives(stop.measure_m - 200)
    stand(ahead, moved(stop.point, 0, 30))
    ahead.hears_nothing(
        "assignment.changed", lambda data: (data["assignment"]["meet_at"] or {}).get("stop_id") != stop.stop_id
    )

    bus.drives(stop.measure_m + 150)
    stand(ahead, moved(stop.point, 0, 30))
    bus.drives(bus.measure_m + 9 * 35)
    changed = ahead.hears(
        "assignment.changed", lambda data: (data["assignment"]["meet_at"] or {}).get("stop_id") != stop.stop_id
    )
    new = changed["assignment"]["meet_at"]
    if new is not None:
        later = next(one for one in bus.pattern.stops if one.stop_id == new["stop_id"])
        assert later.measure_m > bus.measure_m - 9 * 35
    assert changed["assignment"]["version"] > offer["version"]
    log = room.get(f"/v1/control/alerts/{alert.id}")["timeline"]
    assert "meeting_changed" in [entry["action"] for entry in log]
    now = room.sees(alert)["place"]["situation"]
    assert now["previous_stop"] != situation["previous_stop"]


def test_a_team_aboard_needs_no_meeting(town, bus):
    aboard, ahead, rider = town.team(None), town.team(None), town.rider()
    assert aboard.post(
        "/v1/agent/positions", {"points": [fix(bus.pattern.way.point_at(bus.measure_m), vehicle_number=NUMBER)]}
    )
    stand(ahead, coming(bus, 100).point)
    alert = rider.raises("assault", place={"vehicle_number": NUMBER}, position=None)
    offer = aboard.offered(alert)
    assert offer["reasons"][0]["code"] == "same_vehicle"
    assert offer["meet_at"] is None


def test_two_alerts_in_one_bus_a_kilometre_apart_are_suggested_as_one(town, bus):
    room = town.operator()
    town.team(300)
    first, second = town.rider(), town.rider()
    here = bus.pattern.way.point_at(bus.measure_m)
    one = first.raises("assault", place={"vehicle_number": NUMBER}, position=fix(here))
    town.work()
    bus.drives(bus.measure_m + 900)
    # The second one does not read the number: her phone is in the bus, on the line that she names.
    there = moved(bus.pattern.way.point_at(bus.measure_m), 0, 5)
    two = second.raises("assault", place={"line_id": "518"}, position=fix(there))
    town.work()
    seen = room.sees(two)
    assert seen["place"]["situation"]["vehicle_number"] == NUMBER
    assert seen["similar"] == [one.id]


def test_a_bus_that_fell_silent_gives_no_stops(town, bus):
    room, rider = town.operator(), town.rider()
    town.team(300)
    town.wait(95)
    alert = rider.raises("assault", place={"vehicle_number": NUMBER}, position=None)
    town.work()
    situation = room.sees(alert)["place"]["situation"]
    assert (situation["line_id"], situation["previous_stop"], situation["next_stop"]) == ("518", None, None)
