"""A GTFS feed read row by row: lines, stops, shapes, trips, and the times that put stops in order."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from shapely.geometry import LineString

from backend.geo import is_place
from backend.network.gtfs_files import Feed, FeedRefused, Table
from backend.network.line_looks import color_of, mode_of, text_color_on
from backend.network.patterns import line_through

STOP_BITS = 32
_NOT_YET = 1 << 62


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
    """A trip of trips.txt and its calls at stops, packed."""

    __slots__ = ("calls", "departure", "direction", "first", "line_id", "shape_id")

    def __init__(self, line_id: str, direction: str, shape_id: str) -> None:
        self.line_id, self.direction, self.shape_id = line_id, direction, shape_id
        self.calls = array("q")  # stop_sequence << 32 | number of the stop: 8 bytes a call, millions fit
        self.first, self.departure = _NOT_YET, ""


def _id(table: Table, column: str, value: str, seen: dict[str, int] | None = None) -> str:
    if not value:
        raise table.refused(column, "empty")
    if len(value) > 255:
        raise table.refused(column, "longer than 255 characters")
    if seen is not None and seen.setdefault(value, table.line) != table.line:
        raise table.refused(column, f"{value!r} stands in line {seen[value]} already")
    return value


def _whole(table: Table, column: str, value: str) -> int:
    if not value.strip().isdecimal():
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


def read_routes(feed: Feed) -> Iterator[FeedLine]:
    """The lines, each with a name, a mode and readable colours."""
    seen: dict[str, int] = {}
    optional = ("route_short_name", "route_long_name", "route_color", "route_text_color", "route_sort_order")
    with feed.table("routes.txt", ("route_id", "route_type"), optional) as table:
        for number, (route_id, kind, short, long, color, text_color, order) in enumerate(table):
            mode = mode_of(_whole(table, "route_type", kind))
            name, whole_name = short.strip(), long.strip()
            if not (name or whole_name):
                raise table.refused("route_short_name", "the line has neither a short nor a long name")
            background = color_of(color, mode)
            yield FeedLine(
                _id(table, "route_id", route_id, seen), (name or whole_name)[:64],
                (whole_name or name)[:255], mode,
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
            _id(table, "stop_id", stop_id, seen)
            if (kind.strip() or "0") not in ("0", "1", "2", "3", "4"):
                raise table.refused("location_type", f"{kind!r} is none of 0 to 4")
            if parent:
                parents.append((table.line, parent))
            if kind.strip() not in ("", "0", "1"):
                continue  # entrances and nodes are for route planners
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
            point = (_whole(table, "shape_pt_sequence", order), *_place(table, names, lat, lon))
            points.setdefault(_id(table, "shape_id", shape_id), []).append(point)
    return {
        shape_id: line_through((lat, lon) for _order, lat, lon in sorted(of_shape))
        for shape_id, of_shape in points.items()
    }


def read_trips(feed: Feed, lines: set[str], ways: dict[str, LineString | None]) -> dict[str, FeedTrip]:
    """The trips by id, each of a known line and shape."""
    trips: dict[str, FeedTrip] = {}
    with feed.table("trips.txt", ("route_id", "trip_id"), ("direction_id", "shape_id")) as table:
        for route_id, trip_id, direction, shape_id in table:
            _id(table, "trip_id", trip_id)
            if trip_id in trips:
                raise table.refused("trip_id", f"{trip_id!r} stands twice")
            if route_id not in lines:
                raise table.refused("route_id", f"unknown route {route_id!r}")
            if direction not in ("", "0", "1"):
                raise table.refused("direction_id", f"{direction!r} is neither 0 nor 1")
            if shape_id and shape_id not in ways:
                raise table.refused("shape_id", f"unknown shape {shape_id!r}")
            trips[trip_id] = FeedTrip(route_id, direction, shape_id)
    return trips


def read_stop_times(feed: Feed, trips: dict[str, FeedTrip], numbers: dict[str, int]) -> int:
    """How many times there are; each is added to its trip as a call at a stop (by the stop's number)."""
    sequences: dict[str, int] = {}
    count = 0
    with feed.table("stop_times.txt", ("trip_id", "stop_id", "stop_sequence"), ("departure_time",)) as table:
        for trip_id, stop_id, order, departure in table:  # 921,485 times for one network: keep it lean
            try:
                trip, number = trips[trip_id], numbers[stop_id]
            except KeyError:
                column, value = ("stop_id", stop_id) if trip_id in trips else ("trip_id", trip_id)
                raise table.refused(column, f"unknown {column[:4]} {value!r}") from None
            sequence = sequences.get(order)
            if sequence is None:
                sequence = sequences[order] = _whole(table, "stop_sequence", order)
                if sequence >= 1 << 30:
                    raise table.refused("stop_sequence", f"{order} is too large")
            trip.calls.append(sequence << STOP_BITS | number)
            if sequence < trip.first:
                trip.first, trip.departure = sequence, departure
            count += 1
    return count
