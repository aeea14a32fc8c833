"""What others ask of the network: places of stops, names of lines, search, the service area, the map."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from statistics import fmean
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.geo import Point, distance_m
from backend.network.models import Line, LineStop, NetworkVersion, Shape, StopPoint
from backend.network.names import folded

MAP_TOLERANCE_DEGREES = 0.00003  # about 3 m: invisible on a phone, a third of the bytes
SAME_PLACE_M = 300
STATION_M = 1000
MOST_FOUND = 50


class Bounds(NamedTuple):
    """A rectangle in degrees."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, point: Point, margin_m: float = 0) -> bool:
        """True when the point lies inside, or outside by at most `margin_m`."""
        north_south = margin_m / 111_195
        east_west = north_south / max(0.01, math.cos(math.radians(point.latitude)))
        return (
            self.south - north_south <= point.latitude <= self.north + north_south
            and self.west - east_west <= point.longitude <= self.east + east_west
        )


def current(session: Session) -> NetworkVersion | None:
    """The network in force; None before the first import."""
    return session.scalar(select(NetworkVersion).where(NetworkVersion.is_current))


def current_id(session: Session) -> uuid.UUID | None:
    """The id of the network in force."""
    return session.scalar(select(NetworkVersion.id).where(NetworkVersion.is_current))


_EDGES = select(NetworkVersion.west, NetworkVersion.south, NetworkVersion.east, NetworkVersion.north).where(
    NetworkVersion.is_current
)


def service_area(session: Session) -> Bounds | None:
    """The rectangle around every stop that is served; None before the first import."""
    row = session.execute(_EDGES).first()
    return Bounds(*row) if row else None


def stop_point(session: Session, stop_id: str) -> Point | None:
    """Where a stop or station of the network in force is; None when it has none of that id."""
    row = session.execute(_of_current(select(StopPoint.latitude, StopPoint.longitude), StopPoint.version_id)
                          .where(StopPoint.id == stop_id)).first()
    return Point(*row) if row else None


def station_point(session: Session, station: str) -> Point | None:
    """Where a station is, named by id or as riders write it; None when unknown, or when two share it."""
    by_id = stop_point(session, station)
    name = folded(station)
    if by_id is not None or not name:
        return by_id
    rows = session.execute(_of_current(select(StopPoint.latitude, StopPoint.longitude), StopPoint.version_id)
                           .where(StopPoint.search_name == name).order_by(StopPoint.id)).all()
    if not rows:
        return None
    middle = Point(fmean(row.latitude for row in rows), fmean(row.longitude for row in rows))
    return middle if all(distance_m(middle, Point(*row)) <= STATION_M for row in rows) else None


def line_name(session: Session, line_id: str) -> str | None:
    """The short name of a line of the network in force."""
    statement = _of_current(select(Line.short_name), Line.version_id).where(Line.id == line_id)
    name: str | None = session.scalar(statement)
    return name


def lines(session: Session, version_id: uuid.UUID) -> list[Line]:
    """A version's lines: metro, tram, then the others, each in the feed's own order."""
    order = {"metro": 0, "tram": 1, "ferry": 3}
    found = session.scalars(select(Line).where(Line.version_id == version_id)).all()
    return sorted(found, key=lambda line: (order.get(line.mode, 2), line.rank, line.id))


def line_exists(session: Session, version_id: uuid.UUID, line_id: str) -> bool:
    """True when the version has a line of that id."""
    return session.get(Line, (version_id, line_id)) is not None


def stops_of_line(
    session: Session, version_id: uuid.UUID, line_id: str, direction_id: int,
) -> list[tuple[LineStop, StopPoint]]:
    """The stops of a line in one direction, in the order in which it serves them."""
    rows = session.execute(
        select(LineStop, StopPoint)
        .join(StopPoint, (StopPoint.version_id == LineStop.version_id) & (StopPoint.id == LineStop.stop_id))
        .where(LineStop.version_id == version_id, LineStop.line_id == line_id,
               LineStop.direction_id == direction_id)
        .order_by(LineStop.sequence)
    )
    return [(row[0], row[1]) for row in rows]


def find_stops(session: Session, version_id: uuid.UUID, words: str) -> list[StopPoint]:
    """The stops whose name has every word typed, best first; the many poles of one place are told once."""
    typed = folded(words)
    statement = select(StopPoint).where(StopPoint.version_id == version_id)
    for word in typed.split()[:8]:
        statement = statement.where(StopPoint.search_name.contains(word, autoescape=True))
    if words.strip() and not typed:
        return []
    found = list(session.scalars(statement.order_by(StopPoint.search_name, StopPoint.id).limit(1000)))
    found += session.scalars(select(StopPoint).where(
        StopPoint.version_id == version_id, StopPoint.code == words.strip(), StopPoint.code.is_not(None)))
    found.sort(key=lambda stop: (
        stop.code != words.strip(), stop.search_name != typed, not stop.search_name.startswith(typed),
        stop.search_name, not stop.is_station, stop.id,
    ))
    return _one_per_place(found)[:MOST_FOUND]


def _one_per_place(stops: Iterable[StopPoint]) -> list[StopPoint]:
    namesakes: dict[str, list[Point]] = {}
    told: list[StopPoint] = []
    for stop in stops:
        here = Point(stop.latitude, stop.longitude)
        others = namesakes.setdefault(stop.search_name, [])
        if all(distance_m(here, other) > SAME_PLACE_M for other in others):
            others.append(here)
            told.append(stop)
    return told


def map_features(session: Session, version_id: uuid.UUID) -> dict[str, Any]:
    """The GeoJSON of a version: each line's ways, then the places where something stops."""
    by_id = {line.id: line for line in lines(session, version_id)}
    rank = {line_id: number for number, line_id in enumerate(by_id)}
    shapes = session.scalars(select(Shape).where(Shape.version_id == version_id, Shape.on_map))
    features = [
        _way(by_id[shape.line_id], shape)
        for shape in sorted(shapes, key=lambda s: (rank[s.line_id], s.direction_id, -s.trips, s.id))
    ]
    served = select(LineStop.stop_id).where(LineStop.version_id == version_id)
    stops = session.scalars(
        select(StopPoint).where(StopPoint.version_id == version_id, StopPoint.id.in_(served))
        .order_by(StopPoint.id))
    features += [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": _rounded(stop.longitude, stop.latitude)},
            "properties": {"kind": "stop", "stop_id": stop.id, "name": stop.name},
        }
        for stop in stops
    ]
    return {"type": "FeatureCollection", "features": features}


def _way(line: Line, shape: Shape) -> dict[str, Any]:
    thin = shape.geometry.simplify(MAP_TOLERANCE_DEGREES)
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [_rounded(lon, lat) for lon, lat in thin.coords]},
        "properties": {
            "kind": "line", "line_id": line.id, "name": line.short_name, "color": line.color,
            "mode": line.mode, "direction_id": shape.direction_id,
        },
    }


def _rounded(longitude: float, latitude: float) -> list[float]:
    return [round(longitude, 5), round(latitude, 5)]


def _of_current(statement: Any, version_id: Any) -> Any:
    return statement.join(NetworkVersion, NetworkVersion.id == version_id).where(NetworkVersion.is_current)
