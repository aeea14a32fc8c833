"""The current network in memory: lines, patterns with their ways, stops in a tree. One per process, made when asked.

Built from the rows of the current version and kept until another version is current; asking costs one small query.
"""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from shapely import STRtree
from shapely.geometry import Point as Dot
from shapely.geometry import Polygon, box
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.geo import Point, distance_m
from backend.network.models import Line, NetworkVersion, Shape, StopPoint
from backend.network.names import folded
from backend.network.timetable_models import Pattern as PatternRow
from backend.network.ways import Located, Way

_DEGREE_M = 111_195.0
SEGMENTS_OF_A_PIECE = 12


@dataclass(frozen=True)
class LineFacts:
    """A line as riders know it."""

    id: str
    short_name: str
    long_name: str
    mode: str
    color: str
    text_color: str
    night: bool


@dataclass(frozen=True)
class StopFacts:
    """A stop, and the station that it belongs to."""

    id: str
    name: str
    point: Point
    station_id: str | None


@dataclass(frozen=True)
class PatternStop:
    """A stop of a pattern, at its place along the way."""

    stop_id: str
    name: str
    sequence: int
    measure_m: float
    point: Point


@dataclass(frozen=True, eq=False)
class Pattern:
    """One order of stops on one way, in one direction of one line."""

    id: int
    line_id: str
    direction_id: int
    headsign: str | None
    way: Way
    stops: tuple[PatternStop, ...]
    trips: int

    def stop_before(self, measure_m: float) -> PatternStop | None:
        """The last stop at or before a place on the way."""
        return next((stop for stop in reversed(self.stops) if stop.measure_m <= measure_m), None)

    def stop_after(self, measure_m: float) -> PatternStop | None:
        """The first stop after a place on the way."""
        return next((stop for stop in self.stops if stop.measure_m > measure_m), None)


@dataclass(eq=False)
class Network:
    """The network of one version."""

    version_id: uuid.UUID
    zone: ZoneInfo
    lines: dict[str, LineFacts]
    stops: dict[str, StopFacts]
    patterns: dict[int, Pattern]

    def __post_init__(self) -> None:
        """Sorts the patterns by line, the stops by station, and plants the trees."""
        by_line: dict[str, list[Pattern]] = defaultdict(list)
        by_way: dict[Way, list[Pattern]] = defaultdict(list)
        self._lines_of_stop: dict[str, set[str]] = defaultdict(set)
        self._stations: dict[str, set[str]] = defaultdict(set)
        self._named: dict[str, set[str]] = defaultdict(set)
        for pattern in self.patterns.values():
            by_line[pattern.line_id].append(pattern)
            by_way[pattern.way].append(pattern)
            for place in pattern.stops:
                self._lines_of_stop[place.stop_id].add(pattern.line_id)
        for stop in self.stops.values():
            self._stations[stop.station_id or stop.id].add(stop.id)
            self._named[folded(stop.name)].add(stop.id)
        self._by_line = {line: sorted(found, key=lambda one: (-one.trips, one.id)) for line, found in by_line.items()}
        self._stop_list = list(self.stops.values())
        self._stop_tree = STRtree([Dot(stop.point.longitude, stop.point.latitude) for stop in self._stop_list])
        self._by_way = dict(by_way)
        pieces = [(way, piece) for way in by_way for piece in _pieces(way)]
        self._piece_ways = [way for way, _ in pieces]
        self._piece_tree = STRtree([piece for _, piece in pieces])

    def patterns_of(self, line_id: str, direction_id: int | None = None) -> list[Pattern]:
        """The line's patterns, the one with most trips first."""
        return [one for one in self._by_line.get(line_id, []) if direction_id in (None, one.direction_id)]

    def lines_of_stop(self, stop_id: str) -> set[str]:
        """The lines that serve a stop."""
        return self._lines_of_stop.get(stop_id, set())

    def stops_near(self, point: Point, radius_m: float) -> list[tuple[StopFacts, float]]:
        """The stops within so many metres, nearest first."""
        hits = self._stop_tree.query(_around(point, radius_m))
        found = [(stop, distance_m(point, stop.point)) for stop in (self._stop_list[index] for index in hits)]
        return sorted(((stop, metres) for stop, metres in found if metres <= radius_m), key=lambda one: one[1])

    def patterns_at(self, point: Point, within_m: float) -> list[Pattern]:
        """Every pattern whose way comes near; a little more than asked for, never less."""
        ways = {self._piece_ways[index] for index in self._piece_tree.query(_around(point, within_m))}
        return [pattern for way in ways for pattern in self._by_way[way]]

    def lines_at(self, point: Point, within_m: float) -> list[tuple[Pattern, Located]]:
        """The patterns whose way passes within so many metres, nearest first; one for each line and direction."""
        best: dict[tuple[str, int], tuple[Pattern, Located]] = {}
        places: dict[Way, Located | None] = {}
        for pattern in self.patterns_at(point, within_m):
            if pattern.way not in places:
                places[pattern.way] = pattern.way.locate(point, within_m=within_m)
            located = places[pattern.way]
            key = (pattern.line_id, pattern.direction_id)
            if located is not None and (key not in best or _nearer(pattern, located, *best[key])):
                best[key] = (pattern, located)
        return sorted(best.values(), key=lambda one: (one[1].off_m, one[0].id))

    def station_stops(self, name_or_id: str) -> set[str]:
        """The ids of all stops of one station: of a station, of a stop's station, or of everything with that name."""
        stop = self.stops.get(name_or_id)
        if stop is not None:
            return set(self._stations[stop.station_id or stop.id])
        if name_or_id in self._stations:
            return set(self._stations[name_or_id])
        return set(self._named.get(folded(name_or_id), ()))


