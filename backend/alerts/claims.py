"""Claims: a team is asked for one alert at a time, however many workers and operators choose at once."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.alerts.lifecycle import PENDING
from backend.alerts.models import Assignment
from backend.people.models import DutyShift, Team


def claim(session: Session, team_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these teams that are free and on duty, held until the commit so that no other alert can ask them.

    A team that somebody else holds at this moment is not waited for: it is being asked, or is coming or going.
    """
    free = hold(session, team_ids)
    # A statement of its own: it sees what was committed until the lock was ours.
    busy = select(Assignment.id).where(Assignment.team_id == Team.id, Assignment.state.in_(PENDING))
    shift = select(DutyShift.id).where(DutyShift.team_id == Team.id, DutyShift.ended_at.is_(None))
    return set(session.scalars(select(Team.id).where(Team.id.in_(free), shift.exists(), ~busy.exists())))


def hold(session: Session, team_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of these teams that nobody else holds; who would ask them or end their shift waits for the commit."""
    held = select(Team.id).where(Team.id.in_(team_ids)).order_by(Team.id)
    return set(session.scalars(held.with_for_update(skip_locked=True, key_share=True)))
