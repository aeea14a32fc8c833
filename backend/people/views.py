"""How people and teams are written on the wire, and what the control room's first look holds of them."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend import feed
from backend.people.models import DutyShift, Staff, Team, TeamPosition, Vehicle, VehiclePosition
from backend.times import stamp


def staff_view(staff: Staff) -> dict[str, Any]:
    """A member of staff, without anything secret."""
    return {
        "id": str(staff.id),
        "login": staff.login,
        "display_name": staff.display_name,
        "role": staff.role,
        "team_id": str(staff.team_id) if staff.team_id else None,
        "disabled": staff.disabled_at is not None,
        "phone": staff.phone,
    }


def team_view(team: Team) -> dict[str, Any]:
    """A team as its agents and the administrator see it."""
    return {"id": str(team.id), "name": team.name, "call_sign": team.call_sign, "active": team.active}


def shift_view(shift: DutyShift) -> dict[str, Any]:
    """One time on duty."""
    return {
        "id": str(shift.id),
        "team_id": str(shift.team_id),
        "started_at": stamp(shift.started_at),
        "ended_at": stamp(shift.ended_at) if shift.ended_at else None,
    }


def vehicle_view(vehicle: Vehicle) -> dict[str, Any]:
    """A vehicle without its position."""
    return {"id": str(vehicle.id), "number": vehicle.number, "line_id": vehicle.line_id}


def position_view(position: TeamPosition | VehiclePosition | None) -> dict[str, Any] | None:
    """A last position as a map shows it."""
    if position is None:
        return None
    return {
        "latitude": position.lat,
        "longitude": position.lon,
        "accuracy_m": position.accuracy_m,
        "heading_deg": position.heading_deg,
        "speed_mps": position.speed_mps,
        "fix_at": stamp(position.fix_at),
    }


def team_news(session: Session, team_id: uuid.UUID, engaged_on: uuid.UUID | None) -> tuple[str, dict[str, Any]]:
    """(the audience that hears how a team stands, the team as the control room sees it).

    Nobody hears it of the team of the synthetic drill.
    """
    rows = session.execute(_TEAM, {"team_id": team_id}).all()
    team, position, _ = rows[0]
    card = _card(team, position, [name for _, _, name in rows if name is not None])
    card["engaged_on"] = str(engaged_on) if engaged_on else None
    return feed.DRILL if team.drill else feed.CONTROL, card


def teams_snapshot(session: Session) -> list[dict[str, Any]]:
    """Every active team, without what it is engaged on, GAP 2 before GAP 10."""
    found = session.execute(_WITH_POSITION.where(Team.active, ~Team.drill))
    rows = [(team, position) for team, position in found]
    return _cards(session, sorted(rows, key=lambda row: in_order(row[0].call_sign)))


def vehicles_snapshot(session: Session) -> list[dict[str, Any]]:
    """Every vehicle in service, by its number."""
    rows = session.execute(
        select(Vehicle, VehiclePosition)
        .outerjoin(VehiclePosition, VehiclePosition.vehicle_id == Vehicle.id)
        .where(Vehicle.in_service_since.is_not(None))
    )
    cards = [vehicle_view(vehicle) | {"position": position_view(position)} for vehicle, position in rows]
    return sorted(cards, key=lambda card: in_order(str(card["number"])))


def in_order(label: str) -> list[tuple[int, str]]:
    """A sorting key in which numbers count as numbers."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d{1,18})", label)]


_WITH_POSITION = select(Team, TeamPosition).outerjoin(TeamPosition, TeamPosition.team_id == Team.id)
# One question, a row for each agent: this is said at every acceptance and every end of a mission.
_TEAM = (
    _WITH_POSITION.outerjoin(DutyShift, (DutyShift.team_id == Team.id) & DutyShift.ended_at.is_(None))
    .outerjoin(Staff, Staff.id == DutyShift.staff_id)
    .add_columns(Staff.display_name)
    .where(Team.id == bindparam("team_id"))
    .order_by(Staff.display_name)
)


def _cards(session: Session, teams: Sequence[tuple[Team, TeamPosition | None]]) -> list[dict[str, Any]]:
    agents: dict[uuid.UUID, list[str]] = defaultdict(list)
    on_duty = (
        select(DutyShift.team_id, Staff.display_name)
        .join(Staff, Staff.id == DutyShift.staff_id)
        .where(DutyShift.ended_at.is_(None), DutyShift.team_id.in_([team.id for team, _ in teams]))
        .order_by(Staff.display_name)
    )
    for team_id, name in session.execute(on_duty):
        agents[team_id].append(name)
    return [_card(team, position, agents[team.id]) for team, position in teams]


def _card(team: Team, position: TeamPosition | None, agents: list[str]) -> dict[str, Any]:
    return {
        "id": str(team.id),
        "name": team.name,
        "call_sign": team.call_sign,
        "on_duty": bool(agents),
        "agents": agents,
        # A position that a flush wrote while the last agent left is nobody's business any more.
        "position": position_view(position) if agents else None,
    }
