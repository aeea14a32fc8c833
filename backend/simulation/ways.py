"""Geometry on the ground: places, and ways along which things move, measured in metres. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

METRES_PER_DEGREE = 111_195.0


class Place(NamedTuple):
    """A point on Earth, WGS84 degrees."""

    latitude: float
    longitude: float


def metres_between(a: Place, b: Place) -> float:
    """Metres between two places of one town (flat Earth: the error is centimetres)."""
    scale = math.cos(math.radians((a.latitude + b.latitude) / 2))
    return METRES_PER_DEGREE * math.hypot(a.latitude - b.latitude, (a.longitude - b.longitude) * scale)


def heading_between(a: Place, b: Place) -> float:
    """Degrees from north, clockwise, when going from one place to the other."""
    scale = math.cos(math.radians((a.latitude + b.latitude) / 2))
    return math.degrees(math.atan2((b.longitude - a.longitude) * scale, b.latitude - a.latitude)) % 360


def moved(place: Place, east_m: float, north_m: float) -> Place:
    """The place so many metres east and north."""
    scale = math.cos(math.radians(place.latitude))
    return Place(
        place.latitude + north_m / METRES_PER_DEGREE,
        place.longitude + east_m / (METRES_PER_DEGREE * max(0.01, scale)),
    )


class Way:
    """A polyline on which something moves; `length_m` long."""

    def __init__(self, points: Sequence[Place]) -> None:
        if len(points) < 2:
            points = [*points, *points]
        self.points = list(points)
        self._measures = [0.0]
        for before, after in zip(self.points, self.points[1:], strict=False):
            self._measures.append(self._measures[-1] + metres_between(before, after))
        self.length_m = self._measures[-1]

    def at(self, metres: float) -> Place:
        """The place so many metres from the beginning (its ends when the way is shorter)."""
        metres = min(max(metres, 0.0), self.length_m)
        piece = self._piece(metres)
        before, after = self.points[piece], self.points[piece + 1]
        long = self._measures[piece + 1] - self._measures[piece]
        share = (metres - self._measures[piece]) / long if long else 0.0
        return Place(
            before.latitude + (after.latitude - before.latitude) * share,
            before.longitude + (after.longitude - before.longitude) * share,
        )

    def heading_at(self, metres: float) -> float:
        """The direction of travel there, in degrees from north."""
        piece = self._piece(min(max(metres, 0.0), self.length_m))
        return heading_between(self.points[piece], self.points[piece + 1])

    def nearest(self, place: Place, from_m: float = 0.0) -> tuple[float, float]:
        """(metres from the beginning to the nearest place of the way, metres from it to `place`).

        `from_m`: on what lies behind it nothing is looked for, since a loop passes the same place twice.
        """
        scale = math.cos(math.radians(place.latitude))
        x, y = place.longitude * scale, place.latitude
        best = (math.inf, 0.0)
        for piece, (a, b) in enumerate(zip(self.points, self.points[1:], strict=False)):
            if self._measures[piece + 1] < from_m:
                continue
            ax, ay, bx, by = a.longitude * scale, a.latitude, b.longitude * scale, b.latitude
            dx, dy = bx - ax, by - ay
            square = dx * dx + dy * dy
            long = self._measures[piece + 1] - self._measures[piece]
            least = max(0.0, (from_m - self._measures[piece]) / long) if long else 0.0
            share = min(1.0, max(least, ((x - ax) * dx + (y - ay) * dy) / square)) if square else 0.0
            off = math.hypot(x - ax - share * dx, y - ay - share * dy)
            if off < best[0]:
                best = (off, self._measures[piece] + share * long)
        return best[1], best[0] * METRES_PER_DEGREE

    def _piece(self, metres: float) -> int:
        return min(max(bisect_right(self._measures, metres) - 1, 0), len(self.points) - 2)
