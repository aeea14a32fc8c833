"""Where a bus must not let anybody off: pieces of the way, points, areas. Pure but for geometry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shapely.geometry import Point as Dot
from shapely.geometry import Polygon, shape

from backend.geo import Point, distance_m

REASONS = frozenset({
    "tunnel", "bridge", "dual_carriageway", "fast_road", "centre_lane", "roundabout", "junction", "tram_tracks",
    "works", "cycle_lane", "parking", "no_stopping", "crossing", "other",
})  # fmt: skip
WIDEST_POINT_M = 500


class ExclusionRefused(ValueError):
    """An exclusion that cannot be meant; the text says what is wrong."""


@dataclass(frozen=True)
class Exclusion:
    """One place or piece where night stops are not possible, with its reason and its last day."""

    kind: Literal["segment", "point", "area"]
    reason: str
    measures: tuple[float, float] | None = None
    direction_id: int | None = None
    point: Point | None = None
    radius_m: float = 30.0
    area: Polygon | None = None
    valid_until: dt.date | None = None

    def holds(self, measure_m: float, point: Point, direction_id: int) -> bool:
        """True when the place lies in it."""
        if self.direction_id not in (None, direction_id):
            return False
        if self.measures is not None:
            return self.measures[0] <= measure_m <= self.measures[1]
        if self.point is not None:
            return distance_m(self.point, point) <= self.radius_m
        return self.area is not None and self.area.covers(Dot(point.longitude, point.latitude))


def excluding(
    exclusions: Sequence[Exclusion], measure_m: float, point: Point, direction_id: int, now: dt.datetime
) -> Exclusion | None:
    """The first exclusion that is in force and holds the place; segments and areas before points (checks 10, 11)."""
    today = now.date()
    in_force = [one for one in exclusions if one.valid_until is None or today <= one.valid_until]
    ordered = sorted(in_force, key=lambda one: one.kind == "point")
    return next((one for one in ordered if one.holds(measure_m, point, direction_id)), None)


def read_exclusion(raw: dict[str, Any]) -> Exclusion:
    """The exclusion in a JSON object; refuses what cannot be meant."""
    kind, reason = raw.get("kind"), raw.get("reason")
    if kind not in ("segment", "point", "area"):
        raise ExclusionRefused("kind must be segment, point or area")
    if reason not in REASONS:
        raise ExclusionRefused(f"reason must be one of {', '.join(sorted(REASONS))}")
    until = raw.get("valid_until")
    last_day = dt.date.fromisoformat(until) if until else None
    direction = raw.get("direction_id")
    if kind == "segment":
        return Exclusion(
            "segment", reason, measures=_measures(raw.get("measures")), direction_id=direction, valid_until=last_day
        )
    if kind == "point":
        point, radius = _point(raw.get("point"))
        return Exclusion("point", reason, point=point, radius_m=radius, direction_id=direction, valid_until=last_day)
    return Exclusion("area", reason, area=_area(raw.get("area")), direction_id=direction, valid_until=last_day)


def _measures(value: Any) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2 or not 0 <= value[0] < value[1]:
        raise ExclusionRefused("measures must be two rising numbers of metres along the line")
    return float(value[0]), float(value[1])


def _point(value: Any) -> tuple[Point, float]:
    if not isinstance(value, dict) or "latitude" not in value or "longitude" not in value:
        raise ExclusionRefused("point must have latitude, longitude and radius_m")
    radius = float(value.get("radius_m", 30))
    if not 1 <= radius <= WIDEST_POINT_M:
        raise ExclusionRefused(f"radius_m must lie between 1 and {WIDEST_POINT_M}")
    return Point(float(value["latitude"]), float(value["longitude"])), radius


def _area(value: Any) -> Polygon:
    try:
        polygon = shape(value)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        raise ExclusionRefused("area must be a GeoJSON polygon") from None
    if not isinstance(polygon, Polygon) or not polygon.is_valid or polygon.is_empty:
        raise ExclusionRefused("area must be a GeoJSON polygon that does not cross itself")
    return polygon
