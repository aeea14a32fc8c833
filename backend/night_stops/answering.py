"""The driver's word, at every moment the last one: accept, refuse, another place, withdraw, they got off."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.delivery import receipts
from backend.errors import Refused
from backend.network.index import Network, network_of
from backend.network.vehicle_progress import progress_by_id
from backend.night_stops import policies
from backend.night_stops.aboard import bus_of
from backend.night_stops.lifecycle import ASKED, LIVE, PROMISED, REFUSAL_REASONS, NightStopState
from backend.night_stops.models import NightStopPolicy, NightStopRequest
from backend.night_stops.policy import proposal
from backend.night_stops.promises import FOLLOW_S, PROPOSAL_S, coming_stop, let_off
from backend.night_stops.register import AlertWork, announce, record, sharing, take_vehicle
from backend.night_stops.views import driver_view, spot_view
from backend.night_stops.wishes import Bus, Rules

Stop = list[NightStopRequest]
S = NightStopState


SAID: dict[str, frozenset[NightStopState]] = {
    "accept": PROMISED,
    "propose": frozenset({S.ALTERNATIVE_PROPOSED}),
    "refuse": frozenset({S.REFUSED, S.WITHDRAWN}),
    "withdraw": frozenset({S.REFUSED, S.WITHDRAWN}),
    "alighted": frozenset({S.ALIGHTED}),
}
"""What a driver may say, and the states in which it has been said already."""


def say(
    session: Session, word: str, stop_id: uuid.UUID, vehicle_id: uuid.UUID, work: AlertWork, now: datetime, *,
    reason: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Takes the driver's word for a stop of this vehicle and gives the stop as the driver sees it then.

    It counts for all who share the stop. Refuses `night_stop_unknown`, `action_impossible`, `already_passed`.
    """
    if word in ("refuse", "withdraw") and reason not in REFUSAL_REASONS:
        raise Refused("invalid", field="/reason")
    take_vehicle(session, vehicle_id)
    first = session.get(NightStopRequest, stop_id)
    if first is None or first.vehicle_id != vehicle_id:
        raise Refused("night_stop_unknown")
    everybody = sharing(session, first)
    live = [one for one in everybody if one.state in LIVE]
    asked = [one for one in live if one.state in ASKED] or _silent(session, everybody, live)
    if word == "accept":
        changed = _accept(session, asked, now)
    elif word == "propose":
        changed = _propose(session, asked, live, now)
    elif word == "alighted":
        changed = _alighted(session, live or everybody, now)
    else:
        # A refusal of what was promised meanwhile takes the promise back: the last word is the driver's.
        changed = _refuse(session, (asked or live) if word == "refuse" else (live or asked), now, reason or "other")
    if not changed and not any(one.state in SAID[word] for one in live or everybody):
        raise Refused("action_impossible", state=(live or everybody)[-1].state)
    if changed:
        receipts.settle(session, [one.delivery_id for one in changed], "answered", now)
        announce(session, changed, work, now, next_stop=coming_stop(session, first, now))
    return driver_card(session, first)


def _accept(session: Session, asked: Stop, now: datetime) -> Stop:
    """The driver will stop there; refuses `already_passed` where the bus is past the place."""
    if asked:
        network = network_of(session)
        bus = _bus(session, network, asked[0], now)
        if bus is not None and (asked[0].measure_m or 0) <= bus.measure_m:
            raise Refused("already_passed")
    for one in asked:
        record(session, one, "driver", "accepted", now, step="accept")
        one.answered_at, one.due_at = now, now + timedelta(seconds=FOLLOW_S)
    return asked


