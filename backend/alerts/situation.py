"""Where on the network an alert is: line, direction, vehicle, trip, the stop behind and the stop ahead.

Found after raising, in the first round and again while it moves: the rider waits for none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts.models import Alert
from backend.alerts.whereabouts import VAGUE_M
from backend.geo import Point, distance_m
from backend.network.index import Network, Pattern, PatternStop, network_of
from backend.network.progress import Progress
from backend.network.vehicle_progress import progress_of, vehicles_of_line
from backend.times import stamp

BESIDE_LINE_M = 40.0
ABOARD_M = 50.0
AT_STOP_M = 45.0
PRECISE_M = 60.0


@dataclass(frozen=True)
class Known:
    """What an alert says of its place, and the vehicles that it may be in."""

    point: Point | None = None
    accuracy_m: float | None = None
    line_id: str | None = None
    direction_id: int | None = None
    stop: str | None = None
    vehicle: Progress | None = None
    others: Sequence[Progress] = ()


@dataclass(frozen=True)
class Found:
    """The place on the network; whatever could not be told is None."""

    line_id: str | None = None
    direction_id: int | None = None
    vehicle_number: str | None = None
    trip_id: str | None = None
    previous_stop: PatternStop | None = None
    next_stop: PatternStop | None = None
    measure_m: float | None = None


def find(network: Network, known: Known) -> Found | None:
    """The alert's place on the network: its vehicle's, else its own on the line, else its stop's; None when unknown."""
    vehicle = known.vehicle or _aboard(network, known)
    if vehicle is not None:
        return _in_vehicle(network, vehicle)
    if known.stop is not None and (found := _at_stop(network, known, known.stop)) is not None:
        return found
    return _on_line(network, known)


def _in_vehicle(network: Network, vehicle: Progress) -> Found:
    pattern = network.patterns.get(vehicle.pattern_id) if vehicle.pattern_id is not None else None
    if pattern is None or not vehicle.is_on_line:
        # Lost or beside its line: the stops around where it was once would be false comfort.
        return Found(vehicle.line_id, vehicle.direction_id, vehicle.number, vehicle.trip_id)
    return _at(pattern, vehicle.measure_m, vehicle.number, vehicle.trip_id)


def _aboard(network: Network, known: Known) -> Progress | None:
    """The one vehicle of the line she named that is where she is, between two stops; in doubt none."""
    if known.point is None or known.line_id is None or known.stop is not None:
        return None
    if (known.accuracy_m or 0.0) > PRECISE_M:
        return None
    near = []
    for vehicle in known.others:
        pattern = network.patterns.get(vehicle.pattern_id) if vehicle.pattern_id is not None else None
        if pattern is None or not vehicle.is_on_line or known.direction_id not in (None, vehicle.direction_id):
            continue
        if distance_m(pattern.way.point_at(vehicle.measure_m), known.point) <= ABOARD_M:
            near.append((vehicle, pattern))
    if len(near) != 1:
        return None
    vehicle, pattern = near[0]
    at_stop = any(distance_m(stop.point, known.point) <= AT_STOP_M for stop in pattern.stops)
    return None if at_stop else vehicle


def _at_stop(network: Network, known: Known, stop: str) -> Found | None:
    ids = network.station_stops(stop)
    if not ids:
        return None
    lines = {line for stop_id in ids for line in network.lines_of_stop(stop_id)}
    line_id = known.line_id if known.line_id in lines else (next(iter(lines)) if len(lines) == 1 else None)
    place = _place_on(network.patterns_of(line_id, known.direction_id), ids) if line_id is not None else None
    if place is not None and known.direction_id is not None:
        pattern, here = place
        return Found(line_id, known.direction_id, None, None, here, pattern.stop_after(here.measure_m), here.measure_m)
    first = network.stops[min(ids) if stop not in ids else stop]
    here = place[1] if place is not None else PatternStop(first.id, first.name, 0, 0.0, first.point)
    return Found(line_id, known.direction_id, None, None, here)


def _place_on(patterns: Iterable[Pattern], ids: set[str]) -> tuple[Pattern, PatternStop] | None:
    return next(((pattern, one) for pattern in patterns for one in pattern.stops if one.stop_id in ids), None)


def _on_line(network: Network, known: Known) -> Found | None:
    if known.point is None or (known.accuracy_m or 0.0) > VAGUE_M:
        return Found(known.line_id, known.direction_id) if known.line_id in network.lines else None
    within_m = max(BESIDE_LINE_M, min(known.accuracy_m or 0.0, 150.0))
    here = [
        (pattern, located)
        for pattern, located in network.lines_at(known.point, within_m)
        if known.line_id in (None, pattern.line_id) and known.direction_id in (None, pattern.direction_id)
    ]
    lines = {pattern.line_id for pattern, _ in here}
    if len(lines) != 1:
        # Several lines share the street, or none passes: only what she said herself can be told.
        return Found(known.line_id, known.direction_id) if known.line_id in network.lines else None
    if len(here) == 1:
        pattern, located = here[0]
        return _at(pattern, located.measure_m, None, None)
    return Found(next(iter(lines)))


def _at(pattern: Pattern, measure_m: float, vehicle_number: str | None, trip_id: str | None) -> Found:
    return Found(
        pattern.line_id, pattern.direction_id, vehicle_number, trip_id, pattern.stop_before(measure_m),
        pattern.stop_after(measure_m), round(measure_m, 1),
    )  # fmt: skip


def situate(session: Session, alert: Alert, now: datetime) -> bool:
    """Finds where the alert is now and keeps it; True when something changed that people see."""
    network = network_of(session)
    if network is None:
        return False
    # Armed for long, or found in a drawer: what is where now says nothing about where it happened.
    found = None if alert.late else find(network, _known(session, alert, now))
    before = situation_view(alert)
    kept = _as_json(found, now) if found is not None else None
    alert.situation = kept
    return _seen(before) != _seen(situation_view(alert))


def vehicle_of(alert: Alert) -> str | None:
    """The vehicle that the alert is in: the one named, else the one found."""
    return alert.vehicle_number or (alert.situation or {}).get("vehicle_number")


def situation_view(alert: Alert) -> dict[str, Any] | None:
    """The situation as team and control room see it."""
    if alert.situation is None:
        return None
    shown = ("line_id", "direction_id", "vehicle_number", "previous_stop", "next_stop", "measure_m")
    return {name: alert.situation.get(name) for name in shown}


def _seen(view: dict[str, Any] | None) -> dict[str, Any] | None:
    return {name: value for name, value in view.items() if name != "measure_m"} if view is not None else None


def _known(session: Session, alert: Alert, now: datetime) -> Known:
    point = Point(alert.lat, alert.lon) if alert.lat is not None and alert.lon is not None else None
    vehicle = progress_of(session, alert.vehicle_number, now) if alert.vehicle_number else None
    others = vehicles_of_line(session, alert.line_id, now) if vehicle is None and point and alert.line_id else []
    stop = alert.stop_id or alert.station
    return Known(point, alert.accuracy_m, alert.line_id, alert.direction_id, stop, vehicle, others)


def _as_json(found: Found, now: datetime) -> dict[str, Any]:
    return {
        "line_id": found.line_id,
        "direction_id": found.direction_id,
        "vehicle_number": found.vehicle_number,
        "trip_id": found.trip_id,
        "previous_stop": _name(found.previous_stop),
        "next_stop": _name(found.next_stop),
        "measure_m": found.measure_m,
        "found_at": stamp(now),
    }


def _name(stop: PatternStop | None) -> dict[str, str] | None:
    return {"stop_id": stop.stop_id, "name": stop.name} if stop is not None else None
