"""The rider's word after asking: cancel, take another place, still on board, arrived home."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.errors import Refused
from backend.night_stops.lifecycle import LIVE, PROMISED, NightStopState
from backend.night_stops.models import NightStopRequest
from backend.night_stops.promises import FOLLOW_S, coming_stop
from backend.night_stops.register import AlertWork, announce, facts_of, locked, record, tell_rider

NOT_OFF_AFTER_ALL = timedelta(minutes=10)


def cancel(
    session: Session, request_id: uuid.UUID, device_id: uuid.UUID, work: AlertWork, now: datetime
) -> NightStopRequest:
    """The rider does not want it any more; repeating it changes nothing."""
    request = own(session, request_id, device_id)
    if request.state in LIVE:
        record(session, request, "rider", "cancelled", now, step="cancel")
        announce(session, [request], work, now)
    return request


def answer_alternative(
    session: Session, request_id: uuid.UUID, device_id: uuid.UUID, work: AlertWork, now: datetime, *, accept_it: bool
) -> NightStopRequest:
    """The rider takes the driver's place, or would rather get off at a regular stop."""
    request = own(session, request_id, device_id)
    if request.state != NightStopState.ALTERNATIVE_PROPOSED:
        said = PROMISED if accept_it else frozenset({NightStopState.CANCELLED})
        if request.alternative is None or request.state not in said:
            raise Refused("action_impossible", state=request.state)
        return request
    place = request.alternative
    if accept_it and place is not None:
        request.measure_m, request.lat, request.lon = place["measure_m"], place["latitude"], place["longitude"]
        request.after_stop, request.before_stop = place["after_stop"], place["before_stop"]
        request.metres_after_stop = place["metres_after_stop"]
        record(session, request, "rider", "alternative_taken", now, step="take_alternative")
        request.due_at = now + timedelta(seconds=FOLLOW_S)
    else:
        record(session, request, "rider", "alternative_declined", now, step="decline_alternative")
    announce(session, [request], work, now, next_stop=coming_stop(session, request, now))
    return request


def still_on_board(
    session: Session, request_id: uuid.UUID, device_id: uuid.UUID, work: AlertWork, now: datetime
) -> NightStopRequest:
    """The rider is still in the bus, whatever it looked like: the stop was missed, and nothing is timed."""
    request = own(session, request_id, device_id)
    if request.state == NightStopState.MISSED:
        return request
    off_at = request.alighted_at
    if request.state == NightStopState.ALIGHTED and off_at is not None and now - off_at > NOT_OFF_AFTER_ALL:
        raise Refused("action_impossible", state=request.state)
    request.home_state = request.home_due_at = request.alighted_at = None
    record(session, request, "rider", "still_on_board", now, step="miss")
    announce(session, [request], work, now, next_stop=coming_stop(session, request, now))
    return request


def arrived(
    session: Session, request_id: uuid.UUID, device_id: uuid.UUID, _work: AlertWork, now: datetime
) -> NightStopRequest:
    """The rider is home: nothing is timed any more. After the alert has gone out, it is the alert that she cancels."""
    request = own(session, request_id, device_id)
    if request.home_state in ("running", "asked"):
        request.home_state, request.due_at = "home", None
        record(session, request, "rider", "home", now)
        session.flush()
        tell_rider(session, request, facts_of(session, [request.id])[request.id], now)
    elif request.home_state is None:
        raise Refused("action_impossible", state=request.state)
    return request


def own(session: Session, request_id: uuid.UUID, device_id: uuid.UUID) -> NightStopRequest:
    """The rider's own request, its vehicle locked; another phone's is `night_stop_unknown`."""
    request = locked(session, request_id)
    if request.device_id != device_id:
        raise Refused("night_stop_unknown")
    return request
