"""What happens to night stops by themselves: no answer, approach, alighting, a missed stop, the way home."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from backend.database import lock_rows
from backend.geo import Point
from backend.network.index import network_of
from backend.network.vehicle_progress import Progress, progress_by_id
from backend.night_stops.approach import passage
from backend.night_stops.lifecycle import ASKED, PROMISED, NightStopState
from backend.night_stops.models import NightStopRequest
from backend.night_stops.promises import FOLLOW_S, coming_stop, let_off
from backend.night_stops.register import AlertWork, announce, facts_of, record, sharing, tell_rider
from backend.people.models import Vehicle

GIVE_UP = timedelta(minutes=20)
HOME_GRACE = timedelta(seconds=120)
BESIDE_M = 60.0
HOME_ALERTS = uuid.UUID("6a2f6f0e-3f5b-5d0c-9a55-2f0f8f6f7d11")
R = NightStopRequest


def due_requests(session: Session, now: datetime, skip: Collection[uuid.UUID] = (), limit: int = 1) -> Sequence[R]:
    """Requests that are due, with their vehicles locked; what another worker holds is passed over."""
    due = (R.due_at <= now, R.id.not_in(skip)) if skip else (R.due_at <= now,)
    waiting = select(Vehicle.id).where(exists().where(R.vehicle_id == Vehicle.id, *due)).limit(limit)
    taken = session.scalars(lock_rows(waiting, skip_locked=True)).all()
    if not taken:
        return []
    # Read after the locks: whoever held one of them may have done what was due.
    found = select(R).where(R.vehicle_id.in_(taken), *due).order_by(R.due_at).limit(limit)
    return session.scalars(found.execution_options(populate_existing=True)).all()


def run(session: Session, request: NightStopRequest, work: AlertWork, now: datetime) -> None:
    """Takes what is due for one request, with all who share its stop."""
    if request.due_at is None or request.due_at > now:
        return  # done already, with another one of the same stop
    if request.state in ASKED:
        _expire(session, request, work, now)
    elif request.state in PROMISED:
        _follow(session, [one for one in sharing(session, request) if one.state in PROMISED], work, now)
    elif request.home_state in ("running", "asked"):
        _home(session, request, work, now)
    else:
        request.due_at = None


def _expire(session: Session, request: NightStopRequest, work: AlertWork, now: datetime) -> None:
    silent = [one for one in sharing(session, request)
              if one.state in ASKED and one.answer_by is not None and one.answer_by <= now]  # fmt: skip
    for one in silent:
        # Silence is not a yes: the rider is told to ask aloud, and which stop comes next.
        record(session, one, "system", "no_answer", now, step="expire")
    announce(session, silent, work, now, next_stop=coming_stop(session, request, now))


def _follow(session: Session, stop: Sequence[NightStopRequest], work: AlertWork, now: datetime) -> None:
    request = stop[0]
    progress = progress_by_id(session, request.vehicle_id, now) if request.vehicle_id else None
    place_m = _place_on_way(session, request, progress)
    for one in stop:
        one.due_at = now + timedelta(seconds=FOLLOW_S)
    if progress is None or place_m is None:
        _lost(session, stop, work, now)
        return
    found = passage(
        place_m - progress.measure_m, progress.now_mps, progress.fix_at, request.stood_since,
        announced=request.state == NightStopState.APPROACHING)  # fmt: skip
    for one in stop:
        one.lost_since = None
        if found == "stand":
            one.stood_since = progress.fix_at
        elif found == "roll_on":
            one.stood_since = None
        elif found == "alight":
            let_off(session, one, "system", now)
        elif found == "approach" and one.state == NightStopState.ACCEPTED:
            record(session, one, "system", "approaching", now, step="approach")
        elif found == "miss":
            record(session, one, "system", "missed", now, step="miss")
    if found in ("alight", "approach", "miss"):
        announce(session, stop, work, now, next_stop=coming_stop(session, request, now) if found == "miss" else None)


def _place_on_way(session: Session, request: NightStopRequest, progress: Progress | None) -> float | None:
    """The place in metres along the way that the bus is on now; None when the bus is lost or does not pass there."""
    network = network_of(session)
    if network is None or progress is None or not progress.is_on_line or progress.pattern_id is None:
        return None
    if progress.pattern_id == request.pattern_id:
        return request.measure_m
    # The matcher may know better by now which variant of the line this is; the place stays where it is.
    pattern = network.patterns.get(progress.pattern_id)
    if pattern is None or (pattern.line_id, pattern.direction_id) != (request.line_id, request.direction_id):
        return None
    if request.lat is None or request.lon is None:
        return None
    located = pattern.way.locate(Point(request.lat, request.lon), within_m=BESIDE_M, near_m=progress.measure_m)
    return located.measure_m if located else None


def _lost(session: Session, stop: Sequence[NightStopRequest], work: AlertWork, now: datetime) -> None:
    """Says once that the bus is out of sight, so that the rider asks aloud; given up when it stays so."""
    fresh = [one for one in stop if one.lost_since is None]
    for one in fresh:
        one.lost_since = now
        record(session, one, "system", "vehicle_lost", now)
    over = [one for one in stop if one.lost_since is not None and now - one.lost_since > GIVE_UP]
    for one in over:
        record(session, one, "system", "missed", now, step="miss", reason="vehicle_lost")
    if fresh or over:
        announce(session, [*fresh, *over], work, now)


def _home(session: Session, request: NightStopRequest, work: AlertWork, now: datetime) -> None:
    asked = request.home_state == "running"
    record(session, request, "system", "home_asked" if asked else "home_alert", now)
    if asked:
        request.home_state, request.due_at = "asked", now + HOME_GRACE
    else:
        request.home_state, request.due_at = "alerted", None
        # The alert's id comes from the request's: two workers or a restart still raise one alert.
        work.raise_for(session, uuid.uuid5(HOME_ALERTS, str(request.id)), request, now)
    session.flush()
    tell_rider(session, request, facts_of(session, [request.id])[request.id], now)
