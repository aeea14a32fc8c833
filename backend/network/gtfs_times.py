"""stop_times.txt: every call of every trip, put in order; trips whose times say nothing are left out, and told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from backend.network.gtfs_calendar import time_of
from backend.network.gtfs_files import Feed
from backend.network.gtfs_report import FeedRefused
from backend.network.gtfs_rows import FeedTrip, whole
from backend.network.packed_times import BLANK, mended

STOP_BITS = 32
_STOP = (1 << STOP_BITS) - 1
FILE = "stop_times.txt"
MOST_LEFT_OUT = 100  # one trip of so many may have useless times; more are an export that went wrong


class Calls(NamedTuple):
    """A trip's stops (by number) in order, with their times; BLANK where the feed says none."""

    stops: tuple[int, ...]
    arrivals: Sequence[int]
    departures: Sequence[int]


def read_stop_times(feed: Feed, trips: dict[str, FeedTrip], numbers: dict[str, int]) -> None:
    """Adds every row to its trip as a call at a stop (by the stop's number)."""
    sequences: dict[str, int] = {}
    seconds: dict[str, int] = {"": BLANK}
    optional = ("arrival_time", "departure_time")
    with feed.table(FILE, ("trip_id", "stop_id", "stop_sequence"), optional) as table:
        if not table.columns.intersection(optional):
            raise table.refused("arrival_time", "the column is missing")
        for trip_id, stop_id, order, arrival, departure in table:  # a million rows: keep it lean
            try:
                trip, number = trips[trip_id], numbers[stop_id]
            except KeyError:
                column, value = ("stop_id", stop_id) if trip_id in trips else ("trip_id", trip_id)
                raise table.refused(column, f"unknown {column[:4]} {value!r}") from None
            sequence = sequences.get(order)
            if sequence is None:
                sequence = sequences[order] = whole(table, "stop_sequence", order)
                if sequence >= 1 << 30:
                    raise table.refused("stop_sequence", f"{order} is too large")
            arrives, leaves = seconds.get(arrival), seconds.get(departure)
            if arrives is None:
                arrives = seconds[arrival] = time_of(table, "arrival_time", arrival)
            if leaves is None:
                leaves = seconds[departure] = time_of(table, "departure_time", departure)
            trip.calls.append(sequence << STOP_BITS | number)
            trip.times.append(arrives)
            trip.times.append(leaves)


def calls_in_order(feed: Feed, trips: dict[str, FeedTrip]) -> Iterator[tuple[str, FeedTrip, Calls]]:
    """Each trip that can be followed with its calls; the report hears of what was mended and left out."""
    open_ended: list[tuple[str, int]] = []
    for trip_id, trip in trips.items():
        calls = _in_order(feed, trip_id, trip)
        if len(calls.stops) < 2:
            feed.report.warn("trips.txt", 0, "trip_id", "trips that serve fewer than two stops, left out", 1, trip_id)
            continue
        ends = (0, len(calls.stops) - 1)
        unknown = [place for place in ends if calls.arrivals[place] == calls.departures[place] == BLANK]
        if unknown:
            open_ended.append((trip_id, unknown[0]))
        else:
            yield trip_id, trip, _rising(feed, trip_id, calls)
    for number, (trip_id, place) in enumerate(open_ended):
        line = _line_of(feed, trip_id, place, trips) if number == 0 else 0
        reason = f"the {'last' if place else 'first'} stop of a trip has no time"
        if len(open_ended) * MOST_LEFT_OUT > len(trips):
            told = f"{reason} (trip {trip_id!r}; {len(open_ended)} of {len(trips)} trips lack one)"
            raise FeedRefused(FILE, line, "arrival_time", told)
        feed.report.warn(FILE, line, "arrival_time", f"{reason}: trips left out")


def _rising(feed: Feed, trip_id: str, calls: Calls) -> Calls:
    times = [time for pair in zip(calls.arrivals, calls.departures, strict=True) for time in pair if time != BLANK]
    if times == sorted(times):
        return calls
    new = mended(calls.arrivals, calls.departures)
    if new.next_day:
        reason = "trips whose hours begin again at 0 after midnight instead of going on to 24"
        feed.report.warn(FILE, 0, "arrival_time", reason, 1, trip_id)
    if new.given_up:
        reason = "times before the one before them, replaced by times between their neighbours'"
        feed.report.warn(FILE, 0, "arrival_time", reason, new.given_up, trip_id)
    return Calls(calls.stops, new.arrivals, new.departures)


def _in_order(feed: Feed, trip_id: str, trip: FeedTrip) -> Calls:
    calls, times = trip.calls, trip.times
    if not any(before >= after for before, after in pairwise(calls)):
        return Calls(tuple(call & _STOP for call in calls), times[::2], times[1::2])  # arrays: a tenth of the lists
    order = sorted(range(len(calls)), key=calls.__getitem__)
    for before, after in pairwise(order):
        sequence = calls[before] >> STOP_BITS
        if sequence == calls[after] >> STOP_BITS:
            line = _line_of_call(feed, trip_id, max(before, after))
            raise FeedRefused(FILE, line, "stop_sequence", f"{sequence} stands twice in trip {trip_id!r}")
    return Calls(
        tuple(calls[index] & _STOP for index in order),
        [times[2 * index] for index in order], [times[2 * index + 1] for index in order],
    )


def _line_of(feed: Feed, trip_id: str, place: int, trips: dict[str, FeedTrip]) -> int:
    calls = trips[trip_id].calls
    return _line_of_call(feed, trip_id, sorted(range(len(calls)), key=calls.__getitem__)[place])


def _line_of_call(feed: Feed, trip_id: str, number: int) -> int:
    # Lines are not kept, at eight bytes for each of a million rows: the one that matters is looked up again.
    with feed.table(FILE, ("trip_id",), ("stop_id",), again=True) as table:
        for seen, _stop in table:
            if seen == trip_id:
                number -= 1
            if number < 0:
                return table.line
    return 0
