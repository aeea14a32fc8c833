"""GTFS read into one value: lines, stops, shapes and the order of stops, or a refusal that names its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from shapely.geometry import LineString

from backend.network.gtfs_files import Feed, FeedRefused, Watch, digest_of, ignore, open_feed
from backend.network.gtfs_rows import (
    STOP_BITS,
    FeedLine,
    FeedStop,
    FeedTrip,
    read_routes,
    read_shapes,
    read_stop_times,
    read_stops,
    read_trips,
)
from backend.network.patterns import Places, direction_of, line_through, order_of_stops, shapes_for_map

NIGHT_BEGINS_S, NIGHT_ENDS_S = 20 * 3600, 5 * 3600


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


@dataclass
class FeedNetwork:
    """All that Vigie keeps of a feed."""

    name: str
    attribution: str
    timezone: str
    digest: str
    lines: list[FeedLine] = field(default_factory=list)
    stops: list[FeedStop] = field(default_factory=list)
    shapes: list[FeedShape] = field(default_factory=list)
    line_stops: list[FeedLineStop] = field(default_factory=list)
    trips: int = 0
    stop_times: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How much of each there is, for the report."""
        return {
            "lines": len(self.lines), "stops": len(self.stops), "shapes": len(self.shapes),
            "line_stops": len(self.line_stops), "trips": self.trips, "stop_times": self.stop_times,
        }


class _Pattern(NamedTuple):
    stops: tuple[str, ...]
    direction: str
    shape_id: str


def read(path: Path, watch: Watch = ignore) -> FeedNetwork:
    """The network that the feed at `path` (zip or folder) describes. Raises `FeedRefused`."""
    with open_feed(path, watch) as feed:
        network = _agency(feed, digest_of(path))
        routes = list(read_routes(feed))
        network.stops = read_stops(feed)
        ways = read_shapes(feed)
        trips = read_trips(feed, {line.id for line in routes}, ways)
        numbers = {stop.id: number for number, stop in enumerate(network.stops) if not stop.is_station}
        network.stop_times = read_stop_times(feed, trips, numbers)
    network.trips = len(trips)
    places = {stop.id: (stop.latitude, stop.longitude) for stop in network.stops}
    ids = [stop.id for stop in network.stops]
    patterns: dict[str, dict[_Pattern, int]] = {}
    nights: dict[str, bool] = {}
    for trip_id, trip in trips.items():
        if trip.calls:
            pattern = _Pattern(_ordered(trip_id, trip, ids), trip.direction, trip.shape_id)
            of_line = patterns.setdefault(trip.line_id, {})
            of_line[pattern] = of_line.get(pattern, 0) + 1
            nights[trip.line_id] = nights.get(trip.line_id, True) and _in_the_night(trip.departure)
    network.lines = [line._replace(night=nights.get(line.id, False)) for line in routes]
    for line in routes:
        _describe(network, line.id, patterns.get(line.id, {}), places, ways)
    return network


def _agency(feed: Feed, digest: str) -> FeedNetwork:
    names, timezone = [], ""
    with feed.table("agency.txt", ("agency_name", "agency_timezone")) as table:
        for name, zone in table:
            names.append(name.strip())
            timezone = timezone or zone.strip()
    if not names or not timezone:
        raise FeedRefused("agency.txt", 0, "", "names no agency with its timezone")
    name = ", ".join(names[:3])
    attribution = name
    if feed.has("feed_info.txt"):
        with feed.table("feed_info.txt", ("feed_publisher_name", "feed_publisher_url")) as table:
            publishers = [publisher.strip() for publisher, _url in table]
        if publishers and publishers[0] and publishers[0] != name:
            attribution = f"{name} ({publishers[0]})"
    if not (feed.has("calendar.txt") or feed.has("calendar_dates.txt")):
        raise FeedRefused("calendar.txt", 0, "", "missing from the feed, and calendar_dates.txt too")
    return FeedNetwork(name, attribution, timezone, digest)


def _ordered(trip_id: str, trip: FeedTrip, ids: list[str]) -> tuple[str, ...]:
    calls = sorted(trip.calls)
    mask = (1 << STOP_BITS) - 1
    for before, after in pairwise(calls):
        if before >> STOP_BITS == after >> STOP_BITS:
            reason = f"{after >> STOP_BITS} stands twice in trip {trip_id!r}"
            raise FeedRefused("stop_times.txt", 0, "stop_sequence", reason)
    return tuple(ids[call & mask] for call in calls)


def _in_the_night(departure: str) -> bool:
    hours, _, rest = departure.strip().partition(":")
    if not hours.isdecimal():
        return False
    minutes = rest[:2]
    seconds = int(hours) * 3600 + (int(minutes) * 60 if minutes.isdecimal() else 0)
    return seconds >= NIGHT_BEGINS_S or seconds < NIGHT_ENDS_S


def _describe(
    network: FeedNetwork, line_id: str, patterns: dict[_Pattern, int], places: Places,
    ways: dict[str, LineString | None],
) -> None:
    if not patterns:
        return
    usual = max(patterns, key=lambda p: (patterns[p], len(p.stops), p)).stops
    by_direction: dict[int, dict[_Pattern, int]] = {}
    for pattern, trips in patterns.items():
        told = pattern.direction
        direction = int(told) if told else direction_of(pattern.stops, usual, places)
        by_direction.setdefault(direction, {})[pattern] = trips
    for direction, of_direction in sorted(by_direction.items()):
        order = order_of_stops((p.stops, trips) for p, trips in of_direction.items())
        network.line_stops += [FeedLineStop(line_id, direction, n, stop) for n, stop in enumerate(order, 1)]
        trips_by_shape: dict[str, int] = {}
        for pattern, trips in of_direction.items():
            if ways.get(pattern.shape_id):
                trips_by_shape[pattern.shape_id] = trips_by_shape.get(pattern.shape_id, 0) + trips
        shapes = [(shape_id, trips, ways[shape_id]) for shape_id, trips in trips_by_shape.items()]
        if not shapes:
            longest = max(of_direction, key=lambda p: (len(p.stops), of_direction[p], p)).stops
            built = line_through(places[stop] for stop in longest)
            shapes = [(f"stops:{line_id}:{direction}", sum(of_direction.values()), built)] if built else []
        drawn = [(shape_id, trips, way) for shape_id, trips, way in shapes if way is not None]
        on_map = shapes_for_map(drawn)
        network.shapes += [
            FeedShape(line_id, direction, shape_id, trips, shape_id in on_map, way)
            for shape_id, trips, way in sorted(drawn, key=lambda s: (-s[1], s[0]))
        ]
