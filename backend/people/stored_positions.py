"""Stored positions: one row per team and vehicle, written in one statement for all that moved, read as frames."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import Column, ColumnElement, Table, Uuid, delete, exists, select, text
from sqlalchemy.orm import Session

from backend.database import insert, is_postgresql
from backend.json_rows import table_of
from backend.people.models import DutyShift, Team, TeamPosition, Vehicle, VehiclePosition
from backend.people.positions import Movement, Mover


def on_duty(session: Session, staff_id: uuid.UUID | None = None) -> dict[uuid.UUID, Mover]:
    """Who is on duty and what they move; of one person when `staff_id` is given."""
    shifts = select(DutyShift.staff_id, DutyShift.team_id).where(DutyShift.ended_at.is_(None))
    drives = select(Vehicle.driver_id, Vehicle.id).where(Vehicle.driver_id.is_not(None))
    if staff_id is not None:
        shifts = shifts.where(DutyShift.staff_id == staff_id)
        drives = drives.where(Vehicle.driver_id == staff_id)
    found = {agent_id: Mover("team", team_id) for agent_id, team_id in session.execute(shifts)}
    for driver_id, vehicle_id in session.execute(drives):
        if driver_id is not None:
            found[driver_id] = Mover("vehicle", vehicle_id)
    return found


_FIELDS = ("lat", "lon", "accuracy_m", "heading_deg", "speed_mps", "provider", "fix_at", "received_at")


def flush(session: Session, movements: Sequence[Movement], now: datetime) -> None:
    """Stores the newest fix of each team and vehicle whose sender is still on duty.

    One statement each, sorted by id: two processes that store the same rows unsorted deadlock.
    """
    if is_postgresql(session):
        # State, not news: the next second's fix replaces what a crash might lose.
        session.execute(text("SET LOCAL synchronous_commit TO off"))
    # A flush that overlapped the end of a shift may have stored a position just after it was deleted.
    session.execute(
        delete(TeamPosition).where(
            ~exists().where(DutyShift.team_id == TeamPosition.team_id, DutyShift.ended_at.is_(None))
        )
    )
    teams = [
        (*_values(each, now), each.fix.vehicle_number, each.fix.stop_id)
        for each in movements
        if each.mover.kind == "team"
    ]
    vehicles = [_values(each, now) for each in movements if each.mover.kind == "vehicle"]
    if teams:
        _upsert(session, TeamPosition, "team_id", (*_FIELDS, "vehicle_number", "stop_id"), teams)
    if vehicles:
        _upsert(session, VehiclePosition, "vehicle_id", _FIELDS, vehicles)


def _values(movement: Movement, now: datetime) -> tuple[Any, ...]:
    fix = movement.fix
    return (
        movement.staff_id,
        movement.mover.id,
        fix.latitude,
        fix.longitude,
        fix.accuracy_m,
        fix.heading_deg,
        fix.speed_mps,
        fix.provider,
        fix.fix_at,
        now,
    )


def _upsert(
    session: Session,
    model: type[TeamPosition | VehiclePosition],
    key: str,
    fields: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    table = cast("Table", model.__table__)
    columns = [table.c[key], *(table.c[name] for name in fields)]
    given = table_of(session, [Column("staff_id", Uuid()), *columns], rows)
    new = (
        select(*(given.c[column.name] for column in columns))
        .where(_still_on_duty(given.c.staff_id, given.c[key], model))
        .order_by(given.c[key])
    )
    statement = insert(session, model).from_select([column.name for column in columns], new)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in fields},
            where=statement.excluded.fix_at > table.c.fix_at,
        )
    )


def _still_on_duty(staff_id: Any, mover_id: Any, model: type[Any]) -> ColumnElement[bool]:
    if model is TeamPosition:
        return exists().where(
            DutyShift.staff_id == staff_id, DutyShift.team_id == mover_id, DutyShift.ended_at.is_(None)
        )
    return exists().where(Vehicle.id == mover_id, Vehicle.driver_id == staff_id)


@dataclass(frozen=True)
class Moved:
    """What moved on the map, as rows of the contract's positions frame."""

    teams: list[list[Any]]
    vehicles: list[list[Any]]
    gone: list[str]

    def frame(self) -> str:
        """The frame as one string of JSON: a socket server that walks the rows itself takes ten times as long."""
        frame = {"teams": self.teams, "vehicles": self.vehicles, "gone": self.gone}
        return orjson.dumps(frame).decode()


def moved_since(session: Session, moment: datetime) -> Moved:
    """What was stored at or after `moment`, and the teams that went off duty since.

    A flush is seen when it commits, a little after the time it carries: look two seconds back each time. A row
    seen twice does no harm.
    """
    team, drive, shift = TeamPosition, VehiclePosition, DutyShift
    someone = exists().where(shift.team_id == team.team_id, shift.ended_at.is_(None))
    # Columns, not objects: with 10,000 teams this runs every second.
    teams = session.execute(
        select(team.team_id, team.lon, team.lat, team.heading_deg, team.accuracy_m, team.fix_at).where(
            team.received_at >= moment, someone, team.team_id.not_in(select(Team.id).where(Team.drill))
        )
    )
    vehicles = session.execute(
        select(Vehicle.id, Vehicle.number, drive.lon, drive.lat, drive.heading_deg, drive.fix_at)
        .join(drive, drive.vehicle_id == Vehicle.id)
        .where(drive.received_at >= moment, Vehicle.in_service_since.is_not(None))
    )
    left = set(session.scalars(select(shift.team_id).where(shift.ended_at >= moment)))
    back = select(shift.team_id).where(shift.team_id.in_(left), shift.ended_at.is_(None))
    gone = left - set(session.scalars(back)) if left else left
    return Moved(
        [[str(row[0]), *row[1:5], _milliseconds(row[5])] for row in teams],
        [[str(row[0]), *row[1:5], _milliseconds(row[5])] for row in vehicles],
        sorted(map(str, gone)),
    )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
