"""A GTFS feed read row by row: agencies, lines, stops, shapes and trips, each refused where it is wrong."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shapely.geometry import LineString

from backend.geo import is_place
from backend.network.gtfs_files import Feed, Table
from backend.network.gtfs_report import FeedRefused
from backend.network.line_looks import color_of, mode_of, text_color_on
from backend.network.patterns import line_through


class FeedAgency(NamedTuple):
    """Who runs the network."""

    ids: frozenset[str]
    name: str
    attribution: str
    timezone: str


class FeedLine(NamedTuple):
    """A row of routes.txt, plus whether it runs in the night only."""

    id: str
    short_name: str
    long_name: str
    mode: str
    color: str
    text_color: str
    night: bool
    rank: int


class FeedStop(NamedTuple):
    """A stop or a station of stops.txt."""

    id: str
    name: str
    code: str | None
    latitude: float
    longitude: float
    is_station: bool
    station_id: str | None


class FeedTrip:
    """A trip of trips.txt and its calls at stops, packed: millions fit."""

    __slots__ = ("block_id", "calls", "direction", "headsign", "line_id", "service_id", "shape_id", "times")

    def __init__(
        self, line_id: str, service_id: str, direction: str, shape_id: str, headsign: str, block_id: str,
    ) -> None:
        self.line_id, self.service_id, self.direction = line_id, service_id, direction
        self.shape_id, self.headsign, self.block_id = shape_id, headsign, block_id
        self.calls = array("q")  # stop_sequence << 32 | number of the stop
        self.times = array("i")  # arrival, departure; -1 where blank


def _only_once(table: Table, column: str, value: str, seen: dict[str, int]) -> None:
    table.check_id(column, value)
    if seen.setdefault(value, table.line) != table.line:
        raise table.refused(column, f"{value!r} stands in line {seen[value]} already")


def whole(table: Table, column: str, value: str) -> int:
    """The number that a field names."""
    if not (value.strip().isdecimal() and len(value) < 12):
        raise table.refused(column, f"{value!r} is not a whole number")
    return int(value)


def _place(table: Table, names: tuple[str, str], latitude: str, longitude: str) -> tuple[float, float]:
    numbers = []
    for column, value in zip(names, (latitude, longitude), strict=True):
        try:
            numbers.append(float(value))
        except ValueError:
            raise table.refused(column, f"{value!r} is not a number") from None
    if not is_place(*numbers):
        raise table.refused(names[0], f"{latitude}, {longitude} is no place of a network")
    return numbers[0], numbers[1]


def read_agencies(feed: Feed) -> FeedAgency:
    """Who runs the network, who is to be named for the data, and the time zone of its clocks."""
    names: list[str] = []
    zones: list[str] = []
    ids: list[str] = []
    with feed.table("agency.txt", ("agency_name", "agency_timezone"), ("agency_id",)) as table:
        for name, zone, agency_id in table:
            try:
                ZoneInfo(zone.strip())
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise table.refused("agency_timezone", f"{zone!r} is no time zone such as Europe/Paris") from None
            if zones and zone.strip() != zones[0]:
                raise table.refused("agency_timezone", f"{zone.strip()} here, {zones[0]} before: a feed has one")
            if names and not agency_id:
                table.warn("agency_id", "empty, although there are several agencies")
            names.append(name.strip())
            zones.append(zone.strip())
            ids.append(agency_id)
    if not names:
        raise FeedRefused("agency.txt", 0, "", "names no agency with its timezone")
    name = ", ".join(one for one in names[:3] if one) or "?"
    publisher = ""
    if feed.has("feed_info.txt"):
        with feed.table("feed_info.txt", ("feed_publisher_name", "feed_publisher_url")) as table:
            publisher = next((told.strip() for told, _url in table), "")
    attribution = f"{name} ({publisher})" if publisher and publisher != name else name
    return FeedAgency(frozenset(ids), name, attribution, zones[0])


def read_routes(feed: Feed, agencies: Collection[str]) -> Iterator[FeedLine]:
    """The lines, each with a name, a mode and readable colours."""
    seen: dict[str, int] = {}
    optional = (
        "route_short_name", "route_long_name", "route_color", "route_text_color", "route_sort_order", "agency_id",
    )
    with feed.table("routes.txt", ("route_id", "route_type"), optional) as table:
        for number, (route_id, kind, short, long, color, text_color, order, agency_id) in enumerate(table):
            _only_once(table, "route_id", route_id, seen)
            mode = mode_of(whole(table, "route_type", kind))
            name, whole_name = short.strip(), long.strip()
            if not (name or whole_name):
                raise table.refused("route_short_name", "the line has neither a short nor a long name")
            if agency_id and agency_id not in agencies:
                raise table.refused("agency_id", f"unknown agency {agency_id!r}")
            background = color_of(color, mode)
            yield FeedLine(
                route_id, (name or whole_name)[:64], (whole_name or name)[:255], mode,
                background, text_color_on(background, text_color), night=False,
                rank=int(order) if order.strip().isdecimal() and len(order) < 9 else number,
            )


def read_stops(feed: Feed) -> list[FeedStop]:
    """The stops and stations, each stop with the station that holds it."""
    seen: dict[str, int] = {}
    stops, parents = [], []
    required = ("stop_id", "stop_name", "stop_lat", "stop_lon")
    with feed.table("stops.txt", required, ("stop_code", "location_type", "parent_station")) as table:
        for stop_id, name, lat, lon, code, kind, parent in table:
            _only_once(table, "stop_id", stop_id, seen)
            if (kind.strip() or "0") not in ("0", "1", "2", "3", "4"):
                raise table.refused("location_type", f"{kind!r} is none of 0 to 4")
            if parent:
                parents.append((table.line, parent))
            if kind.strip() not in ("", "0", "1"):
                feed.report.note("stops.txt", "entrances and passages, of use to route planners only, left out")
                continue
            if not name.strip():
                raise table.refused("stop_name", "empty")
            place = _place(table, ("stop_lat", "stop_lon"), lat, lon)
            stops.append(FeedStop(
                stop_id, name.strip()[:255], code.strip()[:64] or None, *place,
                is_station=kind.strip() == "1", station_id=parent or None,
            ))
    for line, parent in parents:
        if parent not in seen:
            raise FeedRefused("stops.txt", line, "parent_station", f"unknown stop {parent!r}")
    stations = {stop.id for stop in stops if stop.is_station}
    return [stop if stop.station_id in stations else stop._replace(station_id=None) for stop in stops]


def read_shapes(feed: Feed) -> dict[str, LineString | None]:
    """The shapes by id; None for one that is a single place. Empty without shapes.txt, which is optional."""
    if not feed.has("shapes.txt"):
        return {}
    points: dict[str, list[tuple[int, float, float]]] = {}
    names = ("shape_pt_lat", "shape_pt_lon")
    with feed.table("shapes.txt", ("shape_id", *names, "shape_pt_sequence")) as table:
        for shape_id, lat, lon, order in table:
            point = (whole(table, "shape_pt_sequence", order), *_place(table, names, lat, lon))
            of_shape = points.get(shape_id)
            if of_shape is None:
                table.check_id("shape_id", shape_id)
                of_shape = points[shape_id] = []
            of_shape.append(point)
    return {
        shape_id: line_through((lat, lon) for _order, lat, lon in sorted(of_shape))
        for shape_id, of_shape in points.items()
    }


def read_trips(
    feed: Feed, lines: Collection[str], services: Collection[str], shapes: Collection[str],
) -> dict[str, FeedTrip]:
    """The trips by id, each of a known line, service and shape."""
    trips: dict[str, FeedTrip] = {}
    required = ("route_id", "service_id", "trip_id")
    optional = ("direction_id", "shape_id", "trip_headsign", "block_id")
    with feed.table("trips.txt", required, optional) as table:
        for route_id, service_id, trip_id, direction, shape_id, headsign, block_id in table:
            table.check_id("trip_id", trip_id)
            if trip_id in trips:
                raise table.refused("trip_id", f"{trip_id!r} stands twice")
            if route_id not in lines:
                raise table.refused("route_id", f"unknown route {route_id!r}")
            if service_id not in services:
                raise table.refused("service_id", f"unknown service {service_id!r}")
            if direction not in ("", "0", "1"):
                raise table.refused("direction_id", f"{direction!r} is neither 0 nor 1")
            if shape_id and shape_id not in shapes:
                raise table.refused("shape_id", f"unknown shape {shape_id!r}")
            trips[trip_id] = FeedTrip(
                route_id, service_id, direction, shape_id, headsign.strip()[:255], block_id.strip()[:255],
            )
    return trips
