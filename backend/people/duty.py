"""Duty: agents clock in and out with their team, drivers take vehicles out; positions exist only in between."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from backend import feed
from backend.database import insert, lock_rows, new_id
from backend.errors import Refused
from backend.people.models import DutyShift, Staff, Team, TeamPosition, Vehicle, VehiclePosition
from backend.people.views import shift_view, team_news


@dataclass(frozen=True)
class TeamWork:
    """What duty has to ask of alerts; they know people, not the reverse, so that edges pass this in."""

    engaged_on: Callable[[Session, uuid.UUID], uuid.UUID | None]
    """The alert that a team has accepted and not cleared."""
    release: Callable[[Session, uuid.UUID, str, datetime], None]
    """Takes back all that a team still has to answer or do, so that others are asked at once."""


def clock_in(session: Session, staff_id: uuid.UUID, now: datetime, work: TeamWork) -> tuple[DutyShift, bool]:
    """The agent's running shift, and whether it has just begun."""
    staff = session.get_one(Staff, staff_id)
    team = lock_team(session, staff.team_id) if staff.team_id is not None else None
    if team is None or not team.active:
        raise Refused("team_required")
    running = open_shift(session, staff_id)
    if running is not None and running.team_id == team.id:
        return running, False
    if running is not None:
        end_shift(session, running, now, "team_changed", work)
    shift = DutyShift(staff_id=staff_id, team_id=team.id, started_at=now)
    session.add(shift)
    session.flush()
    _tell(session, shift, now, work)
    return shift, True


def clock_out(session: Session, staff_id: uuid.UUID, now: datetime, work: TeamWork) -> DutyShift:
    """The shift just ended, or the last one for a phone that asks again.

    Refused for the last agent of an engaged team: somebody in danger would be waiting for nobody.
    """
    running = open_shift(session, staff_id)
    if running is None:
        last = session.scalar(_shifts_of(staff_id).order_by(DutyShift.ended_at.desc()).limit(1))
        if last is None:
            raise Refused("off_duty")
        return last
    refuse_leaving_alert(session, running, work)
    end_shift(session, running, now, "clocked_out", work)
    return running


def refuse_leaving_alert(session: Session, shift: DutyShift, work: TeamWork) -> None:
    """Raises `team_engaged` when the team would be left without anybody on an alert that it has accepted."""
    # Two agents who leave at the same moment must not each count on the other.
    lock_team(session, shift.team_id)
    if not _others_on_duty(session, shift) and work.engaged_on(session, shift.team_id) is not None:
        raise Refused("team_engaged")


def end_shift(session: Session, shift: DutyShift, now: datetime, why: str, work: TeamWork) -> None:
    """Ends a shift whatever goes on; with the last one of a team, its position is forgotten."""
    lock_team(session, shift.team_id)
    shift.ended_at, shift.ended_why = max(now, shift.started_at), why
    session.flush()
    if not team_on_duty(session, shift.team_id):
        work.release(session, shift.team_id, "off_duty", now)
        session.execute(delete(TeamPosition).where(TeamPosition.team_id == shift.team_id))
    _tell(session, shift, now, work)


def open_shift(session: Session, staff_id: uuid.UUID) -> DutyShift | None:
    """The shift that this agent is on now."""
    return session.scalar(_shifts_of(staff_id).where(DutyShift.ended_at.is_(None)))


def team_on_duty(session: Session, team_id: uuid.UUID) -> bool:
    """True while at least one agent of the team is on duty."""
    return bool(session.scalar(select(_open_shifts(team_id).exists())))


def lock_team(session: Session, team_id: uuid.UUID) -> Team:
    """The team, so that until the commit nobody else changes who of it is on duty."""
    # Not the whole row: whoever offers this team an alert holds the alert and needs the row's key.
    locked: Select[Team] = lock_rows(select(Team).where(Team.id == team_id))
    return session.scalars(locked).one()


def start_driving(
    session: Session, driver_id: uuid.UUID, number: str, line_id: str | None, now: datetime
) -> tuple[Vehicle, bool]:
    """The vehicle with this number, now this driver's, and whether it was not before; created on first use.

    Whoever drove it before is relieved; the vehicle that this driver had is free again.
    """
    new = {"id": new_id(), "number": number}
    session.execute(insert(session, Vehicle).values(new).on_conflict_do_nothing(index_elements=["number"]))
    query = select(Vehicle).where((Vehicle.number == number) | (Vehicle.driver_id == driver_id))
    found = session.scalars(lock_rows(query.order_by(Vehicle.id))).all()
    vehicle = next(each for each in found if each.number == number)
    is_new = vehicle.driver_id != driver_id
    for other in found:
        if other is not vehicle:
            _park(session, other)
    if is_new:
        session.execute(delete(VehiclePosition).where(VehiclePosition.vehicle_id == vehicle.id))
        # Freed first: the old and the new row would both hold the driver, which is unique, for a moment.
        session.flush()
        vehicle.driver_id, vehicle.in_service_since = driver_id, now
    vehicle.line_id = line_id
    session.flush()
    return vehicle, is_new


def stop_driving(session: Session, driver_id: uuid.UUID) -> uuid.UUID | None:
    """The vehicle that this driver has just brought back; its position is forgotten."""
    vehicle = session.scalar(lock_rows(select(Vehicle).where(Vehicle.driver_id == driver_id)))
    if vehicle is None:
        return None
    _park(session, vehicle)
    session.flush()
    found: uuid.UUID = vehicle.id
    return found


def _park(session: Session, vehicle: Vehicle) -> None:
    session.execute(delete(VehiclePosition).where(VehiclePosition.vehicle_id == vehicle.id))
    session.execute(update(Vehicle).where(Vehicle.id == vehicle.id).values(driver_id=None, in_service_since=None))


def _tell(session: Session, shift: DutyShift, now: datetime, work: TeamWork) -> None:
    feed.put(session, feed.team(shift.team_id), "shift.changed", {"shift": shift_view(shift)}, now)
    tell_control(session, shift.team_id, now, work)


def tell_control(session: Session, team_id: uuid.UUID, now: datetime, work: TeamWork) -> None:
    """Puts the team as it now stands into the control room's feed."""
    audience, card = team_news(session, team_id, work.engaged_on(session, team_id))
    feed.put(session, audience, "team.changed", {"team": card}, now)


def _others_on_duty(session: Session, shift: DutyShift) -> bool:
    return bool(session.scalar(select(_open_shifts(shift.team_id).where(DutyShift.id != shift.id).exists())))


def _open_shifts(team_id: uuid.UUID) -> Select[DutyShift]:
    return select(DutyShift).where(DutyShift.team_id == team_id, DutyShift.ended_at.is_(None))


def _shifts_of(staff_id: uuid.UUID) -> Select[DutyShift]:
    return select(DutyShift).where(DutyShift.staff_id == staff_id)
