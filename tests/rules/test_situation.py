"""Where on the network an alert is: from its vehicle, its stop or its position; in doubt not told."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.alerts.situation import Known, find
from backend.network.progress import Progress
from tests.geodesy import moved
from tests.small_network import NOW, WEST, network, pattern, street, there_and_back

OUT, BACK = there_and_back()
CROSSING = pattern(3, "C", 0, street(moved(OUT.way.point_at(2_200), 180, 1_000), 0, 2_000))
TOWN = network(OUT, BACK, CROSSING, stations={"B-0-4": "centre", "B-1-4": "centre"})


def bus(measure_m=1_730.0, there=OUT, **said):
    facts = {"state": "on_line", "is_lost": False, "off_m": 3.0, "speed_mps": 8.0, "trip_id": "t1", **said}
    return Progress(
        uuid.uuid4(), "7518", there.line_id, there.direction_id, there.id, facts["trip_id"], measure_m,
        facts["off_m"], facts["speed_mps"], facts["state"], NOW, NOW, facts["is_lost"],
    )  # fmt: skip


def test_a_named_vehicle_says_it_all():
    found = find(TOWN, Known(vehicle=bus(), point=WEST))
    assert (found.line_id, found.direction_id, found.vehicle_number, found.trip_id) == ("B", 0, "7518", "t1")
    assert (found.previous_stop.stop_id, found.next_stop.stop_id) == ("B-0-3", "B-0-4")
    assert found.measure_m == 1_730


@pytest.mark.parametrize("said", [{"is_lost": True}, {"state": "off_line"}])
def test_a_vehicle_that_is_lost_has_no_stops(said):
    found = find(TOWN, Known(vehicle=bus(**said)))
    assert (found.line_id, found.vehicle_number) == ("B", "7518")
    assert (found.previous_stop, found.next_stop, found.measure_m) == (None, None, None)


def test_a_position_on_one_line_tells_line_and_place():
    here = moved(CROSSING.way.point_at(300), 90, 10)
    found = find(TOWN, Known(point=here, accuracy_m=10))
    assert (found.line_id, found.direction_id, found.vehicle_number) == ("C", 0, None)
    assert found.measure_m == pytest.approx(300, abs=1)
    assert (found.previous_stop.stop_id, found.next_stop.stop_id) == ("C-0-0", "C-0-1")


def test_where_two_directions_share_the_street_the_direction_is_not_guessed():
    found = find(TOWN, Known(point=OUT.way.point_at(700), accuracy_m=10))
    assert (found.line_id, found.direction_id, found.next_stop) == ("B", None, None)
    said = find(TOWN, Known(point=OUT.way.point_at(700), accuracy_m=10, line_id="B", direction_id=1))
    assert (said.direction_id, said.next_stop.name) == (1, "B 7")


def test_where_lines_cross_none_is_guessed_but_the_one_she_named():
    here = OUT.way.point_at(2_200)
    assert find(TOWN, Known(point=here, accuracy_m=10)) is None
    assert find(TOWN, Known(point=here, accuracy_m=10, line_id="C")).line_id == "C"


def test_the_one_bus_of_her_line_where_she_is_between_stops_is_hers():
    here = moved(OUT.way.point_at(1_740), 0, 6)
    others = [bus(), bus(300.0)]
    found = find(TOWN, Known(point=here, accuracy_m=15, line_id="B", others=others))
    assert (found.vehicle_number, found.next_stop.stop_id) == ("7518", "B-0-4")


@pytest.mark.parametrize(
    ("metres", "said"),
    [
        (1_510.0, {}),  # at a stop: she may be waiting
        (1_740.0, {"accuracy_m": 200.0}),
        (1_740.0, {"line_id": None}),
        (1_740.0, {"direction_id": 1}),
        (1_740.0, {"others": [bus(is_lost=True)]}),
        (1_900.0, {}),
    ],
)
def test_in_doubt_no_bus_is_hers(metres, said):
    known = {"accuracy_m": 15.0, "line_id": "B", "others": [bus()], **said}
    found = find(TOWN, Known(point=OUT.way.point_at(metres), **known))
    assert found is None or found.vehicle_number is None


def test_two_buses_side_by_side_are_a_doubt():
    others = [bus(1_740.0), bus(BACK.way.length_m - 1_740.0, BACK)]
    found = find(TOWN, Known(point=OUT.way.point_at(1_740), accuracy_m=15, line_id="B", others=others))
    assert found.vehicle_number is None


def test_a_named_stop_is_behind_and_the_next_one_ahead_once_the_direction_is_known():
    found = find(TOWN, Known(stop="B-0-4", line_id="B", direction_id=0))
    assert (found.previous_stop.stop_id, found.next_stop.stop_id) == ("B-0-4", "B-0-5")
    unknown = find(TOWN, Known(stop="B-0-4"))
    assert (unknown.line_id, unknown.next_stop) == ("B", None)
    assert unknown.previous_stop.name == "B 4"
    assert find(TOWN, Known(stop="centre")).line_id == "B"
    assert find(TOWN, Known(stop="nowhere")) is None


@given(
    some.none() | some.tuples(some.floats(-600, 4_600), some.floats(-400, 400)),
    some.none() | some.floats(1, 5_000),
    some.sampled_from([None, "B", "C", "no such line"]),
    some.sampled_from([None, 0, 1]),
    some.sampled_from([None, "B-0-1", "centre", "no such stop"]),
)
def test_what_is_found_agrees_with_what_she_said(place, accuracy, line_id, direction, stop):
    point = moved(moved(WEST, 90, place[0]), 0, place[1]) if place else None
    found = find(TOWN, Known(point, accuracy, line_id, direction, stop))
    if found is None:
        return
    if found.measure_m is not None:
        assert found.line_id in TOWN.lines
        assert found.direction_id is not None
    if stop is None and line_id in TOWN.lines:
        assert found.line_id == line_id
    if found.previous_stop and found.next_stop:
        assert found.previous_stop.measure_m <= found.measure_m < found.next_stop.measure_m
