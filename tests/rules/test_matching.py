"""Which trip a vehicle runs and how far along it is: through noise, branches, turning points and silence."""

import itertools
import random
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backend.network.matching import Seen, match
from backend.network.progress import next_stops
from tests.geodesy import moved
from tests.small_network import NOW, WEST, Timetable, network, pattern, street, there_and_back

BUS = uuid.UUID(int=7)
OUT, BACK = there_and_back()
TOWN = network(OUT, BACK)


def seen(point, at_s=0.0, **said):
    return Seen(BUS, "7518", point, NOW + timedelta(seconds=at_s), **{"line_id": "B", **said})


def drive(
    net,
    way,
    *,
    from_m=0.0,
    to_m=None,
    mps=8.0,
    every_s=5.0,
    noise=None,
    heading=True,
    timetable=None,
    last=None,
    at_s=0.0,
):
    """A vehicle that follows a way; (truth, progress) at each fix."""
    measure, found = from_m, []
    while measure <= (way.length_m if to_m is None else to_m):
        point = way.point_at(measure)
        if noise is not None:
            point = moved(point, noise.uniform(0, 360), min(35.0, abs(noise.gauss(0, 8))))
        said = {"heading_deg": way.heading_at(measure), "speed_mps": mps} if heading else {}
        last = match(net, timetable, last, seen(point, at_s, **said))
        found.append((measure, last))
        measure, at_s = measure + mps * every_s, at_s + every_s
    return found


@settings(max_examples=60, deadline=None)
@given(some.integers(0, 10_000), some.booleans(), some.sampled_from([OUT, BACK]), some.floats(3, 16))
def test_a_noisy_bus_is_followed_in_its_direction_and_never_goes_back(seed, heading, there, mps):
    # Not to the very end: at its terminus a bus that noise sets back is rightly taken for one that turns.
    found = drive(TOWN, there.way, noise=random.Random(seed), heading=heading, mps=mps, to_m=there.way.length_m - 70)
    settled = found[int(120 / (5 * mps)) + 4 :]  # without a heading the first metres say nothing of the direction
    assert all(one.pattern_id == there.id for _, one in settled)
    assert all(abs(one.measure_m - truth) <= 60 for truth, one in settled)
    measures = [one.measure_m for _, one in settled]
    assert measures == sorted(measures)
    assert all(one.is_on_line for _, one in found)


def test_the_pace_is_smoothed_and_reckons_with_the_coming_stops():
    *_, (measure, last) = drive(TOWN, OUT.way, to_m=2_100, mps=8, noise=random.Random(3))
    assert last.speed_mps == pytest.approx(8, abs=2)
    coming = next_stops(TOWN, last, 3)
    assert [stop.stop_id for stop, _ in coming] == ["B-0-5", "B-0-6", "B-0-7"]
    assert coming[0][1] == pytest.approx((2_500 - measure) / 8, abs=15)


@settings(max_examples=40, deadline=None)
@given(some.integers(0, 10_000))
def test_a_loop_that_comes_back_on_its_own_street_is_never_cut_short(seed):
    out = street(WEST, 90, 1_500)
    square = [moved(out[-1], 0, 300), moved(moved(out[-1], 0, 300), 90, 300), moved(out[-1], 90, 300)]
    loop = pattern(1, "B", 0, [*out, *square, *reversed(out)])
    net = network(loop)
    found = drive(net, loop.way, noise=random.Random(seed))
    assert all(abs(one.measure_m - truth) <= 60 for truth, one in found)


def test_at_the_end_of_its_way_it_turns_round():
    found = drive(TOWN, OUT.way, from_m=3_000)
    last = found[-1][1]
    stands = [match(TOWN, None, last, seen(OUT.way.point_at(4_000), 200 + 20 * n, speed_mps=0.0)) for n in range(3)]
    assert all(one.pattern_id == OUT.id for one in stands)
    back = drive(TOWN, BACK.way, last=stands[-1], at_s=300, heading=False)
    assert all(one.pattern_id == BACK.id for truth, one in back if truth > 80)
    assert all(abs(one.measure_m - truth) <= 50 for truth, one in back if truth > 80)


def test_a_compass_that_spins_at_a_stop_turns_nobody_round():
    last = drive(TOWN, OUT.way, to_m=1_500)[-1][1]
    for number in range(30):
        heading = (number * 97) % 360
        last = match(TOWN, None, last, seen(OUT.way.point_at(1_503), 200 + number, speed_mps=0.4, heading_deg=heading))
        assert (last.pattern_id, last.is_on_line) == (OUT.id, True)
    quiet = replace(last)
    for number in range(10):
        quiet = match(TOWN, None, quiet, seen(OUT.way.point_at(1_505), 240 + number, heading_deg=270.0))
        assert quiet.pattern_id == OUT.id, "no speed told, and it has not moved"


def test_a_vehicle_that_was_taken_the_wrong_way_is_put_right():
    last = match(TOWN, None, None, seen(OUT.way.point_at(2_000)))
    assert last.pattern_id == OUT.id, "nothing known: the first is as good as the other"
    found = drive(TOWN, BACK.way, from_m=2_000, to_m=2_400, last=last, at_s=5, heading=False)
    assert found[-1][1].pattern_id == BACK.id
    flips = sum(1 for (_, a), (_, b) in itertools.pairwise(found) if a.pattern_id != b.pattern_id)
    assert flips <= 1


