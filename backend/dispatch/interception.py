"""Meeting a moving vehicle: the stops it comes to, who can be there first, and what changes while it moves on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.alerts.assignments import tell_team
from backend.alerts.lifecycle import AssignmentState
from backend.alerts.models import Alert, Assignment
from backend.alerts.register import SYSTEM, pending_assignments, record
from backend.alerts.situation import situate, vehicle_of
from backend.dispatch.intercept import Coming, Meeting, Pace, meeting, still_holds
from backend.geo import Point, distance_m
from backend.network.index import network_of
from backend.network.progress import next_stops
from backend.network.vehicle_progress import progress_of
from backend.people.models import TeamPosition
from backend.settings import Settings
from backend.times import stamp

MOST_STOPS = 25
LATER = timedelta(seconds=60)
ON_THE_WAY = frozenset({AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE})


def pace_of(session: Session) -> Pace:
    """How fast this installation's teams are."""
    settings: Settings = session.info["settings"]
    return Pace(
        settings.walk_mps,
        settings.drive_mps,
        detour=settings.detour,
        margin_s=settings.intercept_margin_s,
        within_s=settings.intercept_within_s,
    )


def coming_stops(session: Session, alert: Alert, now: datetime, pace: Pace) -> list[Coming]:
    """The stops that the alert's vehicle comes to soon; none when it is in no vehicle or that is lost."""
    number = vehicle_of(alert)
    progress = progress_of(session, number, now) if number is not None else None
    network = network_of(session) if progress is not None else None
    if progress is None or network is None:
        return []
    # What was heard of it is some seconds old already, and it did not wait for us.
    age_s = round((now - progress.fix_at).total_seconds())
    found = []
    for stop, eta_s in next_stops(network, progress, MOST_STOPS):
        if eta_s - age_s <= pace.within_s:
            found.append(
                Coming(stop.stop_id, stop.name, stop.point.latitude, stop.point.longitude, max(0, eta_s - age_s))
            )
    return found


def meets(place: Point, coming: Sequence[Coming], pace: Pace) -> Meeting | None:
    """Where a team that is at this place can be before the vehicle."""
    return meeting(coming, lambda stop: distance_m(place, Point(stop.latitude, stop.longitude)), pace)


def meeting_card(found: Meeting | None, now: datetime) -> dict[str, Any] | None:
    """The meeting as it is kept with an assignment: with the instant beside the seconds, which grow old."""
    if found is None:
        return None
    stop = found.stop
    return {
        "stop_id": stop.stop_id,
        "name": stop.name,
        "latitude": stop.latitude,
        "longitude": stop.longitude,
        "in_s": stop.eta_s,
        "at": stamp(now + timedelta(seconds=stop.eta_s)),
    }


def follow(session: Session, alert: Alert, now: datetime) -> bool:
    """Looks where the vehicle has come to and sends its teams to another stop when they cannot meet it any more.

    True when something changed that the control room sees.
    """
    moved, pace = situate(session, alert, now), pace_of(session)
    teams = [one for one in pending_assignments(session, alert) if one.state in ON_THE_WAY]
    if not teams:
        return moved
    coming = coming_stops(session, alert, now, pace)
    changed = [one for one in teams if _follow_one(session, one, coming, pace, now)]
    if changed:
        told = {str(one.team_id): one.meet_at["stop_id"] if one.meet_at else None for one in changed}
        record(session, alert, SYSTEM, "meeting_changed", now, detail={"stops": told})
    for one in changed:
        tell_team(session, one, alert, now)
    return moved or bool(changed)


def _follow_one(session: Session, assignment: Assignment, coming: Sequence[Coming], pace: Pace, now: datetime) -> bool:
    """Brings one team's meeting up to date; True when the team must hear of it."""
    row = session.execute(
        select(TeamPosition.lat, TeamPosition.lon, TeamPosition.vehicle_number).where(
            TeamPosition.team_id == assignment.team_id
        )
    ).first()
    if row is None or not coming:
        # Nothing is known of the team or the vehicle: the last word stands rather than none.
        return False
    place = Point(row.lat, row.lon)
    held = None
    if assignment.meet_at is not None:
        held = still_holds(
            assignment.meet_at["stop_id"],
            coming,
            lambda stop: distance_m(place, Point(stop.latitude, stop.longitude)),
            pace,
        )
    new = meeting_card(held or meets(place, coming, pace), now)
    if _says_the_same(assignment.meet_at, new):
        return False
    assignment.meet_at = new
    assignment.version += 1
    return True


def _says_the_same(old: dict[str, Any] | None, new: dict[str, Any] | None) -> bool:
    if old is None or new is None or old["stop_id"] != new["stop_id"]:
        return old is None and new is None
    return abs(datetime.fromisoformat(old["at"]) - datetime.fromisoformat(new["at"])) < LATER
