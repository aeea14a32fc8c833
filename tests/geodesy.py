"""Distances along and beside a line, computed with other tools than the code's own: pyproj's geodesics and shapely."""

from collections.abc import Sequence

import numpy as np
import shapely
from pyproj import Geod

from backend.geo import Point

WGS84 = Geod(ellps="WGS84")


class Measured:
    """A line whose lengths are geodesics and whose distances are taken in a plane centred on what is asked about."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.lons = [point.longitude for point in points]
        self.lats = [point.latitude for point in points]
        self.steps = WGS84.line_lengths(self.lons, self.lats)
        self.starts = [0.0]
        for step in self.steps:
            self.starts.append(self.starts[-1] + step)
        self.length_m = self.starts[-1]

    def every_pass(self, point: Point, within_m: float) -> list[tuple[float, float]]:
        """(metres along, metres beside) of the nearest place of each segment that comes so near, nearest first."""
        here = np.full(len(self.lons), point.longitude), np.full(len(self.lats), point.latitude)
        azimuths, _, metres = WGS84.inv(*here, self.lons, self.lats)
        plane = np.column_stack((metres * np.sin(np.radians(azimuths)), metres * np.cos(np.radians(azimuths))))
        segments = shapely.linestrings(np.stack((plane[:-1], plane[1:]), axis=1))
        beside = np.atleast_1d(shapely.distance(segments, shapely.Point(0, 0)))
        shares = np.nan_to_num(shapely.line_locate_point(segments, shapely.Point(0, 0), normalized=True))
        along = np.atleast_1d(np.asarray(self.starts[:-1]) + shares * np.asarray(self.steps))
        near = np.flatnonzero(beside <= within_m)
        return sorted(((float(along[one]), float(beside[one])) for one in near), key=lambda one: one[1])

    def beside_m(self, point: Point) -> float:
        """Metres between the point and the line, wherever it comes nearest."""
        return self.every_pass(point, float("inf"))[0][1]


def metres_between(a: Point, b: Point) -> float:
    """The geodesic between two places."""
    return float(WGS84.inv(a.longitude, a.latitude, b.longitude, b.latitude)[2])


def moved(point: Point, heading_deg: float, metres: float) -> Point:
    """The place so many metres away in a direction."""
    longitude, latitude, _ = WGS84.fwd(point.longitude, point.latitude, heading_deg, metres)
    return Point(latitude, longitude)
