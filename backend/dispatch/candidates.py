"""Who could go: teams on duty, free, with a fresh position; those in the same vehicle or station first."""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session, aliased

from backend.alerts.lifecycle import PENDING, AssignmentState
from backend.alerts.models import Alert, Assignment
from backend.alerts.register import own_cards
from backend.alerts.whereabouts import VAGUE_M
from backend.dispatch import policy
from backend.dispatch.policy import Candidate
from backend.geo import Point, distance_m, order_by_distance
from backend.network import queries
from backend.people.models import DutyShift, Team, TeamPosition, Vehicle, VehiclePosition

SAME_STATION_M = 120.0
_COMPARED = ("id", "received_at", "vehicle_number", "stop_id", "station", "lat", "lon")
VAGUE_AGE = timedelta(minutes=2)


@dataclass(frozen=True)
class Origin:
    """Where help must go: a place, or why there is none that a team could be measured against."""

    point: Point | None
    hold: str | None
    at_station: bool = False


@dataclass(frozen=True)
class Asked:
    """Teams that were asked for this alert before."""

    declined: frozenset[uuid.UUID]
    no_answer: frozenset[uuid.UUID]


def origin(session: Session, alert: Alert, now: datetime) -> Origin:
    """The alert's place: its vehicle's, its own when good enough, else its stop's or station's."""
    if alert.late:
        return Origin(None, "late")
    if alert.out_of_area:
        return Origin(None, "out_of_area")
    if alert.vehicle_number and (moving := _vehicle_point(session, alert.vehicle_number, now)) is not None:
        return Origin(moving, None)
    named = None
    if alert.stop_id:
        named = queries.stop_point(session, alert.stop_id)
    if named is None and alert.station:
        named = queries.station_point(session, alert.station)
    if alert.lat is not None and alert.lon is not None:
        own = Point(alert.lat, alert.lon)
        vague = alert.accuracy_m is not None and alert.accuracy_m > VAGUE_M
        old = alert.position_at is not None and now - alert.position_at > VAGUE_AGE + (now - alert.received_at)
        if not vague and not (old and named is not None):
            return Origin(own, None, at_station=named is not None)
        if named is None:
            return Origin(own, "position_vague" if vague else None)
    if named is not None:
        return Origin(named, None, at_station=True)
    return Origin(None, "no_position")


def asked_before(session: Session, alert: Alert) -> Asked:
    """Who declined, and who let the time pass."""
    declined, no_answer = set(), set()
    for one in (card.assignment for card in own_cards(session, alert)):
        if one.state == AssignmentState.DECLINED or one.ended_why == "operator":
            declined.add(one.team_id)
        elif one.state == AssignmentState.EXPIRED:
            no_answer.add(one.team_id)
    return Asked(frozenset(declined), frozenset(no_answer))


def find(
    session: Session, alert: Alert, place: Origin, asked: Asked, now: datetime, *, fresh_s: int, limit: int = 8
) -> list[Candidate]:
    """The teams that could go, best first: at most `limit` by distance, and all in the same vehicle or station."""
    rows: dict[uuid.UUID, TeamPosition] = {}
    if place.point is not None:
        dialect = session.get_bind().dialect.name
        nearest = (
            _free(now, fresh_s, asked.declined)
            .order_by(order_by_distance(dialect, TeamPosition.lat, TeamPosition.lon, place.point))
            .limit(limit)
        )
        rows |= {row.team_id: row for row in session.scalars(nearest)}
    same = [
        getattr(TeamPosition, name) == value
        for name, value in (("vehicle_number", alert.vehicle_number), ("stop_id", alert.stop_id))
        if value
    ]
    if same:
        rows |= {
            row.team_id: row for row in session.scalars(_free(now, fresh_s, asked.declined).where(or_(*same)).limit(20))
        }
    return sorted((_candidate(alert, place, asked, row, now) for row in rows.values()), key=policy.rank)


def _free(now: datetime, fresh_s: int, declined: Collection[uuid.UUID]) -> Select[TeamPosition]:
    busy = select(Assignment.id).where(Assignment.team_id == TeamPosition.team_id, Assignment.state.in_(PENDING))
    query = select(TeamPosition).where(~busy.exists(), TeamPosition.fix_at >= now - timedelta(seconds=fresh_s))
    return query.where(TeamPosition.team_id.not_in(declined)) if declined else query


