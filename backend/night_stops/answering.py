"""The driver's word, at every moment the last one; and the rider's: cancel, take another place, arrived home."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.delivery import receipts
from backend.errors import Refused
from backend.network.index import network_of
from backend.night_stops.lifecycle import LIVE, REFUSAL_REASONS, NightStopState
from backend.night_stops.models import NightStopRequest
from backend.night_stops.promises import FOLLOW_S, coming_stop, let_off
from backend.night_stops.register import AlertWork, announce, group, locked, record
from backend.night_stops.views import spot_view
from backend.night_stops.wishes import spot_at

LIT_PLACE_M = 60.0
"""How far a driver's own proposal lies behind the wanted place when he names none."""


def accept(session: Session, request_id: uuid.UUID, vehicle_id: uuid.UUID, work: AlertWork, now: datetime
            ) -> NightStopRequest:  # fmt: skip
    """The driver will stop there; all who joined this stop are told."""

    def act(one: NightStopRequest) -> None:
        if one.state in ("accepted", "approaching"):
            return
        record(session, one, "driver", "accepted", now, step="accept")
        one.answered_at, one.due_at = now, now + timedelta(seconds=FOLLOW_S)

    return _answer(session, request_id, vehicle_id, work, now, act, also_expired=True)


def refuse(session: Session, request_id: uuid.UUID, vehicle_id: uuid.UUID, work: AlertWork, now: datetime, *,
           reason: str) -> NightStopRequest:  # fmt: skip
    """The driver cannot stop there; the reason is kept by place, never by driver."""
    if reason not in REFUSAL_REASONS:
        raise Refused("invalid", field="reason")

    def act(one: NightStopRequest) -> None:
        step = "withdraw" if one.state in ("accepted", "approaching") else "refuse"
        one.refusal_reason, one.answered_at = reason, now
        record(session, one, "driver", "withdrawn" if step == "withdraw" else "refused", now, step=step, reason=reason)

    return _answer(session, request_id, vehicle_id, work, now, act, also_expired=True)


def propose(session: Session, request_id: uuid.UUID, vehicle_id: uuid.UUID, work: AlertWork, now: datetime
            ) -> NightStopRequest:  # fmt: skip
    """The driver offers the next lit place instead; nothing is promised until the rider takes it."""
    network = network_of(session)

    def act(one: NightStopRequest) -> None:
        pattern = network.patterns.get(one.pattern_id) if network and one.pattern_id is not None else None
        if pattern is None or one.measure_m is None:
            raise Refused("action_impossible", state=one.state)
        further = min(one.measure_m + LIT_PLACE_M, pattern.way.length_m)
        one.alternative = spot_view(spot_at(pattern, further))
        record(session, one, "driver", "alternative_proposed", now, step="propose")
        one.answered_at = now
        one.answer_by = one.due_at = now + timedelta(seconds=30)

    return _answer(session, request_id, vehicle_id, work, now, act, also_expired=True)


def alighted(session: Session, request_id: uuid.UUID, vehicle_id: uuid.UUID, work: AlertWork, now: datetime
             ) -> NightStopRequest:  # fmt: skip
    """The driver says that the riders got off."""
    return _answer(session, request_id, vehicle_id, work, now, lambda one: let_off(session, one, "driver", now))


def cancel(session: Session, request_id: uuid.UUID, device_id: uuid.UUID, work: AlertWork, now: datetime
            ) -> NightStopRequest:  # fmt: skip
    """The rider does not want it any more; repeating it changes nothing."""
    request = own(session, request_id, device_id)
    if request.state in LIVE:
        record(session, request, "rider", "cancelled", now, step="cancel")
        announce(session, [request], work, now)
    return request


def answer_alternative(session: Session, request_id: uuid.UUID, device_id: uuid.UUID, work: AlertWork, now: datetime, *,
                       accept_it: bool) -> NightStopRequest:  # fmt: skip
    """The rider takes the driver's place, or would rather get off at a regular stop."""
    request = own(session, request_id, device_id)
    if request.state == NightStopState.ALTERNATIVE_PROPOSED:
        if accept_it and request.alternative is not None:
            place = request.alternative
            request.measure_m, request.lat, request.lon = place["measure_m"], place["latitude"], place["longitude"]
            request.after_stop, request.before_stop = place["after_stop"], place["before_stop"]
            record(session, request, "rider", "alternative_taken", now, step="take_alternative")
            request.due_at = now + timedelta(seconds=FOLLOW_S)
        else:
            record(session, request, "rider", "alternative_declined", now, step="decline_alternative")
        announce(session, [request], work, now)
    elif not accept_it or request.state not in ("accepted", "approaching"):
        raise Refused("action_impossible", state=request.state)
    return request


def arrived(session: Session, request_id: uuid.UUID, device_id: uuid.UUID, work: AlertWork, now: datetime
            ) -> NightStopRequest:  # fmt: skip
    """The rider is home: the timer ends."""
    request = own(session, request_id, device_id)
    if request.home_state in ("running", "asked"):
        request.home_state, request.home_due_at, request.due_at = "home", None, None
        record(session, request, "rider", "arrived_home", now)
        announce(session, [request], work, now)
    return request


def own(session: Session, request_id: uuid.UUID, device_id: uuid.UUID) -> NightStopRequest:
    """The rider's own request, locked; another phone's is `night_stop_unknown`."""
    request = locked(session, request_id)
    if request.device_id != device_id:
        raise Refused("night_stop_unknown")
    return request


def _answer(session: Session, request_id: uuid.UUID, vehicle_id: uuid.UUID, work: AlertWork, now: datetime,
            act: Callable[[NightStopRequest], None], *, also_expired: bool = False) -> NightStopRequest:  # fmt: skip
    first = locked(session, request_id)
    if first.vehicle_id != vehicle_id:
        raise Refused("night_stop_unknown")
    together = group(session, first)
    if first not in together and also_expired and first.state == NightStopState.EXPIRED:
        together = [first, *together]
    if first not in together:
        if first.state in ("alighted", "refused", "withdrawn"):
            return first
        raise Refused("action_impossible", state=first.state)
    for one in together:
        act(one)
    receipts.settle(session, [one.delivery_id for one in together], "answered", now)
    announce(session, together, work, now, next_stop=coming_stop(session, first, now))
    return first
