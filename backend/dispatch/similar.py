"""Other alerts that may be about the same thing: suggested to the operator, never merged by itself."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, String, bindparam, or_, select
from sqlalchemy.orm import Session

from backend.alerts.models import Alert
from backend.alerts.situation import vehicle_of
from backend.geo import Point, distance_m
from backend.network.index import network_of

SAME_VEHICLE = timedelta(minutes=15)
SAME_PLACE = timedelta(minutes=10)
SAME_PLACE_M = 100.0
_COMPARED = ("id", "received_at", "vehicle_number", "stop_id", "station", "lat", "lon", "situation")


def similar_alerts(session: Session, alert: Alert) -> list[uuid.UUID]:
    """Other phones' alerts of the last minutes: same vehicle or trip in 15, same stop or station in 10, or close by.

    The station counts, not the pole: what riders know as one place is ten stops in the data (domain.md §3.4).
    """
    stops, vehicle_number, trip_id = _station(session, alert), vehicle_of(alert), (alert.situation or {}).get("trip_id")
    query = _query(bool(stops), alert.lat is not None and alert.lon is not None, bool(vehicle_number), bool(trip_id))
    if query is None:
        return []
    values: dict[str, Any] = {
        "same_vehicle_from": alert.received_at - SAME_VEHICLE,
        "same_place_from": alert.received_at - SAME_PLACE,
        "until": alert.received_at,
        "alert_id": alert.id,
        "device_id": alert.device_id,
        "exercise": alert.exercise,
        "drill": alert.drill,
        "stops": list(stops),
        "vehicle_number": vehicle_number,
        "trip_id": trip_id,
    }
    if alert.lat is not None and alert.lon is not None:
        # A rectangle of 111 m around: the database leaves out who is far, the sphere then decides.
        wide = 0.001 / max(0.01, math.cos(math.radians(alert.lat)))
        values |= {"south": alert.lat - 0.001, "north": alert.lat + 0.001}
        values |= {"west": alert.lon - wide, "east": alert.lon + wide}
    rows = session.execute(query, values)
    return [row.id for row in rows if _may_be_one(alert, row, stops)][:10]


@cache
def _query(stops: bool, place: bool, vehicle: bool, trip: bool) -> Select[Any] | None:  # noqa: FBT001 - what is known
    """What is asked for an alert of which this is known; made once, for that takes longer than the answer."""
    recent = (
        select(*(getattr(Alert, name) for name in _COMPARED))
        .where(
            Alert.received_at >= bindparam("same_vehicle_from"),
            Alert.received_at <= bindparam("until"),
            Alert.id != bindparam("alert_id"),
            Alert.device_id != bindparam("device_id"),
            Alert.state.not_in(("cancelled", "merged")),
            Alert.exercise == bindparam("exercise"),
            Alert.drill == bindparam("drill"),
        )
        .order_by(Alert.received_at.desc())
        .limit(1_000)
        .subquery()
    )
    other = recent.c
    near: list[ColumnElement[bool]] = []
    if stops:
        named: BindParameter[Any] = bindparam("stops", expanding=True)
        near += [other.stop_id.in_(named), other.station.in_(named)]
    if place:
        near.append(
            other.lat.between(bindparam("south"), bindparam("north"))
            & other.lon.between(bindparam("west"), bindparam("east"))
        )
    together: list[ColumnElement[bool]] = (
        [(other.received_at >= bindparam("same_place_from")) & or_(*near)] if near else []
    )
    if vehicle:
        number: BindParameter[str] = bindparam("vehicle_number", type_=String())
        together += [other.vehicle_number == number, other.situation["vehicle_number"].as_string() == number]
    if trip:
        together.append(other.situation["trip_id"].as_string() == bindparam("trip_id", type_=String()))
    if not together:
        return None
    return select(recent).where(or_(*together)).order_by(other.received_at.desc()).limit(50)


def _station(session: Session, alert: Alert) -> set[str]:
    """All names of the place that the alert names: its stop and station, and every stop of that station."""
    named = {one for one in (alert.stop_id, alert.station) if one}
    network = network_of(session) if named else None
    return named.union(*(network.station_stops(one) for one in named)) if network is not None else named


def _may_be_one(alert: Alert, other: Any, stops: set[str]) -> bool:
    situation = other.situation or {}
    vehicle_number, trip_id = vehicle_of(alert), (alert.situation or {}).get("trip_id")
    if vehicle_number and vehicle_number in (other.vehicle_number, situation.get("vehicle_number")):
        return True
    if trip_id and trip_id == situation.get("trip_id"):
        return True
    if alert.received_at - other.received_at > SAME_PLACE:
        return False
    if other.stop_id in stops or other.station in stops:
        return True
    if alert.lat is None or alert.lon is None or other.lat is None or other.lon is None:
        return False
    return distance_m(Point(alert.lat, alert.lon), Point(other.lat, other.lon)) <= SAME_PLACE_M
