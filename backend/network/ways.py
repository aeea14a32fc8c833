"""Ways: distances along a line's shape. Pure geometry; numpy as its only tool.

Each question is answered in a plane around the point that is asked about, so that a degree has the length that it
has there on WGS84; so do the lengths of the segments, whose sum agrees with the geodesic to a millimetre per kilometre
(a sphere is 3 m in a kilometre off). Loops and out-and-back shapes pass a place more than once: every branch is found,
and what is known (where it was, which way it goes) chooses between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.geo import Point

SAME_BRANCH_M = 15.0
WRONG_WAY_M = 60.0
MOVED_SHARE = 0.05

Floats = NDArray[np.float64]


class Located(NamedTuple):
    """A place on a way: metres from its start, and metres beside it."""

    measure_m: float
    off_m: float


class Way:
    """The line that vehicles follow, from its first to its last point."""

    def __init__(self, latitudes: Floats, longitudes: Floats) -> None:
        if len(latitudes) < 2:
            raise ValueError("a way needs at least two points")
        self._lat = latitudes
        self._lon = longitudes
        north, east = _segments(latitudes, longitudes)
        self._lengths = np.hypot(north, east)
        self._starts = np.concatenate(([0.0], np.cumsum(self._lengths)))
        self._headings = np.degrees(np.arctan2(east, north)) % 360
        self.length_m = float(self._starts[-1])

    @classmethod
    def from_points(cls, points: Sequence[Point]) -> Way:
        """The way through these points; points on top of each other count once."""
        kept = [*points[:1], *(b for a, b in itertools.pairwise(points) if a != b)]
        if len(kept) == 1:
            kept *= 2
        return cls(np.array([p.latitude for p in kept]), np.array([p.longitude for p in kept]))

    def locate_all(self, point: Point, within_m: float) -> list[Located]:
        """Every branch of the way that passes within so many metres of the point, nearest first."""
        off, share = self._project(point)
        near = np.flatnonzero(off <= within_m)
        measures = self._starts[:-1][near] + share[near] * self._lengths[near]
        found: list[Located] = []
        for index in np.argsort(off[near], kind="stable"):
            one = Located(float(measures[index]), float(off[near][index]))
            if all(self._other_branch(one, other) for other in found):
                found.append(one)
        return found

    def locate(
        self, point: Point, *, within_m: float = 50.0, near_m: float | None = None, heading_deg: float | None = None
    ) -> Located | None:
        """Where on the way the point is; None when it is further beside it than `within_m`.

        `near_m`, where it was before, and `heading_deg`, where it goes, choose between branches.
        """
        found = self.locate_all(point, within_m)
        if not found:
            return None

        def cost(one: Located) -> float:
            total = one.off_m
            if near_m is not None:
                total += abs(one.measure_m - near_m) * MOVED_SHARE
            if heading_deg is not None and turn_deg(self.heading_at(one.measure_m), heading_deg) > 90:
                total += WRONG_WAY_M
            return total

        return min(found, key=cost)

    def point_at(self, measure_m: float) -> Point:
        """The place so many metres from the start; the ends stand for what lies beyond them."""
        index, share = self._segment(measure_m)
        return Point(
            float(self._lat[index] + share * (self._lat[index + 1] - self._lat[index])),
            float(self._lon[index] + share * (self._lon[index + 1] - self._lon[index])),
        )

    def heading_at(self, measure_m: float) -> float:
        """The way's direction there, in degrees clockwise from north."""
        return float(self._headings[self._segment(measure_m)[0]])

    def between(self, from_m: float, to_m: float) -> list[Point]:
        """The points of the piece between two measures, both ends included."""
        inside = (self._starts > from_m) & (self._starts < to_m)
        middle = [Point(float(lat), float(lon)) for lat, lon in zip(self._lat[inside], self._lon[inside], strict=True)]
        return [self.point_at(from_m), *middle, self.point_at(to_m)]

    def points(self) -> list[Point]:
        """All points of the way."""
        return [Point(float(lat), float(lon)) for lat, lon in zip(self._lat, self._lon, strict=True)]

    def _project(self, point: Point) -> tuple[Floats, Floats]:
        """(metres from the point to each segment, share of the segment at the nearest place)."""
        north, east = _metres_per_degree(np.float64(point.latitude))
        x, y = (self._lon - point.longitude) * east, (self._lat - point.latitude) * north
        dx, dy = np.diff(x), np.diff(y)
        squares = dx * dx + dy * dy
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(squares > 0, -(x[:-1] * dx + y[:-1] * dy) / squares, 0.0)
        share = np.clip(share, 0.0, 1.0)
        return np.hypot(x[:-1] + share * dx, y[:-1] + share * dy), share

    def _other_branch(self, one: Located, other: Located) -> bool:
        # Two places of one branch near the same point lie about as far apart along it as they are beside it.
        return abs(one.measure_m - other.measure_m) > 1.5 * (one.off_m + other.off_m) + SAME_BRANCH_M

    def _segment(self, measure_m: float) -> tuple[int, float]:
        measure_m = min(max(measure_m, 0.0), self.length_m)
        index = min(max(int(np.searchsorted(self._starts, measure_m, side="right")) - 1, 0), len(self._lengths) - 1)
        length = float(self._lengths[index])
        return index, (measure_m - float(self._starts[index])) / length if length else 0.0


def _metres_per_degree(latitudes: Floats | np.float64) -> tuple[Floats, Floats]:
    """The length of a degree of latitude and of longitude there, on WGS84."""
    phi = np.radians(latitudes)
    north = 111132.954 - 559.822 * np.cos(2 * phi) + 1.175 * np.cos(4 * phi) - 0.0023 * np.cos(6 * phi)
    east = 111412.84 * np.cos(phi) - 93.5 * np.cos(3 * phi) + 0.118 * np.cos(5 * phi)
    return north, east


def _segments(lat: Floats, lon: Floats) -> tuple[Floats, Floats]:
    """Metres north and metres east from each point to the next."""
    north, east = _metres_per_degree((lat[:-1] + lat[1:]) / 2)
    return np.diff(lat) * north, np.diff(lon) * east


def turn_deg(a: float, b: float) -> float:
    """How far apart two headings are, 0 to 180."""
    return abs((a - b + 180) % 360 - 180)
