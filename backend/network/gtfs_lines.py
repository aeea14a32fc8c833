"""From trips to lines: patterns of stops with their shapes and measures, and each trip's times on them."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from shapely.geometry import LineString

from backend.geo import Point
from backend.network.gtfs_report import Report
from backend.network.gtfs_rows import FeedTrip
from backend.network.gtfs_times import Calls
from backend.network.packed_times import BLANK, interpolated, pack
from backend.network.patterns import direction_of, line_through, order_of_stops, shapes_for_map
from backend.network.stop_measures import measures_along, measures_by_distance
from backend.network.ways import Located, Way

NIGHT_BEGINS_S, NIGHT_ENDS_S = 20 * 3600, 5 * 3600
DAY_S = 24 * 3600


class FeedShape(NamedTuple):
    """A way that a line takes in one direction."""

    line_id: str
    direction_id: int
    id: str
    trips: int
    on_map: bool
    geometry: LineString


class FeedLineStop(NamedTuple):
    """One stop in the order of a line's direction."""

    line_id: str
    direction_id: int
    sequence: int
    stop_id: str


class FeedPattern(NamedTuple):
    """One order of stops on one shape."""

    id: int
    line_id: str
    direction_id: int
    shape_id: str
    headsign: str
    trips: int
    stop_ids: list[str]
    measures: list[float]


class FeedTripTimes(NamedTuple):
    """A trip of a pattern."""

    id: str
    pattern_id: int
    service_id: str
    block_id: str | None
    start_s: int
    end_s: int
    times: bytes


class _Key(NamedTuple):
    stops: tuple[int, ...]
    direction: str
    shape_id: str


_Runs = list[tuple[str, FeedTrip, Calls]]
_Placed = tuple[str, LineString, list[float]]
Branches = dict[Point, list[Located]]


class Gathered:
    """Trips by line and by what they have in common."""

    def __init__(self, ways: dict[str, LineString | None], places: list[tuple[float, float]]) -> None:
        self.ways, self.places = ways, places
        self.of_line: dict[str, dict[_Key, _Runs]] = {}
        self._nights: dict[str, bool] = {}
        self._used: set[str] = set()

    def add(self, trip_id: str, trip: FeedTrip, calls: Calls) -> None:
        """Takes a trip in."""
        key = _Key(calls.stops, trip.direction, trip.shape_id)
        self.of_line.setdefault(trip.line_id, {}).setdefault(key, []).append((trip_id, trip, calls))
        self._used.add(trip.shape_id)
        leaves = max(calls.departures[0], calls.arrivals[0]) % DAY_S
        in_the_night = leaves >= NIGHT_BEGINS_S or leaves < NIGHT_ENDS_S
        self._nights[trip.line_id] = self._nights.get(trip.line_id, True) and in_the_night

    def is_night(self, line_id: str) -> bool:
        """True when every trip of the line begins in the night."""
        return self._nights.get(line_id, False)

    def lines(self) -> set[str]:
        """The lines that have a trip."""
        return set(self.of_line)

    def unused_shapes(self) -> int:
        """How many shapes no trip follows."""
        return len(self.ways.keys() - self._used)


