"""A bus that lets somebody off for some seconds, seen through matching and through what follows a promised stop."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from backend.network.matching import MOVING_MPS, Seen, match
from backend.night_stops.approach import passage
from tests.small_network import network, there_and_back

OUT, _ = there_and_back()
TOWN = network(OUT)
NOW = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
PLACE_M = 1_250.0


def says(mps, halt_s, *, doppler, place_m=PLACE_M, every_s=2.0, look_s=3.0):
    """What is said of a bus that comes at this speed, stands for so long at the place, and goes on."""
    measure, stood, at_s, last, stood_since, said, look = 900.0, 0.0, 0.0, None, None, [], 0.0
    while measure < place_m + 300:
        halts = abs(measure - place_m) < 1 and stood < halt_s
        fix = Seen(UUID(int=1), "7518", OUT.way.point_at(measure), NOW + timedelta(seconds=at_s), line_id="B",
                   heading_deg=90.0, speed_mps=(0.0 if halts else mps) if doppler else None)  # fmt: skip
        last = match(TOWN, None, last, fix)
        while look <= at_s:
            look += look_s
            found = passage(PLACE_M - last.measure_m, last.now_mps, last.fix_at, stood_since,
                            announced="approach" in said)  # fmt: skip
            if found is not None:
                said.append(found)
            stood_since = last.fix_at if found == "stand" else None if found == "roll_on" else stood_since
            if found in ("alight", "miss"):
                return said
        at_s += every_s
        stood += every_s if halts else 0
        measure = measure if halts and stood < halt_s else place_m if measure < place_m <= measure + mps * every_s \
            else measure + mps * every_s  # fmt: skip
    return said


@pytest.mark.parametrize("doppler", [True, False])
@pytest.mark.parametrize("mps", [6.5, 14.0, 26.0])
@pytest.mark.parametrize("halt_s", [10, 30])
def test_ten_seconds_with_open_doors_are_a_halt_however_fast_the_street_is(mps, halt_s, doppler):
    said = says(mps, halt_s, doppler=doppler)
    assert (said[0], said[-2:]) == ("approach", ["stand", "alight"])


@pytest.mark.parametrize("doppler", [True, False])
def test_who_drives_past_has_missed_it(doppler):
    assert says(8.0, 0, doppler=doppler) == ["approach", "miss"]


def test_a_red_light_before_the_place_is_no_halt_there():
    assert says(8.0, 30, doppler=True, place_m=PLACE_M - 60) == ["approach", "miss"]


def test_the_first_fix_of_a_phone_that_knows_no_speed_is_no_halt():
    fix = Seen(UUID(int=1), "7518", OUT.way.point_at(PLACE_M), NOW, line_id="B")
    assert match(TOWN, None, None, fix).now_mps == MOVING_MPS
