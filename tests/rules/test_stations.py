"""Stations of a feed that names none, measures along a shape, and ids that change between two feeds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.geo import Point
from backend.network.id_changes import Known, changes
from backend.network.stations import NamedPlace, place_name, stations_of
from backend.network.stop_measures import measures_along, measures_by_distance
from backend.network.ways import Way

HERE = Point(43.2855, 5.3845)
METRE = 1 / 111_195  # of latitude


def north(metres, east=0.0):
    return Point(HERE.latitude + metres * METRE, HERE.longitude + east * METRE / math.cos(math.radians(HERE.latitude)))


def test_the_poles_of_one_place_are_one_station():
    stops = [NamedPlace(f"s{n}", "Castellane", north(n * 60)) for n in range(5)]
    stops += [NamedPlace("m", "Métro Castellane", north(30, 80)), NamedPlace("x", "Préfecture", north(50))]
    (station,) = stations_of(stops)
    assert (station.id, station.name) == ("place:castellane", "Castellane")
    assert set(station.stop_ids) == {"s0", "s1", "s2", "s3", "s4", "m"}
    assert abs(station.point.latitude - north(120).latitude) < 40 * METRE


def test_namesakes_in_two_towns_are_two_stations_whatever_their_ids():
    def stations(prefix):
        near, far = (north(0), north(40)), (north(9000), north(9040), north(9080))
        stops = [NamedPlace(f"{prefix}{n}", "Mairie", point) for n, point in enumerate(near + far)]
        return [(one.id, one.point) for one in stations_of(stops)]

    assert [station_id for station_id, _ in stations("a")] == ["place:mairie", "place:mairie:2"]
    assert stations("a") == stations("z")


def test_the_stops_of_a_long_avenue_are_no_station():
    stops = [NamedPlace(f"s{n}", "Corniche", north(n * 200)) for n in range(20)]
    for station in stations_of(stops):
        assert len(station.stop_ids) <= 4


@pytest.mark.parametrize(("name", "key"), [("Métro La Rose", "la rose"), ("La Rose", "la rose"), ("Tram", "tram")])
def test_the_vehicle_is_no_part_of_a_places_name(name, key):
    assert place_name(name) == key


def test_stops_are_measured_along_an_out_and_back_way():
    way = Way.from_points([north(0), north(1000), north(0)])
    stops = [north(0), north(500), north(990), north(500), north(0)]
    assert measures_along(way, stops, {}) == pytest.approx([0, 500, 990, 1500, 2000], abs=15)


def test_a_loop_begins_and_ends_at_the_same_stop():
    corner = [north(0), north(0, 400), north(400, 400), north(400), north(0)]
    measures = measures_along(Way.from_points(corner), [*corner[:-1], corner[0]], {})
    assert measures == pytest.approx([0, 400, 800, 1200, 1600], abs=3)


def test_a_last_stop_drawn_before_the_end_is_not_put_before_the_one_before_it():
    way = Way.from_points([north(0), north(1000)])
    assert measures_along(way, [north(0), north(1000), north(970)], {}) == pytest.approx([0, 1000, 1000], abs=1)


def test_a_way_that_does_not_pass_its_stops_is_told():
    way = Way.from_points([north(0), north(1000)])
    assert measures_along(way, [north(0), north(500, 900), north(1000)], {}) is None
    assert measures_along(way, [north(1000), north(0)], {}) is None, "the stops run against the way"


@given(st.lists(st.floats(0, 5000), min_size=2, max_size=15), st.floats(-40, 40))
def test_stops_beside_a_straight_way_keep_their_distances(places, beside):
    places.sort()
    measures = measures_along(Way.from_points([north(0), north(5000)]), [north(m, beside) for m in places], {})
    assert measures == pytest.approx(places, abs=2, rel=2e-3), "degrees are a little shorter on the ellipsoid"


def test_a_way_drawn_through_its_stops_is_measured_by_their_distances():
    stops = [north(0), north(300), north(300, 400), north(300, 400), north(0)]
    measures = measures_by_distance(Way.from_points(stops), stops)
    assert measures == pytest.approx([0, 300, 700, 700, 1200], abs=2)


def test_ids_that_changed_are_found_by_name_and_place():
    old = [Known("1", "castellane", north(0)), Known("2", "castellane", north(100)), Known("3", "prado", north(900))]
    new = [Known("A", "castellane", north(98)), Known("B", "castellane", north(2)), Known("C", "rose", north(0))]
    assert changes(old, new) == {
        "kept": 0, "renamed": {"1": "B", "2": "A"}, "gone": ["3"], "gone_count": 1, "added": 1,
    }  # fmt: skip


def test_lines_are_known_by_number_and_mode_unless_two_share_them():
    old = [Known("r1", ("12", "bus")), Known("r2", ("M1", "metro"))]
    new = [Known("x", ("12", "bus")), Known("y", ("12", "bus")), Known("z", ("M1", "metro"))]
    assert changes(old, new)["renamed"] == {"r2": "z"}
