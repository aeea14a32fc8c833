"""Vehicle positions out of GTFS-Realtime: what is believed of a feed, and how much of it is dropped, by reason.

Feeds are written by many hands: nothing in one may raise. Pure but for the protobuf bindings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError
from google.transit import gtfs_realtime_pb2

from backend.geo import Point, is_place
from backend.network.progress import LOST_AFTER

AHEAD = timedelta(seconds=60)
FASTEST_MPS = 100.0
LONGEST_NUMBER = 40


class FeedUnreadable(ValueError):
    """Bytes that are no GTFS-Realtime message; the text says why."""


@dataclass(frozen=True)
class Report:
    """Where one vehicle says it is."""

    number: str
    point: Point
    fix_at: datetime
    heading_deg: float | None = None
    speed_mps: float | None = None
    trip_id: str | None = None
    line_id: str | None = None
    direction_id: int | None = None


@dataclass(frozen=True)
class VehicleFeed:
    """What one message of a feed says: the newest report of each vehicle, and what was dropped, by reason."""

    reports: Mapping[str, Report]
    dropped: Mapping[str, int]
    vehicles: int
    entities: int


def read_feed(body: bytes, now: datetime) -> VehicleFeed:
    """The vehicle positions of a feed message; raises `FeedUnreadable` for anything that is none."""
    message = gtfs_realtime_pb2.FeedMessage()
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise FeedUnreadable("not a GTFS-Realtime message") from None
    if not message.header.gtfs_realtime_version:
        raise FeedUnreadable("a GTFS-Realtime message without its header")
    made_at = _instant(message.header.timestamp) or now
    reports: dict[str, Report] = {}
    dropped: Counter[str] = Counter()
    told = [entity for entity in message.entity if entity.HasField("vehicle") and not entity.is_deleted]
    for entity in told:
        report, why = _report(entity, made_at, now)
        if report is None:
            dropped[why] += 1
        elif report.number in reports:
            dropped["told_twice"] += 1
            if report.fix_at > reports[report.number].fix_at:
                reports[report.number] = report
        else:
            reports[report.number] = report
    return VehicleFeed(reports, dict(dropped), len(told), len(message.entity))


def _report(entity: gtfs_realtime_pb2.FeedEntity, made_at: datetime, now: datetime) -> tuple[Report | None, str]:
    vehicle = entity.vehicle
    number = _text(vehicle.vehicle.label) or _text(vehicle.vehicle.id) or _text(entity.id)
    if number is None or len(number) > LONGEST_NUMBER:
        return None, "no_number"
    if not vehicle.HasField("position"):
        return None, "no_position"
    latitude, longitude = vehicle.position.latitude, vehicle.position.longitude
    if not is_place(latitude, longitude):
        return None, "absurd_position"
    fix_at = _instant(vehicle.timestamp) or made_at
    if now - fix_at > LOST_AFTER:
        return None, "stale"
    if fix_at - now > AHEAD:
        return None, "future"
    trip = vehicle.trip
    direction = trip.direction_id if trip.HasField("direction_id") and trip.direction_id in (0, 1) else None
    return Report(
        number,
        Point(latitude, longitude),
        min(fix_at, now),
        vehicle.position.bearing % 360 if _is_number(vehicle.position, "bearing") else None,
        vehicle.position.speed if _is_number(vehicle.position, "speed", FASTEST_MPS) else None,
        _text(trip.trip_id),
        _text(trip.route_id),
        direction,
    ), ""


def _is_number(position: gtfs_realtime_pb2.Position, field: str, most: float = 360.0) -> bool:
    value = getattr(position, field)
    return position.HasField(field) and math.isfinite(value) and 0 <= value <= most


def _text(value: str | bytes) -> str | None:
    # The bindings hand out bytes, unannounced, where a text is not UTF-8.
    if isinstance(value, bytes):
        return None
    text = "".join(character for character in value if character.isprintable()).strip()
    return text if 0 < len(text) <= 255 else None


def _instant(timestamp: int) -> datetime | None:
    """The instant of a POSIX time, given in milliseconds by some; None for nothing and for what is no time."""
    seconds = timestamp / 1000 if timestamp > 100_000_000_000 else timestamp
    if not 0 < seconds < 32_503_680_000:
        return None
    return datetime.fromtimestamp(seconds, UTC)