def _candidate(alert: Alert, place: Origin, asked: Asked, row: TeamPosition, now: datetime) -> Candidate:
    metres = distance_m(place.point, Point(row.lat, row.lon)) if place.point is not None else None
    at_stop = bool(alert.stop_id) and row.stop_id == alert.stop_id
    close = place.at_station and metres is not None and metres <= SAME_STATION_M
    return Candidate(
        team_id=row.team_id,
        distance_m=metres,
        same_vehicle=bool(alert.vehicle_number) and row.vehicle_number == alert.vehicle_number,
        same_station=at_stop or close,
        fix_age_s=max(0.0, (now - row.fix_at).total_seconds()),
        no_answer_before=row.team_id in asked.no_answer,
    )


def shortfall(session: Session, asked: Asked, now: datetime, *, fresh_s: int) -> dict[str, int]:
    """Why nobody could be asked: how many teams on duty each reason leaves out."""
    on_duty = set(
        session.scalars(
            select(DutyShift.team_id)
            .join(Team, Team.id == DutyShift.team_id)
            .where(DutyShift.ended_at.is_(None), Team.active)
            .distinct()
        )
    )
    engaged = set(session.scalars(select(Assignment.team_id).where(Assignment.state.in_(PENDING)).distinct())) & on_duty
    fresh = set(
        session.scalars(select(TeamPosition.team_id).where(TeamPosition.fix_at >= now - timedelta(seconds=fresh_s)))
    )
    stale = on_duty - fresh - engaged
    declined = (asked.declined | asked.no_answer) & on_duty - engaged - stale
    outside = on_duty - engaged - stale - declined
    return policy.shortfall(
        on_duty=len(on_duty), engaged=len(engaged), stale=len(stale), declined=len(declined), outside=len(outside)
    )


def _vehicle_point(session: Session, number: str, now: datetime) -> Point | None:
    row = session.execute(
        select(VehiclePosition.lat, VehiclePosition.lon)
        .join(Vehicle, Vehicle.id == VehiclePosition.vehicle_id)
        .where(Vehicle.number == number, VehiclePosition.fix_at >= now - timedelta(minutes=2))
    ).first()
    return Point(row.lat, row.lon) if row else None


def similar_alerts(session: Session, alert: Alert) -> list[uuid.UUID]:
    """Other phones' alerts that may be about the same thing; suggested to the operator, never merged by itself.

    Same vehicle in 15 minutes, same stop or station in 10, or within 100 m and 10 minutes (domain.md §3.4).
    """
    since, lately = alert.received_at - timedelta(minutes=15), alert.received_at - timedelta(minutes=10)
    recent = (
        select(Alert)
        .where(
            Alert.received_at >= since,
            Alert.received_at <= alert.received_at,
            Alert.id != alert.id,
            Alert.device_id != alert.device_id,
            Alert.state.not_in(("cancelled", "merged")),
            Alert.exercise == alert.exercise,
        )
        .order_by(Alert.received_at.desc())
        .limit(1_000)
        .subquery()
    )
    other = aliased(Alert, recent)
    near: list[ColumnElement[bool]] = []
    if alert.stop_id:
        near.append(other.stop_id == alert.stop_id)
    if alert.station:
        near.append(other.station == alert.station)
    if alert.lat is not None and alert.lon is not None:
        # A rectangle of 111 m around: the database leaves out who is far, the sphere then decides.
        wide = 0.001 / max(0.01, math.cos(math.radians(alert.lat)))
        near.append(
            other.lat.between(alert.lat - 0.001, alert.lat + 0.001)
            & other.lon.between(alert.lon - wide, alert.lon + wide)
        )
    together: list[ColumnElement[bool]] = [(other.received_at >= lately) & or_(*near)] if near else []
    if alert.vehicle_number:
        together.append(other.vehicle_number == alert.vehicle_number)
    if not together:
        return []
    columns = (getattr(other, name) for name in _COMPARED)
    rows = session.execute(select(*columns).where(or_(*together)).order_by(other.received_at.desc()).limit(50))
    return [row.id for row in rows if _may_be_one(alert, row)][:10]


def _may_be_one(alert: Alert, other: Any) -> bool:
    if alert.vehicle_number and alert.vehicle_number == other.vehicle_number:
        return True
    if alert.received_at - other.received_at > timedelta(minutes=10):
        return False
    if (alert.stop_id and alert.stop_id == other.stop_id) or (alert.station and alert.station == other.station):
        return True
    if alert.lat is None or alert.lon is None or other.lat is None or other.lon is None:
        return False
    return distance_m(Point(alert.lat, alert.lon), Point(other.lat, other.lon)) <= 100