class Described:
    """What there is to know of the lines, gathered line by line."""

    def __init__(self, gathered: Gathered, ids: list[str], names: list[str], report: Report) -> None:
        self._gathered, self._ids, self._names, self._report = gathered, ids, names, report
        self._points = [Point(*place) for place in gathered.places]
        self.shapes: list[FeedShape] = []
        self.line_stops: list[FeedLineStop] = []
        self.patterns: list[FeedPattern] = []
        self.trips: list[FeedTripTimes] = []

    def add(self, line_id: str) -> None:
        """A line's ways, the order of its stops, its patterns (numbered on) and its trips."""
        runs = self._gathered.of_line.get(line_id, {})
        if not runs:
            return
        usual = max(runs, key=lambda key: (len(runs[key]), len(key.stops), key)).stops
        by_direction: dict[int, dict[_Key, _Runs]] = {}
        for key, of_key in runs.items():
            told = key.direction
            direction = int(told) if told else direction_of(key.stops, usual, self._gathered.places)
            by_direction.setdefault(direction, {})[key] = of_key
        for direction, of_direction in sorted(by_direction.items()):
            order = order_of_stops((key.stops, len(of_key)) for key, of_key in of_direction.items())
            self.line_stops += [
                FeedLineStop(line_id, direction, number, self._ids[stop]) for number, stop in enumerate(order, 1)
            ]
            self._add_patterns(line_id, direction, of_direction)

    def _add_patterns(self, line_id: str, direction: int, runs: dict[_Key, _Runs]) -> None:
        trips_on: dict[str, int] = {}
        drawn: dict[str, LineString] = {}
        told: dict[str, tuple[Way, Branches]] = {}
        for key, of_key in sorted(runs.items(), key=lambda item: (-len(item[1]), item[0])):
            number = len(self.patterns) + 1
            placed = self._on_told_shape(key, told) or self._on_drawn_shape(key, number)
            if placed is None:
                reason = "trips whose stops are all one place, left out"
                self._report.warn("trips.txt", 0, "trip_id", reason, len(of_key), of_key[0][0])
                continue
            shape_id, line, measures = placed
            drawn[shape_id] = line
            trips_on[shape_id] = trips_on.get(shape_id, 0) + len(of_key)
            headsign = _headsign(of_key, self._names[key.stops[-1]], self._report)
            self.patterns.append(FeedPattern(
                number, line_id, direction, shape_id, headsign, len(of_key),
                [self._ids[stop] for stop in key.stops], measures,
            ))
            self.trips += [_timed(*run, number, measures, self._report) for run in of_key]
        of_feed = [shape_id for shape_id in drawn if shape_id in self._gathered.ways]
        on_map = shapes_for_map([(one, trips_on[one], drawn[one]) for one in of_feed or drawn])
        self.shapes += [
            FeedShape(line_id, direction, shape_id, trips_on[shape_id], shape_id in on_map, drawn[shape_id])
            for shape_id in sorted(drawn, key=lambda one: (-trips_on[one], one))
        ]

    def _on_told_shape(self, key: _Key, told: dict[str, tuple[Way, Branches]]) -> _Placed | None:
        line = self._gathered.ways.get(key.shape_id)
        if line is None:
            return None
        if key.shape_id not in told:
            told[key.shape_id] = (_way(line), {})
        way, branches = told[key.shape_id]
        measures = measures_along(way, [self._points[stop] for stop in key.stops], branches)
        if measures is None:
            reason = "shapes that do not pass the stops of their trips: drawn from stop to stop instead"
            self._report.warn("shapes.txt", 0, "shape_id", reason, example=key.shape_id)
            return None
        return key.shape_id, line, measures

    def _on_drawn_shape(self, key: _Key, number: int) -> _Placed | None:
        line = line_through(self._gathered.places[stop] for stop in key.stops)
        if line is None:
            return None
        stops = [self._points[stop] for stop in key.stops]
        return f"stops:{number}", line, measures_by_distance(_way(line), stops)


def _way(line: LineString) -> Way:
    return Way.from_points([Point(latitude, longitude) for longitude, latitude in line.coords])


def _headsign(runs: _Runs, last_stop: str, report: Report) -> str:
    told = Counter(trip.headsign for _id, trip, _calls in runs if trip.headsign)
    silent = len(runs) - told.total()
    if silent:
        report.note("trips.txt", "trips without headsign: the name of their last stop is shown", silent)
    return min(told, key=lambda sign: (-told[sign], sign)) if told else last_stop


def _timed(
    trip_id: str, trip: FeedTrip, calls: Calls, pattern_id: int, measures: list[float], report: Report,
) -> FeedTripTimes:
    blank = half = 0
    if BLANK in calls.arrivals or BLANK in calls.departures:
        for arrives, leaves in zip(calls.arrivals, calls.departures, strict=True):
            blank += arrives == leaves == BLANK
            half += (arrives == BLANK) != (leaves == BLANK)
        times = interpolated(calls.arrivals, calls.departures, measures)
        if blank:
            report.note("stop_times.txt", "stops without a time: timed by their distance between those with one", blank)
        if half:
            reason = "only one of arrival and departure: taken for both"
            report.warn("stop_times.txt", 0, "departure_time", reason, half, trip_id)
    else:
        times = [time for pair in zip(calls.arrivals, calls.departures, strict=True) for time in pair]
    return FeedTripTimes(
        trip_id, pattern_id, trip.service_id, trip.block_id or None, times[0], times[-1], pack(times),
    )
