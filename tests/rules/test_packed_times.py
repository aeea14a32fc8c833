"""Times of trips: read, filled in, put right, packed."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.network.packed_times import (
    BLANK,
    DAY_S,
    LONGEST_S,
    TimeRefused,
    interpolated,
    mended,
    pack,
    seconds_of,
    unpack,
)

moments = st.integers(0, LONGEST_S - 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6:05:00", 21900), (" 06:05:00 ", 21900), ("25:10:01", 90601), ("00:00:00", 0), ("", BLANK), ("  ", BLANK)],
)
def test_a_time_is_seconds_of_the_service_day(text, seconds):
    assert seconds_of(text) == seconds


@given(moments)
def test_every_time_that_is_written_is_read_back(seconds):
    minutes, rest = divmod(seconds, 60)
    assert seconds_of(f"{minutes // 60}:{minutes % 60:02}:{rest:02}") == seconds


@pytest.mark.parametrize(
    "text", ["7h30", "7:30", "7:30:00:00", "-1:00:00", "7:60:00", "7:00:60", "240:00:00", "٧:٠٠:٠٠"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(TimeRefused):
        seconds_of(text)


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_refused(text):
    with contextlib.suppress(TimeRefused):
        assert -1 <= seconds_of(text) < LONGEST_S


@given(st.lists(moments, max_size=60))
def test_packing_keeps_every_second(times):
    packed = pack(times)
    assert list(unpack(packed)) == times
    assert len(packed) == 4 * len(times)


def test_packed_times_are_little_endian_whatever_the_machine():
    assert pack([1, 256]) == b"\1\0\0\0\0\1\0\0"


def test_blank_times_follow_the_distance():
    assert interpolated([0, BLANK, BLANK, 100], [0, BLANK, BLANK, 120], [0.0, 10.0, 50.0, 100.0]) == [
        0, 0, 10, 10, 50, 50, 100, 120,
    ]  # fmt: skip


def test_without_distances_blank_times_are_spread_evenly():
    assert interpolated([0, BLANK, 100], [0, BLANK, 100], [5.0, 5.0, 5.0]) == [0, 0, 50, 50, 100, 100]


def test_one_of_two_times_stands_for_both():
    assert interpolated([0, 50, BLANK], [10, BLANK, 90], [0.0, 1.0, 2.0]) == [0, 10, 50, 50, 90, 90]


@pytest.mark.parametrize("arrivals", [[BLANK, 5], [5, BLANK], [BLANK, BLANK], []])
def test_open_ends_cannot_be_filled_in(arrivals):
    with pytest.raises(TimeRefused):
        interpolated(arrivals, arrivals, [0.0] * len(arrivals))


@st.composite
def trips(draw):
    """Arrivals, departures and measures of a trip in order, with blanks between its ends."""
    size = draw(st.integers(2, 30))
    times = sorted(draw(st.lists(st.integers(0, 200_000), min_size=2 * size, max_size=2 * size)))
    measures = sorted(draw(st.lists(st.floats(0, 50_000), min_size=size, max_size=size)))
    blank = draw(st.sets(st.integers(1, size - 2), max_size=size) if size > 2 else st.just(set()))
    arrivals = [BLANK if place in blank else times[2 * place] for place in range(size)]
    departures = [BLANK if place in blank else times[2 * place + 1] for place in range(size)]
    return arrivals, departures, measures


@given(trips())
def test_filled_in_times_never_fall_and_keep_what_was_known(trip):
    arrivals, departures, measures = trip
    filled = interpolated(arrivals, departures, measures)
    assert filled == sorted(filled)
    for place, (arrival, departure) in enumerate(zip(arrivals, departures, strict=True)):
        if arrival != BLANK:
            assert filled[2 * place : 2 * place + 2] == [arrival, departure]


@given(trips())
def test_times_in_order_need_no_mending(trip):
    arrivals, departures, _measures = trip
    in_a_day = (
        [time if time == BLANK else time // 5 for time in arrivals],
        [time if time == BLANK else time // 5 for time in departures],
    )
    assert mended(*in_a_day) == (*in_a_day, 0, 0)


@given(st.lists(st.tuples(st.integers(0, DAY_S // 2), st.integers(0, DAY_S // 2)), min_size=2, max_size=20))
def test_mended_times_never_fall_and_keep_the_ends(pairs):
    arrivals, departures, _next_day, given_up = mended([a for a, _ in pairs], [d for _, d in pairs])
    known = [t for pair in zip(arrivals, departures, strict=True) for t in pair if t != BLANK]
    if given_up < len(pairs):
        assert known == sorted(known)
        assert BLANK not in (arrivals[0], arrivals[-1])
        filled = interpolated(arrivals, departures, list(range(len(pairs))))
        assert all(before <= after for before, after in pairwise(filled))


def test_midnight_written_as_zero_is_the_next_day():
    late, past = 23 * 3600, 120
    assert mended([late, BLANK, past], [late, BLANK, past]) == (
        [late, BLANK, DAY_S + past], [late, BLANK, DAY_S + past], 1, 0,
    )  # fmt: skip


def test_one_stop_out_of_order_is_given_up_and_not_the_others():
    times = [100, 200, 900, 300, 400]
    assert mended(times, times) == ([100, 200, BLANK, 300, 400], [100, 200, BLANK, 300, 400], 0, 1)


def test_a_crossing_that_arrives_before_it_leaves_keeps_its_departure():
    assert mended([900, 600], [900, 600]) == ([900, 900], [900, 900], 0, 1)
