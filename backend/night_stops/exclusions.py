"""Where a bus must not let anybody off: pieces of the way, points, areas. No session, no clock; geometry only.

A piece is kept as the path that it had when it was set: metres from the start of a line mean another place on each of
its variants, and after each import.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shapely import GEOSException
from shapely.geometry import Point as Dot
from shapely.geometry import Polygon, shape

from backend.geo import Point, distance_m, is_place
from backend.network.ways import Way

REASONS = frozenset({
    "tunnel", "bridge", "dual_carriageway", "fast_road", "centre_lane", "roundabout", "junction", "tram_tracks",
    "works", "cycle_lane", "parking", "no_stopping", "crossing", "other",
})  # fmt: skip
WIDEST_POINT_M = 500
BESIDE_M = 15.0
"""How far from the path of a piece a place still lies on it."""


class ExclusionRefused(ValueError):
    """An exclusion that cannot be meant; the text says what is wrong."""


@dataclass(frozen=True)
class Exclusion:
    """One place or piece where night stops are not possible, with its reason and its last day."""

    kind: Literal["segment", "point", "area"]
    reason: str
    path: Way | None = None
    direction_id: int | None = None
    point: Point | None = None
    radius_m: float = 30.0
    area: Polygon | None = None
    valid_until: dt.date | None = None

    def holds(self, point: Point, direction_id: int) -> bool:
        """True when the place lies in it."""
        if self.direction_id not in (None, direction_id):
            return False
        if self.path is not None:
            return self.path.locate(point, within_m=BESIDE_M) is not None
        if self.point is not None:
            return distance_m(self.point, point) <= self.radius_m
        return self.area is not None and self.area.covers(Dot(point.longitude, point.latitude))


def excluding(exclusions: Sequence[Exclusion], point: Point, direction_id: int, day: dt.date) -> Exclusion | None:
    """The first exclusion that is in force on a service day and holds the place.

    Pieces and areas come before points (checks 10 and 11).
    """
    in_force = [one for one in exclusions if one.valid_until is None or day <= one.valid_until]
    ordered = sorted(in_force, key=lambda one: one.kind == "point")
    return next((one for one in ordered if one.holds(point, direction_id)), None)


def read_exclusion(raw: dict[str, Any]) -> Exclusion:
    """The exclusion in a JSON object; refuses what cannot be meant."""
    kind, reason = raw.get("kind"), raw.get("reason")
    if kind not in ("segment", "point", "area"):
        raise ExclusionRefused("kind must be segment, point or area")
    if reason not in REASONS:
        raise ExclusionRefused(f"reason must be one of {', '.join(sorted(REASONS))}")
    last_day = _day(raw.get("valid_until"))
    direction = raw.get("direction_id")
    if direction not in (None, 0, 1):
        raise ExclusionRefused("direction_id must be 0 or 1")
    if kind == "segment":
        return Exclusion("segment", reason, path=_path(raw.get("path")), direction_id=direction, valid_until=last_day)
    if kind == "point":
        point, radius = _point(raw.get("point"))
        return Exclusion("point", reason, point=point, radius_m=radius, direction_id=direction, valid_until=last_day)
    return Exclusion("area", reason, area=_area(raw.get("area")), direction_id=direction, valid_until=last_day)


def read_measures(value: Any, length_m: float) -> tuple[float, float]:
    """(from, to) in metres along a way of this length; refuses what does not lie on it."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ExclusionRefused("measures must be two numbers of metres along the line")
    first, last = value
    if not 0 <= first < last or first >= length_m:
        raise ExclusionRefused(f"measures must rise and begin before the end of the line ({length_m:.0f} m)")
    return float(first), min(float(last), length_m)


def _day(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if value else None
    except (TypeError, ValueError):
        raise ExclusionRefused("valid_until must be a day, YYYY-MM-DD") from None


def _path(value: Any) -> Way:
    places = [Point(lat, lon) for lon, lat in value] if isinstance(value, list) and len(value) > 1 else []
    if not places or not all(is_place(*place) for place in places):
        raise ExclusionRefused("a piece needs measures along the line")
    return Way.from_points(places)


def _point(value: Any) -> tuple[Point, float]:
    if not isinstance(value, dict) or not is_place(value.get("latitude"), value.get("longitude")):
        raise ExclusionRefused("point must have latitude, longitude and radius_m")
    radius = float(value.get("radius_m") or 30)
    if not 1 <= radius <= WIDEST_POINT_M:
        raise ExclusionRefused(f"radius_m must lie between 1 and {WIDEST_POINT_M}")
    return Point(value["latitude"], value["longitude"]), radius


def _area(value: Any) -> Polygon:
    try:
        polygon = shape(value)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, GEOSException):
        raise ExclusionRefused("area must be a GeoJSON polygon") from None
    if not isinstance(polygon, Polygon) or not polygon.is_valid or polygon.is_empty:
        raise ExclusionRefused("area must be a GeoJSON polygon that does not cross itself")
    return polygon
