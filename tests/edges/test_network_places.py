"""A line's way and stops, what is near, and a vehicle on its line, as phones ask for them."""

import contextlib
import statistics
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from backend.geo import Point
from backend.network import tracking
from backend.network.cli import import_feed
from backend.network.index import network_of
from backend.network.matching import Seen
from backend.people.models import Vehicle

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
MOST_STATEMENTS = 4
"""Who asks, which vehicle, where it is, and which network is in force; the rest comes from memory."""


@pytest.fixture
def network(database):
    import_feed(database, TOWN, NOW)
    with database.reading() as session:
        return network_of(session)


@pytest.fixture
def ask(client):
    token = client.post("/v1/devices", json={"platform": "android"}).get_json()["access_token"]
    return lambda path: client.get(path, headers={"Authorization": f"Bearer {token}"})


def drive(database, network, number, line_id, measure_m, at):
    """A vehicle of a line seen at a place of its usual way; its progress."""
    pattern = network.patterns_of(line_id, 0)[0]
    with database.transaction() as session:
        vehicle = Vehicle(id=uuid.uuid4(), number=number, line_id=line_id, in_service_since=NOW)
        session.add(vehicle)
        session.flush()
        seen = Seen(vehicle.id, number, pattern.way.point_at(measure_m), at, line_id=line_id, direction_id=0)
        return pattern, tracking.match_all(session, network, [seen])[0]


def test_a_line_has_its_way_and_its_stops_in_each_direction(client, network):
    answer = client.get("/v1/network/lines/518").get_json()
    assert answer["line"]["short_name"] == "518"
    assert [one["direction_id"] for one in answer["directions"]] == [0, 1]
    for direction in answer["directions"]:
        measures = [stop["measure_m"] for stop in direction["stops"]]
        assert measures == sorted(measures)
        assert 0 <= measures[0] < measures[-1] <= direction["length_m"] + 0.1
        assert len(direction["path"]) >= 2
    again = client.get(
        "/v1/network/lines/518", headers={"If-None-Match": client.get("/v1/network/lines/518").headers["ETag"]}
    )
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/v1/network/lines/none", "/v1/network/lines/518%00"])
def test_an_unknown_line_is_said(client, network, path):
    assert client.get(path).get_json()["code"] == "line_unknown"


def test_without_a_network_there_is_no_line(client):
    assert client.get("/v1/network/lines/518").status_code == 404
    assert client.get("/v1/network/near?latitude=43.29&longitude=5.37").get_json() == {"stops": [], "lines": []}


def test_what_is_near_comes_nearest_first(client, network):
    pattern = network.patterns_of("518", 0)[0]
    place = pattern.stops[1].point
    found = client.get(f"/v1/network/near?latitude={place.latitude}&longitude={place.longitude}&radius_m=400")
    body = found.get_json()
    assert body["stops"][0]["distance_m"] == 0
    assert "518" in body["stops"][0]["line_ids"]
    distances = [stop["distance_m"] for stop in body["stops"]]
    assert distances == sorted(distances)
    assert distances[-1] <= 400
    assert {"518"} <= {line["line_id"] for line in body["lines"]}
    assert "private" in found.headers["Cache-Control"], "a place in an address says where somebody is"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "latitude"),
        ("latitude=43", "longitude"),
        ("latitude=x&longitude=5", "latitude"),
        ("latitude=nan&longitude=5", "latitude"),
        ("latitude=91&longitude=5", "latitude"),
        ("latitude=43&longitude=181", "longitude"),
        ("latitude=43&longitude=5&radius_m=inf", "radius_m"),
    ],
)
def test_a_place_that_is_none_is_refused(client, query, field):
    answer = client.get(f"/v1/network/near?{query}")
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["field"]) == (400, "query_invalid", field)


def test_a_vehicle_on_its_line_and_its_next_stops(ask, database, clock, network):
    pattern, progress = drive(database, network, "7518", "518", 400.0, clock.now())
    assert progress.is_on_line
    body = ask("/v1/vehicles/7518").get_json()
    assert (body["state"], body["line_id"], body["direction_id"]) == ("on_line", "518", 0)
    coming = [stop for stop in pattern.stops if stop.measure_m > progress.measure_m]
    assert [stop["stop_id"] for stop in body["next_stops"]] == [stop.stop_id for stop in coming[:8]]
    etas = [stop["eta_s"] for stop in body["next_stops"]]
    assert etas == sorted(etas)
    clock.advance(91)
    lost = ask("/v1/vehicles/7518").get_json()
    assert (lost["state"], lost["next_stops"]) == ("lost", [])


def test_a_vehicle_that_is_parked_or_unknown(ask, database):
    with database.transaction() as session:
        session.add(Vehicle(number="1"))
        session.add(Vehicle(number="2", line_id="518", in_service_since=NOW))
    assert ask("/v1/vehicles/1").get_json()["state"] == "not_in_service"
    assert ask("/v1/vehicles/2").get_json()["state"] == "lost"
    assert ask("/v1/vehicles/none").get_json()["code"] == "vehicle_unknown"


def test_vehicles_are_not_for_strangers(client):
    assert client.get("/v1/vehicles/1").status_code == 401


@pytest.mark.slow
@pytest.mark.needs_data("rtm/rtm-full.gtfs.zip")
def test_no_question_on_a_whole_network_takes_more_than_a_few_statements(client, ask, database, clock, data):
    """Prints how long each takes, which no test can promise on a shared machine: pytest -s -k whole_network."""
    import_feed(database, data / "rtm" / "rtm-full.gtfs.zip", NOW)
    with database.reading() as session:
        network = network_of(session)
    patterns = sorted(network.patterns.values(), key=lambda one: one.id)[::3]
    drive(database, network, "1", patterns[5].line_id, 500.0, clock.now())
    lines = [pattern.line_id for pattern in patterns]
    places = [pattern.way.point_at(pattern.way.length_m / 3) for pattern in patterns]
    words = [network.stops[pattern.stops[0].stop_id].name[:7] for pattern in patterns]

    def near(point: Point) -> str:
        return f"/v1/network/near?latitude={point.latitude}&longitude={point.longitude}"

    questions = {
        "lines": ["/v1/network/lines"] * 10,
        "line": [f"/v1/network/lines/{line}" for line in lines],
        "stops of a line": [f"/v1/network/lines/{line}/stops" for line in lines],
        "near": [near(place) for place in places],
        "stops by name": [f"/v1/network/stops?q={word}" for word in words],
        "vehicle": ["/v1/vehicles/1"] * 10,
    }
    medians = {name: statistics.median(_best_ms(ask, path) for path in paths) for name, paths in questions.items()}
    print("\nmedian ms:", {name: round(value, 2) for name, value in medians.items()})
    with statements(database) as asked:
        for paths in questions.values():
            for path in paths:
                before = len(asked)
                ask(path)
                assert len(asked) - before <= MOST_STATEMENTS, asked[before:]


@contextlib.contextmanager
def statements(database):
    """What the database is asked meanwhile."""
    asked = []

    def note(*given):
        if given[2] != "BEGIN":
            asked.append(given[2])

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def _best_ms(ask, path):
    """The quickest of some answers after the first: what it takes when nobody else has the processor."""
    assert ask(path).status_code == 200
    took = []
    for _ in range(4):
        started = time.perf_counter()
        ask(path)
        took.append((time.perf_counter() - started) * 1000)
    return min(took)
