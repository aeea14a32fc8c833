"""What a promised stop leads to: the riders get off, the way home is timed; and which stop comes next in any case."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.network.index import network_of
from backend.network.vehicle_progress import next_stops, progress_by_id
from backend.night_stops.models import NightStopRequest
from backend.night_stops.register import record

FOLLOW_S = 3
"""How often a promised stop is looked at while its bus is on the way."""
PROPOSAL_S = 30
"""How long a rider may think about another place."""


def let_off(session: Session, request: NightStopRequest, who: str, now: datetime) -> None:
    """Ends a promised stop well, and begins to time the way home when the rider asked for it."""
    record(session, request, who, "alighted", now, step="alight")
    request.alighted_at, request.lost_since = now, None
    if request.home_timer_s and request.home_state is None:
        request.home_state, request.home_due_at = "running", now + timedelta(seconds=request.home_timer_s)
        request.due_at = request.home_due_at


def coming_stop(session: Session, request: NightStopRequest, now: datetime) -> tuple[str, int] | None:
    """The next regular stop of the rider's bus and the seconds until then: what to do when nobody says yes."""
    network = network_of(session)
    progress = progress_by_id(session, request.vehicle_id, now) if request.vehicle_id else None
    if network is None or progress is None:
        return None
    coming = next_stops(network, progress, 1)
    return (coming[0][0].name, coming[0][1]) if coming else None
