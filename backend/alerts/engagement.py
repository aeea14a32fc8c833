"""Engagement: what a team is asked and works on now, over all alerts."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts.lifecycle import ENGAGED, AssignmentState
from backend.alerts.models import Assignment
from backend.people.views import team_news


def live_of_team(session: Session, team_id: uuid.UUID) -> list[Assignment]:
    """The team's offers and missions that are still alive, oldest first."""
    return list(
        session.scalars(
            select(Assignment)
            .where(Assignment.team_id == team_id, Assignment.state.in_((*ENGAGED, AssignmentState.OFFERED)))
            .order_by(Assignment.offered_at)
        )
    )


def engaged_on(session: Session, team_id: uuid.UUID) -> uuid.UUID | None:
    """The alert that the team has accepted and not cleared, or None."""
    return session.scalar(
        select(Assignment.alert_id).where(Assignment.team_id == team_id, Assignment.state.in_(ENGAGED)).limit(1)
    )


def tell_control_of_team(session: Session, team_id: uuid.UUID, alert_id: uuid.UUID | None, now: datetime) -> None:
    """Tells the control room what a team is engaged on now."""
    audience, card = team_news(session, team_id, alert_id)
    feed.put(session, audience, "team.changed", {"team": card}, now)