def test_a_fix_from_elsewhere_moves_nothing_and_long_absence_is_off_line():
    last = drive(TOWN, OUT.way, to_m=1_500)[-1][1]
    away = moved(OUT.way.point_at(1_500), 180, 400)
    at_s = (last.fix_at - NOW).total_seconds()
    soon = match(TOWN, None, last, seen(away, at_s + 10))
    assert (soon.state, soon.measure_m) == ("on_line", last.measure_m)
    assert soon.off_m == pytest.approx(400, abs=20)
    late = match(TOWN, None, soon, seen(away, at_s + 45))
    assert (late.state, late.line_id) == ("off_line", "B")
    assert next_stops(TOWN, late) == []
    again = match(TOWN, None, late, seen(OUT.way.point_at(2_200), at_s + 120, heading_deg=90.0, speed_mps=8.0))
    assert (again.state, again.pattern_id) == ("on_line", OUT.id)
    assert again.measure_m == pytest.approx(2_200, abs=5)


def test_never_on_its_line_is_off_line():
    first = match(TOWN, None, None, seen(moved(WEST, 180, 900)))
    assert (first.state, first.pattern_id, first.line_id) == ("off_line", None, "B")


def test_a_jump_that_no_bus_can_make_waits_until_it_could():
    last = drive(TOWN, OUT.way, to_m=500)[-1][1]
    at_s = (last.fix_at - NOW).total_seconds()
    far = match(TOWN, None, last, seen(OUT.way.point_at(3_500), at_s + 60, heading_deg=90.0, speed_mps=8.0))
    assert far.measure_m == pytest.approx(3_500, abs=5), "the only place it can be"


def test_a_driver_who_changes_lines_starts_anew():
    other = pattern(3, "C", 0, street(moved(WEST, 0, 3), 90, 4_000))
    net = network(OUT, BACK, other)
    last = drive(net, OUT.way, to_m=1_000)[-1][1]
    changed = match(net, None, last, seen(OUT.way.point_at(1_040), 130, line_id="C", heading_deg=90.0, speed_mps=8.0))
    assert (changed.line_id, changed.pattern_id) == ("C", 3)


def test_without_a_line_the_place_and_the_heading_tell_it():
    south = pattern(3, "C", 0, street(WEST, 180, 2_000))
    net = network(OUT, BACK, south)
    for heading, expected in ((90.0, OUT.id), (270.0, BACK.id)):
        found = match(net, None, None, seen(OUT.way.point_at(1_000), line_id=None, heading_deg=heading, speed_mps=9.0))
        assert found.pattern_id == expected
    found = match(net, None, None, seen(south.way.point_at(900), line_id=None))
    assert found.line_id == "C"


class TestTrips:
    """Trips each quarter of an hour; at 22:00 in Paris one begins."""

    timetable = Timetable(TOWN)
    at_22 = 22 * 4

    def test_the_trip_that_is_due_here(self):
        found = match(TOWN, self.timetable, None, seen(OUT.way.point_at(1_400), 200, heading_deg=90.0, speed_mps=7.0))
        assert found.trip_id == f"{OUT.id}-{self.at_22}"

    def test_a_late_bus_keeps_its_trip(self):
        last = match(TOWN, self.timetable, None, seen(OUT.way.point_at(100), 15, heading_deg=90.0, speed_mps=7.0))
        trip = last.trip_id
        for number in range(1, 40):
            point = OUT.way.point_at(100 + number * 40)
            last = match(TOWN, self.timetable, last, seen(point, 15 + number * 40, heading_deg=90.0, speed_mps=1.0))
            assert last.trip_id == trip, f"{number * 40 - number * 40 / 7:.0f} s late"

    def test_a_trip_that_is_told_is_believed(self):
        told = seen(OUT.way.point_at(1_400), 200, pattern_id=OUT.id, trip_id=f"{OUT.id}-3")
        assert match(TOWN, self.timetable, None, told).trip_id == f"{OUT.id}-3"

    def test_no_trip_at_all_still_has_a_place(self):
        found = match(TOWN, Timetable(TOWN, trips=1), None, seen(OUT.way.point_at(1_400), heading_deg=90.0))
        assert (found.trip_id, found.state) == (None, "on_line")


@settings(max_examples=200, deadline=None)
@given(
    some.lists(
        some.tuples(some.floats(-500, 5_000), some.floats(-300, 300), some.floats(-20, 400), some.none() | some.floats(0, 359)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_any_fixes_give_a_place_on_the_way(fixes):
    last, at_s = None, 0.0
    for along, beside, passed, heading in fixes:
        at_s += passed
        point = moved(moved(WEST, 90, along), 0, beside)
        last = match(TOWN, None, last, seen(point, at_s, heading_deg=heading, accuracy_m=12.0))
        assert last.state in ("on_line", "off_line")
        assert last.speed_mps >= 0
        if last.pattern_id is not None:
            assert 0 <= last.measure_m <= TOWN.patterns[last.pattern_id].way.length_m
