"""What happens to night stops by themselves: no answer, approach, alighting, a missed stop, the home timer."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.database import lock_rows
from backend.network.vehicle_progress import Progress, progress_by_id
from backend.night_stops.lifecycle import ASKED, NightStopState
from backend.night_stops.models import NightStopRequest
from backend.night_stops.promises import FOLLOW_S, coming_stop, let_off
from backend.night_stops.register import AlertWork, announce, record

APPROACH_M = 200.0
AT_PLACE_M = 45.0
PASSED_M = 70.0
STANDING_MPS = 1.5
GIVE_UP = timedelta(minutes=20)
HOME_GRACE = timedelta(seconds=60)


def due_request(session: Session, now: datetime, skip: Collection[uuid.UUID] = ()) -> NightStopRequest | None:
    """One request that is due, locked; rows that another worker holds are passed over."""
    query = select(NightStopRequest).where(NightStopRequest.due_at <= now).order_by(NightStopRequest.due_at).limit(1)
    if skip:
        query = query.where(NightStopRequest.id.not_in(skip))
    found: NightStopRequest | None = session.scalar(lock_rows(session, query, skip_locked=True))
    return found


def run(session: Session, request: NightStopRequest, work: AlertWork, now: datetime) -> None:
    """Takes what is due for one request."""
    state = NightStopState(request.state)
    if state in ASKED:
        if request.answer_by is not None and request.answer_by > now:
            request.due_at = request.answer_by
            return
        # Silence is not a yes: the rider is told to ask aloud, and which stop comes next.
        record(session, request, "system", "no_answer", now, step="expire")
        announce(session, [request], work, now, next_stop=coming_stop(session, request, now))
    elif state in (NightStopState.ACCEPTED, NightStopState.APPROACHING):
        _follow(session, request, work, now)
    elif request.home_state in ("running", "asked"):
        _home(session, request, work, now)
    else:
        request.due_at = None


def _follow(session: Session, request: NightStopRequest, work: AlertWork, now: datetime) -> None:
    progress = progress_by_id(session, request.vehicle_id, now) if request.vehicle_id else None
    request.due_at = now + timedelta(seconds=FOLLOW_S)
    if progress is None or not progress.is_on_line or progress.pattern_id != request.pattern_id:
        if now - request.changed_at > GIVE_UP:
            record(session, request, "system", "vehicle_lost", now, step="miss")
            announce(session, [request], work, now)
        return
    standing = request.stopped_at is not None
    step = following_step(request.state, request.measure_m or 0.0, progress, was_standing=standing)
    if step == "stand":
        request.stopped_at = request.stopped_at or now
    elif step == "alight":
        let_off(session, request, "system", now)
        announce(session, [request], work, now)
    elif step is not None:
        record(session, request, "system", "missed" if step == "miss" else "approaching", now, step=step)
        next_stop = coming_stop(session, request, now) if step == "miss" else None
        announce(session, [request], work, now, next_stop=next_stop)


def following_step(state: str, place_m: float, progress: Progress, *, was_standing: bool) -> str | None:
    """What the bus's place on its way says: `approach`, `stand` at the place, `alight`, `miss`, or nothing new."""
    ahead_m = place_m - progress.measure_m
    if abs(ahead_m) <= AT_PLACE_M and progress.speed_mps <= STANDING_MPS and not was_standing:
        return "stand"
    if ahead_m < -PASSED_M or (was_standing and ahead_m < -AT_PLACE_M):
        return "alight" if was_standing else "miss"
    if state == NightStopState.ACCEPTED and ahead_m <= APPROACH_M:
        return "approach"
    return None


def _home(session: Session, request: NightStopRequest, work: AlertWork, now: datetime) -> None:
    if request.home_state == "running":
        request.home_state, request.due_at = "asked", now + HOME_GRACE
        record(session, request, "system", "arrived_home_asked", now)
        request.due_at = now + HOME_GRACE
    else:
        request.home_state, request.due_at = "alerted", None
        record(session, request, "system", "home_alert", now)
        # The alert's id comes from the request's: two workers or a restart still raise one alert.
        alert_id = uuid.uuid5(uuid.NAMESPACE_OID, f"home:{request.id}")
        work.raise_for(session, alert_id, request.device_id, request.lat, request.lon, now)
    announce(session, [request], work, now)
