"""Staff and teams: made, changed and taken out of service by the administrator."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.database import lock_rows
from backend.errors import Refused
from backend.people import duty, sessions
from backend.people.duty import TeamWork
from backend.people.models import DutyShift, Staff, Team
from backend.people.roles import Role
from backend.people.views import in_order


def all_staff(session: Session) -> Sequence[Staff]:
    """Everybody, disabled ones too, by login; the agent of the synthetic drill is nobody."""
    drilling = select(Team.id).where(Team.drill)
    people = select(Staff).where(Staff.team_id.is_(None) | Staff.team_id.not_in(drilling))
    return session.scalars(people.order_by(Staff.login)).all()


def all_teams(session: Session) -> Sequence[Team]:
    """Every team, inactive ones too, by call sign."""
    return sorted(session.scalars(select(Team).where(~Team.drill)), key=lambda team: in_order(team.call_sign))


def create_staff(
    session: Session,
    login: str,
    display_name: str,
    role: Role,
    now: datetime,
    *,
    team_id: uuid.UUID | None = None,
    phone: str | None = None,
) -> Staff:
    """A new account that nobody can sign in to until its invitation is accepted."""
    folded = sessions.fold_login(login)
    if len(folded) < 2:
        raise Refused("invalid", field="/login")
    if session.scalar(select(exists().where(Staff.login == folded))):
        raise Refused("login_taken", field="/login")
    _known_team(session, team_id)
    staff = Staff(
        login=folded,
        display_name=display_name.strip() or folded,
        role=role.value,
        team_id=team_id,
        phone=phone,
        created_at=now,
    )
    session.add(staff)
    _flush(session, "login_taken")
    return staff


def change_staff(
    session: Session, staff_id: uuid.UUID, changes: Mapping[str, Any], now: datetime, work: TeamWork
) -> Staff:
    """The person with the changes made. A new role or team ends sessions and shift, as disabling does.

    A socket stays in the rooms of the role and team with which it was opened: it has to be opened again.
    """
    staff = find_staff(session, staff_id)
    if "display_name" in changes:
        staff.display_name = str(changes["display_name"]).strip() or staff.display_name
    if "phone" in changes:
        staff.phone = changes["phone"]
    if staff.role == Role.ADMIN and (changes.get("disabled") is True or changes.get("role", "admin") != "admin"):
        _refuse_last_admin(session, staff)
    moved = False
    if "team_id" in changes:
        team_id = uuid.UUID(changes["team_id"]) if changes["team_id"] else None
        moved, staff.team_id = moved or team_id != staff.team_id, _known_team(session, team_id)
    if "role" in changes:
        moved, staff.role = moved or changes["role"] != staff.role, Role(changes["role"]).value
    if moved:
        _leave(session, staff, now, "team_changed", work, forced=False)
    if changes.get("disabled") is True and staff.disabled_at is None:
        staff.disabled_at = now
        # An account may have to be closed at once, whatever its owner is doing; the control room is told.
        _leave(session, staff, now, "disabled", work, forced=True)
    elif changes.get("disabled") is False:
        staff.disabled_at = None
    session.flush()
    return staff


def find_staff(session: Session, staff_id: uuid.UUID) -> Staff:
    """The member of staff with this id."""
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise Refused("staff_unknown")
    return staff


def _refuse_last_admin(session: Session, staff: Staff) -> None:
    admins = select(Staff).where(
        Staff.role == Role.ADMIN.value, Staff.disabled_at.is_(None), Staff.password_hash.is_not(None)
    )
    # Locked in one order: two administrators who remove each other at once must not both succeed.
    if all(each.id == staff.id for each in session.scalars(lock_rows(admins.order_by(Staff.id)))):
        raise Refused("last_admin")


def _leave(session: Session, staff: Staff, now: datetime, why: str, work: TeamWork, *, forced: bool) -> None:
    session.flush()
    shift = duty.open_shift(session, staff.id)
    if shift is not None:
        if not forced:
            duty.refuse_leaving_alert(session, shift, work)
        duty.end_shift(session, shift, now, why, work)
    duty.stop_driving(session, staff.id)
    sessions.revoke_sessions(session, staff.id, now)


def create_team(session: Session, name: str, call_sign: str, now: datetime, work: TeamWork) -> Team:
    """A new patrol team, at once on the control room's list."""
    name, call_sign = name.strip(), call_sign.strip()
    _refuse_taken(session, name, call_sign, None)
    team = Team(name=name, call_sign=call_sign, created_at=now)
    session.add(team)
    _flush(session, "team_taken")
    duty.tell_control(session, team.id, now, work)
    return team


def change_team(
    session: Session, team_id: uuid.UUID, changes: Mapping[str, Any], now: datetime, work: TeamWork
) -> Team:
    """The team with the changes made. One that is on an alert cannot be taken out of service."""
    if session.get(Team, team_id) is None:
        raise Refused("team_unknown")
    team = duty.lock_team(session, team_id)
    name = str(changes.get("name", team.name)).strip()
    call_sign = str(changes.get("call_sign", team.call_sign)).strip()
    _refuse_taken(session, name, call_sign, team.id)
    team.name, team.call_sign = name, call_sign
    _flush(session, "team_taken")
    if changes.get("active") is False and team.active:
        if work.engaged_on(session, team.id) is not None:
            raise Refused("team_engaged")
        team.active = False
        session.flush()
        query = select(DutyShift).where(DutyShift.team_id == team.id, DutyShift.ended_at.is_(None))
        for shift in session.scalars(query).all():
            duty.end_shift(session, shift, now, "team_inactive", work)
    elif changes.get("active") is True:
        team.active = True
    session.flush()
    duty.tell_control(session, team.id, now, work)
    return team


def _known_team(session: Session, team_id: uuid.UUID | None) -> uuid.UUID | None:
    if team_id is not None and session.get(Team, team_id) is None:
        raise Refused("team_unknown", field="/team_id")
    return team_id


def _refuse_taken(session: Session, name: str, call_sign: str, own_id: uuid.UUID | None) -> None:
    if not name or not call_sign:
        raise Refused("invalid", field="/name" if not name else "/call_sign")
    clash = select(Team).where((Team.name == name) | (Team.call_sign == call_sign))
    if own_id is not None:
        clash = clash.where(Team.id != own_id)
    other = session.scalar(clash.limit(1))
    if other is not None:
        raise Refused("team_taken", field="/call_sign" if other.call_sign == call_sign else "/name")


def _flush(session: Session, taken: str) -> None:
    try:
        session.flush()
    except IntegrityError:
        # Somebody took the name between the look and the write.
        raise Refused(taken) from None
