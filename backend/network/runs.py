"""The trips of one pattern by time: which are out now, and when each is due at a place. Pure: standard library only."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

EARLY_S = 600
LATE_S = 2700


class Repeats(NamedTuple):
    """A span of the service day in which a trip starts again every `headway_s`."""

    start_s: int
    end_s: int
    headway_s: int


class Trip(NamedTuple):
    """One run of the pattern: arrival, departure, arrival, … in seconds of the service day."""

    id: str
    service_id: str
    times: Sequence[int]
    repeats: tuple[Repeats, ...] = ()


class Out(NamedTuple):
    """A trip that may be on the road, and the seconds since it was due at the place that was asked about."""

    trip_id: str
    late_s: float


class PatternRuns:
    """The trips of one pattern, the earliest first."""

    def __init__(self, measures: Sequence[float], trips: Collection[Trip]) -> None:
        self._measures = measures
        spans = sorted((*_span(trip), trip.id, trip) for trip in trips if len(trip.times) == 2 * len(measures) > 0)
        self._trips = [each[-1] for each in spans]
        self._starts = [each[0] for each in spans]
        self._longest = max((end - start for start, end, *_ in spans), default=0)
        self._by_id = {trip.id: trip for trip in self._trips}

    def __contains__(self, trip_id: str) -> bool:
        return trip_id in self._by_id

    def out_at(self, measure_m: float, now_s: int, services: Collection[str]) -> Iterator[Out]:
        """The trips of these services that can be out at this time, by how late each would be here."""
        first = bisect_left(self._starts, now_s - self._longest - LATE_S)
        last = bisect_right(self._starts, now_s + EARLY_S)
        for trip in self._trips[first:last]:
            if trip.service_id in services:
                late_s = self._late_s(trip, measure_m, now_s)
                if -EARLY_S <= late_s <= LATE_S:
                    yield Out(trip.id, late_s)

    def due_s(self, trip_id: str, measure_m: float) -> float | None:
        """When the trip is due at a place of the pattern, in seconds of the service day; None for an unknown trip."""
        trip = self._by_id.get(trip_id)
        return self._due_s(trip, measure_m) if trip is not None else None

    def place_at(self, trip_id: str, seconds: float) -> float | None:
        """Where the trip is due at a second of the service day; None for an unknown trip."""
        trip = self._by_id.get(trip_id)
        if trip is None:
            return None
        number = bisect_right(trip.times, seconds)
        stop = min(max((number - 1) // 2, 0), len(self._measures) - 1)
        if number == 0 or number % 2 == 1 or number == len(trip.times):
            return self._measures[stop]
        left, arrives = trip.times[2 * stop + 1], trip.times[2 * stop + 2]
        share = (seconds - left) / (arrives - left) if arrives > left else 0.0
        return self._measures[stop] + share * (self._measures[stop + 1] - self._measures[stop])

    def _late_s(self, trip: Trip, measure_m: float, now_s: int) -> float:
        due = self._due_s(trip, measure_m)
        if not trip.repeats:
            return now_s - due
        into = due - trip.times[0]  # seconds after its start at which a repetition is here
        best = float("inf")
        for start, end, headway in trip.repeats:
            last = max(0, -(-(end - start) // headway) - 1)  # a start at the end of the span is no more one of it
            number = min(max(round((now_s - into - start) / headway), 0), last)
            late = now_s - into - (start + number * headway)
            best = late if abs(late) < abs(best) else best
        return best

    def _due_s(self, trip: Trip, measure_m: float) -> float:
        after = bisect_right(self._measures, measure_m)
        if after == 0:
            return trip.times[1]
        if after == len(self._measures):
            return trip.times[-2]
        before_m, after_m = self._measures[after - 1], self._measures[after]
        left, arrives = trip.times[2 * after - 1], trip.times[2 * after]
        return left + (arrives - left) * (measure_m - before_m) / (after_m - before_m)


def _span(trip: Trip) -> tuple[int, int]:
    """(first departure, last arrival) of the trip, with its repetitions."""
    start, end = trip.times[1], trip.times[-2]
    if trip.repeats:
        length = end - trip.times[0]
        start, end = min(one.start_s for one in trip.repeats), max(one.end_s for one in trip.repeats) + length
    return start, end