def _propose(session: Session, asked: Stop, live: Stop, now: datetime) -> Stop:
    """The driver offers the next permitted place instead; nothing is promised until the rider takes it."""
    fresh = [one for one in asked if one.state != S.ALTERNATIVE_PROPOSED]
    if not fresh:
        return []
    network = network_of(session)
    bus = _bus(session, network, fresh[0], now)
    # Moved for one who shares it, a promised stop would become two between the same two regular stops.
    promised = any(one.state in PROMISED for one in live)
    if promised or network is None or bus is None or fresh[0].measure_m is None:
        raise Refused("action_impossible", state=fresh[0].state)
    rules = _rules(session, network, fresh[0])
    place = proposal(rules, bus, fresh[0].measure_m, now.astimezone(network.zone).date())
    if place is None:
        raise Refused("action_impossible", state=fresh[0].state)
    for one in fresh:
        one.alternative = spot_view(place)
        record(session, one, "driver", "alternative_proposed", now, step="propose")
        one.answered_at = now
        one.answer_by = one.due_at = now + timedelta(seconds=PROPOSAL_S)
    return fresh


def _refuse(session: Session, stop: Stop, now: datetime, reason: str) -> Stop:
    """The driver cannot stop there; the reason is kept by place, never by driver."""
    for one in stop:
        step, action = ("withdraw", "withdrawn") if one.state in PROMISED else ("refuse", "refused")
        one.refusal_reason, one.answered_at = reason, now
        record(session, one, "driver", action, now, step=step, reason=reason)
    return stop


def _alighted(session: Session, stop: Stop, now: datetime) -> Stop:
    """The driver says that the riders got off, also where it looked as if the bus had passed."""
    off = [one for one in stop if one.state in PROMISED or one.state == S.MISSED]
    for one in off:
        let_off(session, one, "driver", now)
    return off


def received(session: Session, delivery_id: uuid.UUID, vehicle_id: uuid.UUID, now: datetime) -> None:
    """The driver's tablet has the request; refuses `delivery_unknown`."""
    receipts.mark(receipts.find(session, delivery_id, feed.vehicle(vehicle_id)), now, seen=False)


def driver_card(session: Session, request: NightStopRequest) -> dict[str, Any]:
    """The stop as the driver sees it now, also when it is over."""
    everybody = sharing(session, request)
    live = [one for one in everybody if one.state in LIVE]
    return driver_view(live or everybody[-1:], version=sum(one.version for one in everybody))


def stops_of(session: Session, vehicle_id: uuid.UUID) -> list[dict[str, Any]]:
    """The live stops of a vehicle, each once, the nearest on the way first."""
    found = session.scalars(select(NightStopRequest).where(
        NightStopRequest.vehicle_id == vehicle_id, NightStopRequest.state.in_(LIVE))
        .order_by(NightStopRequest.measure_m, NightStopRequest.received_at)).all()  # fmt: skip
    roots = {one.joined_to or one.id: one for one in reversed(found)}
    return [driver_card(session, one) for one in reversed(roots.values())]


def _silent(session: Session, everybody: Sequence[NightStopRequest], live: Sequence[NightStopRequest]) -> Stop:
    """Those of a stop whom nobody answered in time: the driver may still do so, unless they ask for another stop."""
    if live:
        return []
    silent = [one for one in everybody if one.state == S.EXPIRED]
    phones = NightStopRequest.device_id.in_([one.device_id for one in silent])
    busy = set(session.scalars(select(NightStopRequest.device_id).where(phones, NightStopRequest.state.in_(LIVE))))
    return [one for one in silent if one.device_id not in busy]


def _bus(session: Session, network: Network | None, request: NightStopRequest, now: datetime) -> Bus | None:
    progress = progress_by_id(session, request.vehicle_id, now) if request.vehicle_id else None
    bus = bus_of(network, progress, now) if network is not None and progress is not None else None
    return bus if bus is not None and bus.pattern.id == request.pattern_id else None


def _rules(session: Session, network: Network, request: NightStopRequest) -> Rules | None:
    found = session.scalar(select(NightStopPolicy).where(
        NightStopPolicy.policy_id == request.policy_id, NightStopPolicy.version == request.policy_version))  # fmt: skip
    return policies.rules_of(found, network) if found is not None else None
