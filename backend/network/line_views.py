"""A line, and what is near a place, as phones are told."""

from __future__ import annotations

from typing import Any

from backend.errors import Refused
from backend.geo import Point
from backend.network.index import LineFacts, Network, Pattern
from backend.network.ways import Way

MOST_STOPS = 50
MOST_LINES = 100


def line_view(network: Network, line_id: str) -> dict[str, Any]:
    """A line with its usual way and stops in each direction; refuses `line_unknown`."""
    line = network.lines.get(line_id)
    if line is None:
        raise Refused("line_unknown")
    usual = (next(iter(network.patterns_of(line_id, direction)), None) for direction in (0, 1))
    return {
        "line": line_facts(line),
        "directions": [_direction(pattern) for pattern in usual if pattern is not None],
    }


def near_view(network: Network | None, point: Point, radius_m: float) -> dict[str, Any]:
    """The stops within a radius and the lines that pass there, nearest first."""
    if network is None:
        return {"stops": [], "lines": []}
    return {
        "stops": [
            {
                "stop_id": stop.id,
                "name": stop.name,
                "latitude": stop.point.latitude,
                "longitude": stop.point.longitude,
                "distance_m": round(metres, 1),
                "line_ids": sorted(network.lines_of_stop(stop.id)),
            }
            for stop, metres in network.stops_near(point, radius_m)[:MOST_STOPS]
        ],
        "lines": [
            {
                "line_id": pattern.line_id,
                "direction_id": pattern.direction_id,
                "distance_m": round(located.off_m, 1),
                "measure_m": round(located.measure_m, 1),
            }
            for pattern, located in network.lines_at(point, radius_m)[:MOST_LINES]
        ],
    }


def line_facts(line: LineFacts) -> dict[str, Any]:
    """What every list of lines says of one."""
    return {
        "id": line.id, "short_name": line.short_name, "long_name": line.long_name, "mode": line.mode,
        "color": line.color, "text_color": line.text_color, "night": line.night,
    }  # fmt: skip


def _direction(pattern: Pattern) -> dict[str, Any]:
    return {
        "direction_id": pattern.direction_id,
        "headsign": pattern.headsign,
        "length_m": round(pattern.way.length_m, 1),
        "path": _path(pattern.way),
        "stops": [
            {
                "stop_id": place.stop_id,
                "name": place.name,
                "sequence": place.sequence,
                "measure_m": round(place.measure_m, 1),
                "latitude": place.point.latitude,
                "longitude": place.point.longitude,
            }
            for place in pattern.stops
        ],
    }


def _path(way: Way) -> list[list[float]]:
    return [[round(point.longitude, 6), round(point.latitude, 6)] for point in way.points()]
