"""Distances along a line's shape, against geodesics: straight, curved, loops, out and back, and real networks."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backend.geo import Point
from backend.network.ways import Way, turn_deg
from tests.geodesy import Measured, metres_between, moved

OLD_PORT = Point(43.2951, 5.3740)
TOWNS = some.sampled_from([OLD_PORT, Point(60.17, 24.94), Point(-33.87, 151.2), Point(0.3, 32.58), Point(69.6, 18.95)])


def walked(start, legs):
    """The points of a walk of (heading, metres)."""
    return list(itertools.accumulate(legs, lambda here, leg: moved(here, *leg), initial=start))


def circle(centre, radius_m, turns=1.0, step_deg=6):
    return [moved(centre, bearing % 360, radius_m) for bearing in range(0, int(360 * turns) + 1, step_deg)]


def out_and_back(start, legs, apart_m=0.0):
    there = walked(start, legs)
    return there + [moved(point, 90, apart_m) if apart_m else point for point in reversed(there)]


LEGS = some.lists(some.tuples(some.floats(0, 360), some.floats(3, 900)), min_size=1, max_size=25)
CURVES = some.lists(some.floats(-50, 50), min_size=3, max_size=40).map(
    lambda turns: [(heading % 360, 60.0) for heading in itertools.accumulate(turns)]
)
SHAPES = some.one_of(
    some.builds(walked, TOWNS, LEGS),
    some.builds(walked, TOWNS, CURVES),
    some.builds(out_and_back, TOWNS, CURVES, some.sampled_from([0.0, 8.0, 25.0])),
    some.builds(circle, TOWNS, some.floats(40, 900), some.sampled_from([0.7, 1.0, 2.0])),
)


def agree(way, measured, point, within_m=300.0):
    """The nearest place that the way names is the one that the independent computation names."""
    passes = measured.every_pass(point, float("inf"))
    located = way.locate_all(point, within_m)
    if passes[0][1] > within_m + 0.1:
        assert not located
        return
    if passes[0][1] > within_m - 0.1:
        return
    first = located[0]
    # "Straight" in degrees and on the ellipsoid lie apart between two points: 2 cm for 1 km of a street in Marseille.
    apart = max(measured.steps) ** 2 * abs(math.tan(math.radians(point.latitude))) / (8 * 6_371_000)
    assert first.off_m == pytest.approx(passes[0][1], abs=0.01 + apart + first.off_m * 1e-4)
    as_near = [measure for measure, beside in passes if beside <= passes[0][1] + 0.1 + first.off_m * 2e-4]
    nearest = min(abs(measure - first.measure_m) for measure in as_near)
    # Far beside a bend, a hair's breadth decides for one side or the other: then the places lie apart.
    assert nearest <= 0.1 + apart + first.off_m * 0.02 + measured.length_m * 1e-6


@settings(max_examples=400, deadline=None)
@given(SHAPES, some.lists(some.tuples(some.floats(0, 1), some.floats(0, 360), some.floats(0, 200)), max_size=8))
def test_places_and_measures_agree_with_geodesics(points, probes):
    way, measured = Way.from_points(points), Measured(points)
    assert way.length_m == pytest.approx(measured.length_m, rel=1e-6, abs=0.01)
    for share, heading, beside in probes:
        agree(way, measured, moved(way.point_at(share * way.length_m), heading, beside))


@settings(max_examples=300, deadline=None)
@given(SHAPES, some.floats(0, 1))
def test_a_measure_names_a_place_that_is_found_again(points, share):
    way, measured = Way.from_points(points), Measured(points)
    measure = share * way.length_m
    place = way.point_at(measure)
    assert measured.beside_m(place) <= 0.05
    assert min(abs(one.measure_m - measure) for one in way.locate_all(place, 30)) <= 16 or any(
        abs(one.measure_m - measure) <= 1.5 * one.off_m + 16 for one in way.locate_all(place, 30)
    )


@settings(max_examples=300, deadline=None)
@given(some.builds(out_and_back, TOWNS, CURVES, some.sampled_from([0.0, 6.0, 12.0])), some.floats(0.05, 0.4))
def test_both_branches_of_an_out_and_back_line_are_found_and_told_apart(points, share):
    way, measured = Way.from_points(points), Measured(points)
    measure = share * way.length_m
    place = moved(way.point_at(measure), 90, 4.0)
    branches = [one for one in way.locate_all(place, 40) if one.off_m <= 25]
    turning = way.length_m / 2
    assert any(one.measure_m < turning for one in branches)
    assert any(one.measure_m > turning for one in branches)
    for branch in branches:
        assert any(
            abs(branch.measure_m - along) <= 0.5 + beside * 0.05 and abs(branch.off_m - beside) <= 0.1
            for along, beside in measured.every_pass(place, 60)
        )
    out = way.locate(place, near_m=measure - 30)
    back = way.locate(place, near_m=way.length_m - measure - 30)
    assert out is not None
    assert back is not None
    if way.length_m - 2 * measure > 600:
        assert abs(out.measure_m - measure) < 100
        assert abs(back.measure_m - (way.length_m - measure)) < 100


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_circle_is_passed_as_often_as_it_goes_round(turns):
    way = Way.from_points(circle(OLD_PORT, 300, turns, 3))
    place = moved(OLD_PORT, 90, 302)
    found = sorted(one.measure_m for one in way.locate_all(place, 30))
    round_m = way.length_m / turns
    assert found == pytest.approx([round_m / 4 + number * round_m for number in range(turns)], abs=3)
    for number in range(turns):
        here = way.locate(place, near_m=round_m / 4 + number * round_m - 20)
        assert here is not None
        assert here.measure_m == pytest.approx(found[number])


def test_the_heading_chooses_where_nothing_else_is_known():
    way = Way.from_points(out_and_back(OLD_PORT, [(0, 500)] * 4))
    place = way.point_at(700)
    north, south = way.locate(place, heading_deg=10), way.locate(place, heading_deg=170)
    assert north is not None
    assert south is not None
    assert north.measure_m == pytest.approx(700, abs=0.1)
    assert south.measure_m == pytest.approx(way.length_m - 700, abs=0.1)


@settings(max_examples=200, deadline=None)
@given(SHAPES, some.floats(0, 1), some.floats(0, 1))
def test_a_piece_is_as_long_as_its_measures_say(points, one, other):
    way = Way.from_points(points)
    start, end = sorted((one * way.length_m, other * way.length_m))
    piece = Measured(way.between(start, end))
    assert piece.length_m == pytest.approx(end - start, abs=0.05, rel=1e-5)


@given(TOWNS, some.floats(0, 359.9), some.floats(20, 2000))
def test_the_heading_of_a_straight_way(start, heading, metres):
    way = Way.from_points(walked(start, [(heading, metres)]))
    assert turn_deg(way.heading_at(metres / 2), heading) < 0.1


def test_points_on_top_of_each_other_harm_nobody():
    way = Way.from_points([OLD_PORT] * 4)
    assert way.length_m == 0
    located = way.locate(OLD_PORT)
    assert located is not None
    assert located.measure_m == 0
    assert way.point_at(12) == OLD_PORT
    twice = Way.from_points([OLD_PORT, OLD_PORT, moved(OLD_PORT, 0, 100), moved(OLD_PORT, 0, 100)])
    assert twice.length_m == pytest.approx(100, abs=0.01)
    with pytest.raises(ValueError, match="two points"):
        Way.from_points([])


def test_beyond_the_ends_are_the_ends():
    way = Way.from_points(walked(OLD_PORT, [(0, 100)]))
    assert way.point_at(-5) == way.point_at(0)
    assert metres_between(way.point_at(1e9), way.point_at(100)) < 0.01
    assert way.locate(moved(OLD_PORT, 180, 60)) is None


@pytest.mark.needs_data("rtm/rtm-full.gtfs.zip")
def test_every_shape_of_a_real_network_agrees_with_geodesics_at_thousands_of_points(data, real_shapes):
    chance, asked = random.Random(1), 0
    for points in real_shapes(data / "rtm" / "rtm-full.gtfs.zip"):
        way, measured = Way.from_points(points), Measured(points)
        assert way.length_m == pytest.approx(measured.length_m, rel=1e-6, abs=0.05)
        for _ in range(12):
            place = way.point_at(chance.random() * way.length_m)
            agree(way, measured, moved(place, chance.uniform(0, 360), abs(chance.gauss(0, 25))), 150.0)
            asked += 1
    assert asked >= 2_900


@pytest.mark.needs_data("rtm/rtm-full.gtfs.zip")
def test_a_bus_that_follows_a_real_shape_never_jumps_between_its_branches(data, real_shapes):
    chance, wrong, asked = random.Random(2), 0, 0
    for points in real_shapes(data / "rtm" / "rtm-full.gtfs.zip")[::4]:
        way, last = Way.from_points(points), 0.0
        for measure in range(0, int(way.length_m), 90):
            fix = moved(way.point_at(measure), chance.uniform(0, 360), min(30.0, abs(chance.gauss(0, 7))))
            here = way.locate(fix, near_m=last + 90, heading_deg=way.heading_at(measure))
            asked += 1
            if here is None or abs(here.measure_m - measure) > 90:
                wrong += 1
            else:
                last = here.measure_m
    assert asked > 5_000
    assert wrong <= asked * 0.002, f"{wrong} of {asked}"


def test_turns_are_told_the_short_way_round():
    assert turn_deg(350, 10) == 20
    assert turn_deg(90, 270) == 180
    assert math.isclose(turn_deg(0, 359.5), 0.5)
