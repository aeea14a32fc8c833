"""The synthetic drill: a rider, a team and an agent of its own, who prove the whole way; what became of each run.

No person ever sees them: the team is asked for nothing else and by nothing else, and the control room hears nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from backend.alerts.categories import ClosingCode
from backend.alerts.lifecycle import OVER
from backend.alerts.models import Alert, Assignment, LogEntry
from backend.alerts.register import SYSTEM, locked
from backend.control_room import actions
from backend.database import new_id
from backend.delivery.models import Delivery
from backend.geo import Point
from backend.network.queries import service_area
from backend.people import sessions
from backend.people.models import Device, DutyShift, Staff, StaffSession, Team, TeamPosition
from backend.people.roles import DRILL_PLATFORM, Role
from backend.people.tokens import TokenKind, hash_of, new_token
from backend.watch.models import DrillRun

NAME = "vigie drill"
TAKES = timedelta(seconds=15)
"""A run that has not ended by then has failed."""
AGAIN = timedelta(seconds=5)
KEPT = timedelta(hours=1)
RUNS_KEPT = timedelta(days=7)
_AT_ONCE = 200
_ANYWHERE = Point(10.0, 10.0)  # without a network there is no area to be outside of


@dataclass(frozen=True)
class Prepared:
    """One run that may begin: who plays, with tokens that end with it, and where."""

    run_id: uuid.UUID
    alert_id: uuid.UUID
    device_token: str
    agent_token: str
    place: Point


def is_due(session: Session, every_s: int, now: datetime) -> bool:
    """Whether the last run began long enough ago; after one that failed, soon: to tell a hiccup from an outage."""
    last = session.execute(
        select(DrillRun.started_at, DrillRun.ended_at, DrillRun.ok).order_by(DrillRun.started_at.desc()).limit(1)
    ).first()
    if last is None or last.started_at > now or now - last.started_at >= timedelta(seconds=every_s):
        return True
    return last.ok is False and last.ended_at is not None and now - last.ended_at >= AGAIN


def prepare(session: Session, now: datetime) -> Prepared:
    """Clears away what an earlier run left, and puts the drill's team on duty beside its rider."""
    _abandon(session, now)
    _forget(session, now)
    team, agent = _agent(session, now)
    _rest(session, team.id, agent.id)
    place = _place(session)
    session.add(DutyShift(staff_id=agent.id, team_id=team.id, started_at=now))
    session.add(
        TeamPosition(
            team_id=team.id, lat=place.latitude, lon=place.longitude, accuracy_m=5.0, provider="gnss", fix_at=now,
            received_at=now,
        )
    )  # fmt: skip
    run = DrillRun(id=new_id(), started_at=now, steps_ms={})
    session.add(run)
    device_token = _device_token(session, now)
    agent_token = sessions.sign_in(session, agent.id, now, valid_hours=1).access_token
    return Prepared(run.id, new_id(), device_token, agent_token, place)


def finish(
    session: Session,
    run_id: uuid.UUID,
    alert_id: uuid.UUID,
    now: datetime,
    *,
    failed_step: str | None,
    steps_ms: dict[str, Any],
    certificate_days: float | None = None,
) -> bool:
    """Closes the run's alert and sends its team home; False for a run that somebody else has given up meanwhile."""
    close(session, alert_id, now)
    team, agent = _agent(session, now)
    run = session.get_one(DrillRun, run_id)
    if run.ended_at is not None:
        return False
    _rest(session, team.id, agent.id)
    run.ended_at, run.ok, run.failed_step, run.steps_ms = now, failed_step is None, failed_step, steps_ms
    run.certificate_days = certificate_days
    return True


def discard(session: Session, run_id: uuid.UUID, alert_id: uuid.UUID, now: datetime) -> None:
    """Takes back a run that was broken off because its worker ends: it says nothing about anything."""
    close(session, alert_id, now)
    team, agent = _agent(session, now)
    _rest(session, team.id, agent.id)
    session.execute(delete(DrillRun).where(DrillRun.id == run_id, DrillRun.ended_at.is_(None)))


def close(session: Session, alert_id: uuid.UUID, now: datetime) -> None:
    """The system itself ends a drill's alert, however far it came."""
    if session.get(Alert, alert_id) is None:
        return
    alert = locked(session, alert_id)
    if alert.drill and alert.state not in OVER:
        actions.close(session, alert, SYSTEM, now, closing_code=ClosingCode.DRILL, legal_class=None, note=None)


def last_run(session: Session) -> DrillRun | None:
    """The newest run that has ended."""
    return session.scalar(
        select(DrillRun).where(DrillRun.ended_at.is_not(None)).order_by(DrillRun.started_at.desc()).limit(1)
    )


def _abandon(session: Session, now: datetime) -> None:
    # A runner that died, or an alert that was stored after its phone had stopped waiting for the answer.
    session.execute(
        update(DrillRun).where(DrillRun.ended_at.is_(None)).values(ended_at=now, ok=False, failed_step="abandoned")
    )
    for alert_id in session.scalars(select(Alert.id).where(Alert.drill, Alert.state.not_in(OVER))).all():
        close(session, alert_id, now)


def _forget(session: Session, now: datetime) -> None:
    # Two a minute, for ever: an exercise of a machine is no part of the register that people are held to.
    old = select(Alert.id).where(Alert.drill, Alert.state.in_(OVER), Alert.received_at < now - KEPT).limit(_AT_ONCE)
    ids = session.scalars(old).all()
    if ids:
        session.execute(delete(Delivery).where(Delivery.alert_id.in_(ids)))
        for table in (Assignment, LogEntry):
            session.execute(delete(table).where(table.alert_id.in_(ids)))
        session.execute(delete(Alert).where(Alert.id.in_(ids)))
    session.execute(delete(DrillRun).where(DrillRun.started_at < now - RUNS_KEPT))


def _agent(session: Session, now: datetime) -> tuple[Team, Staff]:
    team = session.scalar(select(Team).where(Team.drill))
    if team is None:
        team = Team(id=new_id(), name=NAME, call_sign=NAME, created_at=now, drill=True)
        session.add(team)
        session.flush()
    agent = session.scalar(select(Staff).where(Staff.team_id == team.id))
    if agent is None:
        # Without a password: nobody can ever sign in as the drill's agent.
        agent = Staff(login=NAME, display_name=NAME, role=Role.AGENT.value, team_id=team.id, created_at=now)
        session.add(agent)
        session.flush()
    return team, agent


def _rest(session: Session, team_id: uuid.UUID, staff_id: uuid.UUID) -> None:
    session.execute(delete(DutyShift).where(DutyShift.team_id == team_id))
    session.execute(delete(TeamPosition).where(TeamPosition.team_id == team_id))
    session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))


def _device_token(session: Session, now: datetime) -> str:
    device = session.scalar(select(Device).where(Device.platform == DRILL_PLATFORM, Device.revoked_at.is_(None)))
    if device is None:
        return sessions.register_device(session, DRILL_PLATFORM, now, valid_days=1).access_token
    token = new_token(TokenKind.DEVICE)
    device.token_hash, device.expires_at = hash_of(token), now + timedelta(days=1)
    return token


def _place(session: Session) -> Point:
    area = service_area(session)
    if area is None:
        return _ANYWHERE
    return Point((area.south + area.north) / 2, (area.west + area.east) / 2)
