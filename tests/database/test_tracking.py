"""Vehicles on a real network, driven by its timetable with noise: matched to trip, direction and distance."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from backend.network import tracking
from backend.network.cli import import_feed
from backend.network.index import network_of
from backend.network.matching import Seen
from backend.network.timetables import timetable_of
from backend.network.vehicle_progress import VehicleProgress, progress_of, vehicles_of_line
from backend.people.fixes import Fix
from backend.people.flusher import Follow, PositionFlusher
from backend.people.models import Staff, Vehicle
from backend.people.positions import Movement, Mover, PositionBuffer
from backend.people.roles import Caller, Role
from tests.geodesy import moved

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)


def add_bus(session, number, line_id, *, driver_id=None):
    bus = Vehicle(number=number, line_id=line_id, in_service_since=NOW, driver_id=driver_id)
    session.add(bus)
    session.flush()
    return bus.id


def out_now(timetable, network, now):
    """(pattern, trip id, second of its day) of every trip that is on the road for the next ten minutes."""
    for pattern in network.patterns.values():
        runs = timetable.runs_of(pattern.id)
        for day in timetable.days(now) if runs is not None else ():
            last = pattern.stops[-1].measure_m
            shares = (0.1, 0.3, 0.5, 0.7, 0.9)
            out = {one.trip_id for share in shares for one in runs.out_at(last * share, day.second, day.services)}
            for trip in sorted(out):
                here, later = (runs.place_at(trip, day.second + second) for second in (0, 600))
                if here > 0 and later < last:
                    yield pattern, trip, day.second


@pytest.mark.slow
@pytest.mark.needs_data("rtm/rtm-full.gtfs.zip")
def test_a_whole_town_s_buses_are_found_on_their_trips(database, data):
    import_feed(database, data / "rtm" / "rtm-full.gtfs.zip", NOW)
    chance = random.Random(4)
    with database.transaction() as session:
        network = network_of(session)
        timetable = timetable_of(network)
        timetable.load(session, network.lines)
        now = datetime(2026, 11, 21, 16, tzinfo=UTC)  # a Saturday afternoon
        buses = {
            add_bus(session, f"N{n}", one[0].line_id): one for n, one in enumerate(out_now(timetable, network, now))
        }
        assert len(buses) >= 100
        found = {}
        for second in range(0, 600, 10):
            seen = []
            for bus_id, (pattern, trip, day_second) in buses.items():
                measure = timetable.runs_of(pattern.id).place_at(trip, day_second + second)
                point = moved(pattern.way.point_at(measure), chance.uniform(0, 360), min(30.0, abs(chance.gauss(0, 7))))
                at = now + timedelta(seconds=second)
                seen.append(Seen(bus_id, str(bus_id), point, at, accuracy_m=15.0, line_id=pattern.line_id))
            found = {one.vehicle_id: (one, seen) for one in tracking.match_all(session, network, seen)}
        right_way = right_trip = 0
        for bus_id, (pattern, trip, day_second) in buses.items():
            progress = found[bus_id][0]
            truth = timetable.runs_of(pattern.id).place_at(trip, day_second + 590)
            right_way += progress.direction_id == pattern.direction_id and abs(progress.measure_m - truth) <= 80
            right_trip += progress.trip_id == trip
        print(f"\n{len(buses)} buses: {right_way} in place, {right_trip} on their trip")
        assert right_way >= len(buses) * 0.98
        assert right_trip >= len(buses) * 0.9


@pytest.fixture
def network(database):
    import_feed(database, TOWN, NOW)
    with database.reading() as session:
        return network_of(session)


def test_a_flush_of_positions_is_followed_by_a_match(database, network):
    way = network.patterns_of("518", 0)[0].way
    with database.transaction() as session:
        driver = Staff(login="d", display_name="D", role="driver", created_at=NOW)
        session.add(driver)
        session.flush()
        bus_id = add_bus(session, "7518", "518", driver_id=driver.id)
    buffer = PositionBuffer()
    flusher = PositionFlusher(database, buffer, lambda: NOW, follow=Follow(tracking.look, tracking.keep))
    caller = Caller(Role.DRIVER, driver.id, vehicle_id=bus_id)
    place = way.point_at(700)
    fix = Fix(place.latitude, place.longitude, NOW, 8.0, way.heading_at(700), 9.0)
    assert buffer.offer(caller, fix, NOW) is None
    assert flusher.flush_now()
    with database.reading() as session:
        found = progress_of(session, "7518", NOW)
        assert (found.line_id, found.direction_id, found.state) == ("518", 0, "on_line")
        assert found.measure_m == pytest.approx(700, abs=3)
        assert [one.number for one in vehicles_of_line(session, "518", NOW)] == ["7518"]
        assert progress_of(session, "7518", NOW + timedelta(seconds=91)).is_lost
        assert not vehicles_of_line(session, "518", NOW + timedelta(seconds=91))


def test_a_match_that_fails_loses_no_position(database, network):
    def broken(*_):
        raise RuntimeError

    with database.transaction() as session:
        driver = Staff(login="d", display_name="D", role="driver", created_at=NOW)
        session.add(driver)
        session.flush()
        bus_id = add_bus(session, "7518", "518", driver_id=driver.id)
    buffer = PositionBuffer()
    flusher = PositionFlusher(database, buffer, lambda: NOW, follow=Follow(broken, broken))
    buffer.offer(Caller(Role.DRIVER, driver.id, vehicle_id=bus_id), Fix(43.3, 5.38, NOW, 8.0), NOW)
    assert flusher.flush_now()
    assert flusher.failures == 0


def test_an_older_fix_changes_nothing(database, network):
    way = network.patterns_of("518", 0)[0].way
    with database.transaction() as session:
        bus_id = add_bus(session, "7518", "518")
        for measure, seconds in ((900, 60), (500, 0)):
            at = NOW + timedelta(seconds=seconds)
            tracking.match_all(
                session, network, [Seen(bus_id, "7518", way.point_at(measure), at, line_id="518", direction_id=0)]
            )
        assert progress_of(session, "7518", NOW).measure_m == pytest.approx(900, abs=3)


def test_a_place_on_another_version_of_the_network_is_forgotten(database, network):
    way = network.patterns_of("518", 0)[0].way
    with database.transaction() as session:
        bus_id = add_bus(session, "7518", "518")
        tracking.match_all(session, network, [Seen(bus_id, "7518", way.point_at(900), NOW, line_id="518")])
        row = session.scalars(select(VehicleProgress)).one()
        row.version_id, row.pattern_id = uuid.uuid4(), 99_999
    later = NOW + timedelta(seconds=10)
    with database.transaction() as session:
        place = way.point_at(950)
        fix = Fix(place.latitude, place.longitude, later, 8.0)
        tracking.keep(session, tracking.look(session, [Movement(Mover("vehicle", bus_id), uuid.uuid4(), fix)], later))
    with database.reading() as session:
        assert session.scalars(select(VehicleProgress)).one().version_id == network.version_id


def test_without_a_network_nothing_is_followed(database):
    with database.transaction() as session:
        bus_id = add_bus(session, "7518", "518")
        fix = Fix(43.3, 5.38, NOW, 8.0)
        assert tracking.look(session, [Movement(Mover("vehicle", bus_id), uuid.uuid4(), fix)], NOW) == []
        assert tracking.look(session, [Movement(Mover("team", bus_id), uuid.uuid4(), fix)], NOW) == []
