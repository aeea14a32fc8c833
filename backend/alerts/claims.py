"""Claims: a team is asked for one alert at a time, however many workers and operators choose at once."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend.alerts.lifecycle import PENDING
from backend.alerts.models import Assignment
from backend.database import lock_rows
from backend.people.models import DutyShift, Team

_TEAMS = Team.id.in_(bindparam("teams", expanding=True))
_HELD = lock_rows(select(Team.id).where(_TEAMS).order_by(Team.id), skip_locked=True)
_FREE = select(Team.id).where(
    _TEAMS,
    select(DutyShift.id).where(DutyShift.team_id == Team.id, DutyShift.ended_at.is_(None)).exists(),
    ~select(Assignment.id).where(Assignment.team_id == Team.id, Assignment.state.in_(PENDING)).exists(),
)


def claim(session: Session, team_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these teams that are free and on duty, held until the commit so that no other alert can ask them.

    A team that somebody else holds at this moment is not waited for: it is being asked, or is coming or going.
    """
    # A statement of its own: it sees what was committed until the lock was ours.
    return set(session.scalars(_FREE, {"teams": list(hold(session, team_ids))}))


def hold(session: Session, team_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these teams that nobody else holds; who would ask them or end their shift waits for the commit."""
    return set(session.scalars(_HELD, {"teams": list(team_ids)}))
