"""The inbound socket events of drivers about night stops: the same words as by HTTP, on a connection already open."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from backend.access import allow
from backend.dispatch.night_stop_alerts import ALERT_WORK
from backend.errors import Refused
from backend.night_stops import answering
from backend.people import stored_positions
from backend.people.roles import Role
from backend.sockets import Call

Ack = dict[str, Any]


@allow(Role.DRIVER)
def received(call: Call) -> Ack:
    """The tablet has the request."""
    with call.wiring.database.transaction() as session:
        answering.received(session, uuid.UUID(call.data["delivery_id"]), _vehicle(session, call), call.now)
    return {"ok": True}


@allow(Role.DRIVER)
def accept(call: Call) -> Ack:
    """The driver will stop there."""
    return _say(call, "accept")


@allow(Role.DRIVER)
def refuse(call: Call) -> Ack:
    """The driver cannot stop there."""
    return _say(call, "refuse")


@allow(Role.DRIVER)
def propose(call: Call) -> Ack:
    """The driver offers the next place that is permitted."""
    return _say(call, "propose")


@allow(Role.DRIVER)
def withdraw(call: Call) -> Ack:
    """The driver takes a promise back."""
    return _say(call, "withdraw")


@allow(Role.DRIVER)
def alighted(call: Call) -> Ack:
    """The riders got off."""
    return _say(call, "alighted")


def _say(call: Call, word: str) -> Ack:
    stop_id, reason = uuid.UUID(call.data["night_stop_id"]), call.data.get("reason")
    with call.wiring.database.transaction() as session:
        vehicle_id = _vehicle(session, call)
        card = answering.say(session, word, stop_id, vehicle_id, ALERT_WORK, call.now, reason=reason)
    return {"ok": True, "night_stop": card}


def _vehicle(session: Session, call: Call) -> uuid.UUID:
    # Asked here: the socket may be older than the shift, and the tablet may have changed buses on it.
    mover = stored_positions.on_duty(session, call.caller.id).get(call.caller.id)
    if mover is None:
        raise Refused("off_duty")
    return mover.id


DRIVER: dict[str, Callable[[Call], Ack]] = {
    "received": received, "night_stop.accept": accept, "night_stop.refuse": refuse, "night_stop.propose": propose,
    "night_stop.withdraw": withdraw, "night_stop.alighted": alighted,
}  # fmt: skip