_lock = threading.Lock()


_CURRENT = select(NetworkVersion.id, NetworkVersion.timezone).where(NetworkVersion.is_current)


def network_of(session: Session) -> Network | None:
    """The current network; None before any was imported. One transaction sees one network."""
    if "network_version" not in session.info:
        session.info["network_version"] = session.execute(_CURRENT).first()
    version = session.info["network_version"]
    if version is None:
        return None
    with _lock:
        kept = _kept.get(version.id)
    if kept is not None:
        return kept
    made = _build(session, version.id, version.timezone)
    with _lock:
        # One network is some ten megabytes: only the current one is kept, and the one before for who still reads it.
        while len(_kept) > 1:
            _kept.pop(next(iter(_kept)))
        return _kept.setdefault(version.id, made)


_kept: dict[uuid.UUID, Network] = {}


def _build(session: Session, version_id: uuid.UUID, timezone: str) -> Network:
    lines = {
        row.id: LineFacts(
            row.id, row.short_name, row.long_name, row.mode, row.color, row.text_color, row.night
        )
        for row in session.scalars(select(Line).where(Line.version_id == version_id))
    }
    stops = {
        row.id: StopFacts(row.id, row.name, Point(row.latitude, row.longitude), row.station_id)
        for row in session.scalars(select(StopPoint).where(StopPoint.version_id == version_id))
        if not row.is_station
    }
    ways = {
        (row.line_id, row.direction_id, row.id): _way(row)
        for row in session.scalars(select(Shape).where(Shape.version_id == version_id))
    }
    patterns = {}
    for row in session.scalars(select(PatternRow).where(PatternRow.version_id == version_id)):
        way = ways[row.line_id, row.direction_id, row.shape_id]
        places = _pattern_stops(row.stop_ids, row.measures, stops)
        patterns[row.id] = Pattern(row.id, row.line_id, row.direction_id, row.headsign, way, places, row.trips)
    return Network(version_id, _zone(timezone), lines, stops, patterns)


def _pattern_stops(
    ids: Sequence[str], measures: Sequence[float], stops: dict[str, StopFacts]
) -> tuple[PatternStop, ...]:
    return tuple(
        PatternStop(stop_id, stops[stop_id].name, sequence, measure, stops[stop_id].point)
        for sequence, (stop_id, measure) in enumerate(zip(ids, measures, strict=True))
        if stop_id in stops
    )


def _way(row: Shape) -> Way:
    coordinates = np.asarray(row.geometry.coords)
    return Way(coordinates[:, 1].copy(), coordinates[:, 0].copy())


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError):
        return ZoneInfo("Europe/Paris")


def _nearer(pattern: Pattern, located: Located, other: Pattern, other_located: Located) -> bool:
    # Patterns of one direction share their street: the usual one speaks for it.
    return (round(located.off_m), -pattern.trips, pattern.id) < (round(other_located.off_m), -other.trips, other.id)


def _pieces(way: Way) -> Iterator[Polygon]:
    """Boxes around a few segments each: one around a whole line would hold half of the town."""
    points = way.points()
    for start in range(0, len(points) - 1, SEGMENTS_OF_A_PIECE):
        some = points[start : start + SEGMENTS_OF_A_PIECE + 1]
        longitudes, latitudes = [p.longitude for p in some], [p.latitude for p in some]
        yield box(min(longitudes), min(latitudes), max(longitudes), max(latitudes))


def _around(point: Point, radius_m: float) -> Polygon:
    north = radius_m / _DEGREE_M
    east = north / max(0.01, np.cos(np.radians(point.latitude)))
    return box(point.longitude - east, point.latitude - north, point.longitude + east, point.latitude + north)
