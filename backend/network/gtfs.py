"""GTFS read into one value: lines, stops, shapes, patterns and trips, or a refusal that names its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from backend.geo import Point
from backend.network.gtfs_calendar import (
    FeedFrequency,
    FeedService,
    FeedServiceDate,
    read_frequencies,
    read_services,
    validity,
)
from backend.network.gtfs_files import Feed, Watch, ignore
from backend.network.gtfs_lines import Described, FeedLineStop, FeedPattern, FeedShape, FeedTripTimes, Gathered
from backend.network.gtfs_report import FeedRefused, Report
from backend.network.gtfs_rows import (
    FeedLine,
    FeedStop,
    read_agencies,
    read_routes,
    read_shapes,
    read_stops,
    read_trips,
)
from backend.network.gtfs_sources import digest_of, open_feed
from backend.network.gtfs_times import calls_in_order, read_stop_times
from backend.network.stations import NamedPlace, stations_of

REQUIRED = ("agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt")
READ = {*REQUIRED, "shapes.txt", "calendar.txt", "calendar_dates.txt", "frequencies.txt", "feed_info.txt"}


@dataclass
class FeedNetwork:
    """All that Vigie keeps of a feed."""

    name: str
    attribution: str
    timezone: str
    digest: str
    report: Report
    valid_from: date | None = None
    valid_until: date | None = None
    lines: list[FeedLine] = field(default_factory=list)
    stops: list[FeedStop] = field(default_factory=list)
    shapes: list[FeedShape] = field(default_factory=list)
    line_stops: list[FeedLineStop] = field(default_factory=list)
    patterns: list[FeedPattern] = field(default_factory=list)
    trips: list[FeedTripTimes] = field(default_factory=list)
    services: list[FeedService] = field(default_factory=list)
    service_dates: list[FeedServiceDate] = field(default_factory=list)
    frequencies: list[FeedFrequency] = field(default_factory=list)
    stop_times: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How much of each there is, for the report."""
        stations = sum(stop.is_station for stop in self.stops)
        return {
            "lines": len(self.lines), "stops": len(self.stops) - stations, "stations": stations,
            "shapes": len(self.shapes), "line_stops": len(self.line_stops), "patterns": len(self.patterns),
            "trips": len(self.trips), "stop_times": self.stop_times, "services": len(self.services),
            "service_dates": len(self.service_dates), "frequencies": len(self.frequencies),
        }


def read(path: Path, watch: Watch = ignore) -> FeedNetwork:
    """The network that the feed at `path` (zip or folder) describes. Raises `FeedRefused`."""
    with open_feed(path, watch) as feed:
        for name in REQUIRED:
            if not feed.has(name):
                raise FeedRefused(name, 0, "", "missing from the feed")
        agency = read_agencies(feed)
        network = FeedNetwork(agency.name, agency.attribution, agency.timezone, digest_of(path), feed.report)
        services, network.service_dates = read_services(feed)
        network.services = list(services.values())
        network.valid_from, network.valid_until = validity(feed, services, network.service_dates)
        routes = list(read_routes(feed, agency.ids))
        network.stops = read_stops(feed)
        ways = read_shapes(feed)
        trips = read_trips(feed, {line.id for line in routes}, services, ways)
        numbers = {stop.id: number for number, stop in enumerate(network.stops) if not stop.is_station}
        read_stop_times(feed, trips, numbers)
        gathered = Gathered(ways, [(stop.latitude, stop.longitude) for stop in network.stops])
        for trip_id, trip, calls in calls_in_order(feed, trips):
            gathered.add(trip_id, trip, calls)
        frequencies = read_frequencies(feed, trips)
        feed.report.not_read = [name for name in feed.names() if name not in READ]
        _describe_all(network, feed, gathered, routes)
    kept = {trip.id for trip in network.trips}
    network.frequencies = [one for one in frequencies if one.trip_id in kept]
    _add_stations(network)
    return network


def _describe_all(network: FeedNetwork, feed: Feed, gathered: Gathered, routes: list[FeedLine]) -> None:
    ids = [stop.id for stop in network.stops]
    names = [stop.name for stop in network.stops]
    network.lines = [line._replace(night=gathered.is_night(line.id)) for line in routes]
    described = Described(gathered, ids, names, feed.report)
    for line in routes:
        described.add(line.id)
    network.shapes, network.line_stops = described.shapes, described.line_stops
    network.patterns, network.trips = described.patterns, described.trips
    network.stop_times = sum(len(trip.times) // 8 for trip in network.trips)
    if not feed.has("shapes.txt"):
        feed.report.note("shapes.txt", "not in the feed: ways are drawn straight from stop to stop")
    unused = gathered.unused_shapes()
    if unused:
        feed.report.note("shapes.txt", "shapes of no trip, left out", unused)
    silent = len({line.id for line in routes} - gathered.lines())
    if silent:
        feed.report.note("routes.txt", "lines without a trip: they are listed, and have no way", silent)


def _add_stations(network: FeedNetwork) -> None:
    """Groups stops of one name where the feed has no stations, so that "same station" means something."""
    if any(stop.is_station for stop in network.stops):
        return
    found = stations_of(
        NamedPlace(stop.id, stop.name, Point(stop.latitude, stop.longitude)) for stop in network.stops
    )
    taken = {stop.id for stop in network.stops}
    station_of = {
        stop_id: station.id for station in found if station.id not in taken for stop_id in station.stop_ids
    }
    network.stops = [
        stop._replace(station_id=station_of[stop.id]) if stop.id in station_of else stop for stop in network.stops
    ]
    network.stops += [
        FeedStop(station.id, station.name, None, *station.point, is_station=True, station_id=None)
        for station in found if station.id not in taken
    ]
    if found:
        reason = "stations made of stops that share a name within 250 m: the feed has no parent_station"
        network.report.note("stops.txt", reason, len(found))
