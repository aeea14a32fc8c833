"""From many trips to one picture of a line: the order of its stops, its directions, its shapes for the map.

Pure: tuples and Shapely geometry in, tuples out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

Places = Sequence[tuple[float, float]]
NEAR_DEGREES = 0.0005  # about 50 m: two carriageways of one street are one way on the map
ADDS_DEGREES = 0.003  # about 300 m: a shorter detour would only thicken the line


def order_of_stops(patterns: Iterable[tuple[tuple[int, ...], int]]) -> list[int]:
    """Every stop that one of the patterns (stops, trips) serves, in the order of the most usual one.

    A stop of a rarer pattern comes after the stop that precedes it there: a branch stays in one piece.
    """
    ranked = sorted(patterns, key=lambda p: (-p[1], -len(p[0]), p[0]))
    order = list(ranked[0][0])
    for stops, _trips in ranked[1:]:
        at: int | None = None
        before: list[int] = []
        for stop in stops:
            if stop in order:
                start = at or 0
                found = order.index(stop, start) if stop in order[start:] else order.index(stop)
                if at is None:
                    order[found:found] = before
                    found += len(before)
                at = found + 1
            elif at is None:
                before.append(stop)
            else:
                order.insert(at, stop)
                at += 1
        if at is None:
            order += before
    return order


def direction_of(stops: Sequence[int], usual: Sequence[int], places: Places) -> int:
    """0 when a pattern runs as the line's usual one, 1 when it runs back: for feeds that do not say it."""
    (a_lat, a_lon), (b_lat, b_lon) = places[usual[0]], places[usual[-1]]
    (c_lat, c_lon), (d_lat, d_lon) = places[stops[0]], places[stops[-1]]
    same_way = (b_lat - a_lat) * (d_lat - c_lat) + (b_lon - a_lon) * (d_lon - c_lon)
    return 1 if same_way < 0 else 0


def shapes_for_map(shapes: Sequence[tuple[str, int, LineString]]) -> set[str]:
    """The ids of those shapes (id, trips, geometry) of a line's direction that show a way of their own."""
    chosen: set[str] = set()
    covered: BaseGeometry | None = None
    for shape_id, _trips, line in sorted(shapes, key=lambda s: (-s[1], -s[2].length, s[0])):
        rough = line.simplify(NEAR_DEGREES / 5)
        if covered is not None and rough.difference(covered).length < ADDS_DEGREES:
            continue
        chosen.add(shape_id)
        around = rough.buffer(NEAR_DEGREES)
        covered = around if covered is None else covered.union(around)
    return chosen


def line_through(points: Iterable[tuple[float, float]]) -> LineString | None:
    """The way through (latitude, longitude) points; None when they are one place."""
    coordinates: list[tuple[float, float]] = []
    for latitude, longitude in points:
        if not coordinates or coordinates[-1] != (longitude, latitude):
            coordinates.append((longitude, latitude))
    return LineString(coordinates) if len(coordinates) > 1 else None
