"""Who could go: teams on duty, free, with a fresh position; those in the same vehicle or station first."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Integer, Select, bindparam, or_, select
from sqlalchemy.orm import Session

from backend.alerts.lifecycle import PENDING, AssignmentState
from backend.alerts.models import Alert, Assignment
from backend.alerts.register import own_cards
from backend.alerts.situation import vehicle_of
from backend.alerts.whereabouts import VAGUE_M
from backend.database import UTCDateTime
from backend.dispatch import interception, policy
from backend.dispatch.intercept import Coming, Pace
from backend.dispatch.policy import Candidate
from backend.geo import Point, distance_m, near, order_by_distance
from backend.network import queries
from backend.network.index import network_of
from backend.people.models import DutyShift, Team, TeamPosition, Vehicle, VehiclePosition

SAME_STATION_M = 120.0
STOPS_APART = 3
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
    if alert.needs_human_reason == "restored":  # also while whoever has taken charge of it makes up her mind
        return Origin(None, "restored")
    if alert.late:
        return Origin(None, "late")
    if alert.out_of_area:
        return Origin(None, "out_of_area")
    vehicle_number = vehicle_of(alert)
    if vehicle_number and (moving := _vehicle_point(session, vehicle_number, now)) is not None:
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
    """The teams that could go, best first.

    At most `limit` by distance, as many around stops that the alert's vehicle comes to, and all in the same vehicle
    or station.
    """
    rows: dict[uuid.UUID, _Free] = {}
    dialect = session.get_bind().dialect.name
    who = {"fresh_from": now - timedelta(seconds=fresh_s), "declined": list(asked.declined)}
    drill = bool(alert.drill)
    pace = interception.pace_of(session)
    coming = interception.coming_stops(session, alert, now, pace) if place.hold is None else []
    ahead = (Point(stop.latitude, stop.longitude) for stop in coming[::STOPS_APART])
    for point in (place.point, *ahead):
        if point is not None:
            nearest = session.execute(_nearest_free(dialect, drill), who | near(point, dialect) | {"most": limit})
            rows |= {row.team_id: row for row in nearest}
    here = _Here(vehicle_of(alert), _station(session, alert), coming, pace)
    same = []
    if here.vehicle_number is not None:
        same.append(TeamPosition.vehicle_number == here.vehicle_number)
    if here.stop_ids:
        same.append(TeamPosition.stop_id.in_(here.stop_ids))
    if same:
        rows |= {row.team_id: row for row in session.execute(_free_teams(drill).where(or_(*same)).limit(20), who)}
    return sorted((_candidate(here, place, asked, row, now) for row in rows.values()), key=policy.rank)


class _Free(Protocol):
    team_id: uuid.UUID
    lat: float
    lon: float
    vehicle_number: str | None
    stop_id: str | None
    fix_at: datetime


@dataclass(frozen=True)
class _Here:
    """The alert's vehicle and where it comes to; the stops of the alert's station."""

    vehicle_number: str | None
    stop_ids: frozenset[str]
    coming: Sequence[Coming]
    pace: Pace


def _station(session: Session, alert: Alert) -> frozenset[str]:
    """The ids of the stops that are one place with the stop or station that the alert names."""
    network = network_of(session) if alert.stop_id or alert.station else None
    found = {alert.stop_id} if alert.stop_id else set()
    for named in (alert.stop_id, alert.station):
        if network is not None and named:
            found |= network.station_stops(named)
    return frozenset(found)


@cache
def _nearest_free(dialect: str, drill: bool) -> Select[Any]:  # noqa: FBT001 - for a drill, or for somebody in danger
    # Made once: putting it together takes longer than the database needs to answer it.
    by_distance = order_by_distance(dialect, TeamPosition.lat, TeamPosition.lon)
    return _free_teams(drill).order_by(by_distance).limit(bindparam("most", type_=Integer()))


def _free_teams(drill: bool) -> Select[Any]:  # noqa: FBT001 - as above
    """Free teams with a fresh position; executed with `fresh_from` and `declined`."""
    busy = select(Assignment.id).where(Assignment.team_id == TeamPosition.team_id, Assignment.state.in_(PENDING))
    # A drill never takes a team from somebody in danger, nor the other way round.
    drilling = select(Team.id).where(Team.drill)
    columns = (getattr(TeamPosition, name) for name in ("team_id", "lat", "lon", "vehicle_number", "stop_id", "fix_at"))
    return select(*columns).where(
        ~busy.exists(),
        TeamPosition.fix_at >= bindparam("fresh_from", type_=UTCDateTime()),
        TeamPosition.team_id.in_(drilling) if drill else TeamPosition.team_id.not_in(drilling),
        TeamPosition.team_id.not_in(bindparam("declined", expanding=True)),
    )


def _candidate(here: _Here, place: Origin, asked: Asked, row: _Free, now: datetime) -> Candidate:
    own = Point(row.lat, row.lon)
    metres = distance_m(place.point, own) if place.point is not None else None
    at_stop = row.stop_id is not None and row.stop_id in here.stop_ids
    close = place.at_station and metres is not None and metres <= SAME_STATION_M
    return Candidate(
        team_id=row.team_id,
        distance_m=metres,
        same_vehicle=here.vehicle_number is not None and row.vehicle_number == here.vehicle_number,
        same_station=at_stop or close,
        fix_age_s=max(0.0, (now - row.fix_at).total_seconds()),
        no_answer_before=row.team_id in asked.no_answer,
        meeting=interception.meets(own, here.coming, here.pace),
    )


def shortfall(session: Session, asked: Asked, now: datetime, *, fresh_s: int) -> dict[str, int]:
    """Why nobody could be asked: how many teams on duty each reason leaves out."""
    on_duty = set(
        session.scalars(
            select(DutyShift.team_id)
            .join(Team, Team.id == DutyShift.team_id)
            .where(DutyShift.ended_at.is_(None), Team.active, ~Team.drill)
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
