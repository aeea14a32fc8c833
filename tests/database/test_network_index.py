"""The network in memory: its trees find what a look at everything finds, and a new version takes its place."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.geo import Point, distance_m
from backend.network import gtfs, importing, versions
from backend.network.cli import import_feed
from backend.network.index import network_of
from backend.network.timetables import timetable_of

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)


@pytest.fixture
def network(database):
    import_feed(database, TOWN, NOW)
    with database.reading() as session:
        return network_of(session)


def places(network, count, seed=1):
    chance = random.Random(seed)
    stops = sorted(network.stops.values(), key=lambda stop: stop.id)
    for _ in range(count):
        near = chance.choice(stops).point
        yield Point(near.latitude + chance.gauss(0, 0.004), near.longitude + chance.gauss(0, 0.005))


def test_the_trees_find_what_a_look_at_everything_finds(network):
    for point in places(network, 200):
        stops = {stop.id for stop in network.stops.values() if distance_m(point, stop.point) <= 400}
        found = network.stops_near(point, 400)
        assert {stop.id for stop, _ in found} == stops
        assert [metres for _, metres in found] == sorted(metres for _, metres in found)
        lines = {
            (pattern.line_id, pattern.direction_id)
            for pattern in network.patterns.values()
            if pattern.way.locate(point, within_m=120) is not None
        }
        near = network.lines_at(point, 120)
        assert {(pattern.line_id, pattern.direction_id) for pattern, _ in near} == lines
        assert len(near) == len(lines), "each line and direction once"
        for pattern, located in near:
            assert distance_m(pattern.way.point_at(located.measure_m), point) == pytest.approx(
                located.off_m, rel=0.01, abs=0.5
            )


def test_stops_lie_in_order_around_any_place_of_a_pattern(network):
    for pattern in network.patterns.values():
        for share in range(11):
            measure = pattern.way.length_m * share / 10
            before, after = pattern.stop_before(measure), pattern.stop_after(measure)
            assert before is None or before.measure_m <= measure
            assert after is None or after.measure_m > measure
            if before is not None and after is not None:
                assert after.sequence == before.sequence + 1


def test_a_station_is_one_place_by_id_stop_or_name(network):
    by_station = {}
    for stop in network.stops.values():
        if stop.station_id is not None:
            by_station.setdefault(stop.station_id, set()).add(stop.id)
    station, stops = max(by_station.items(), key=lambda one: len(one[1]))
    assert len(stops) >= 2
    assert network.station_stops(station) == stops
    for stop_id in stops:
        assert network.station_stops(stop_id) == stops
    name = network.stops[min(stops)].name
    assert network.station_stops(name) == network.station_stops(name.upper()) >= {min(stops)}
    assert network.station_stops("nowhere at all") == set()


def test_a_new_version_takes_the_place_of_the_old_one_and_the_old_one_can_come_back(database, network):
    with database.transaction() as session:
        newer = gtfs.read(TOWN)
        newer.lines = [line._replace(short_name=f"{line.short_name}x") for line in newer.lines]
        importing.write(session, newer, source="next", now=NOW + timedelta(days=1))
    with database.reading() as session:
        second = network_of(session)
        assert second.lines["518"].short_name == "518x"
        assert network_of(session) is second, "built once"
    assert timetable_of(network) is not timetable_of(second)
    with database.transaction() as session:
        versions.make_current(session, versions.find(session, "previous"), NOW + timedelta(days=2))
    with database.reading() as session:
        assert network_of(session).lines["518"].short_name == "518"


def test_before_any_import_there_is_none(database):
    with database.reading() as session:
        assert network_of(session) is None
