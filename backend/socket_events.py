"""The inbound socket events; all of them end up in the same actions as HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from backend.access import allow
from backend.alerts import missions, receiving, views
from backend.alerts.models import Alert, Assignment
from backend.alerts.register import Actor, locked
from backend.control_room.actions import mark_seen
from backend.errors import Refused
from backend.people.roles import CONTROL_ROOM, EVERYBODY, Role
from backend.problem_texts import PROBLEMS
from backend.socket_alerts import alert_message, alert_position, alert_raise
from backend.socket_night_stops import DRIVER
from backend.sockets import NAMESPACES, Call, Declared, declare
from backend.times import stamp

Ack = dict[str, Any]


def in_memory(handler: Callable[[Call], Ack]) -> Callable[[Call], Ack]:
    """Marks a handler that asks no database: it needs no place at the desk."""
    handler.in_memory = True  # type: ignore[attr-defined]
    return handler


@in_memory
@allow(EVERYBODY)
def ping_app(call: Call) -> Ack:
    """Whether the whole way to the server is open."""
    return {"ok": True, "server_time": stamp(call.now)}


@in_memory
@allow(Role.AGENT, Role.DRIVER)
def position(call: Call) -> Ack:
    """Where a team or vehicle is; kept in memory and stored about once a second with all others."""
    code = call.wiring.positions.offer_raw(call.caller, call.data, call.now)
    if code is None:
        return {"ok": True}
    known = PROBLEMS.get(code)
    return {"ok": False, "code": code, **({"detail": known.detail[call.language]} if known else {})}


@allow(Role.AGENT)
def received(call: Call) -> Ack:
    """The phone has the message."""
    return _receipt(call, seen=False)


@allow(Role.AGENT)
def seen(call: Call) -> Ack:
    """A person has looked at the message."""
    return _receipt(call, seen=True)


def _receipt(call: Call, *, seen: bool) -> Ack:
    with call.wiring.database.transaction() as session:
        receiving.receipt(session, uuid.UUID(call.data["delivery_id"]), call.caller, call.now, seen=seen)
    return {"ok": True}


@allow(Role.AGENT)
def accept(call: Call) -> Ack:
    """The team takes the alert; one team wins."""
    return _step(call, missions.accept)


@allow(Role.AGENT)
def decline(call: Call) -> Ack:
    """The team cannot go."""
    return _step(call, missions.decline, reason=call.data.get("reason"))


@allow(Role.AGENT)
def en_route(call: Call) -> Ack:
    """The team is on its way."""
    return _step(call, missions.progress, step="set_off")


@allow(Role.AGENT)
def on_scene(call: Call) -> Ack:
    """The team is there."""
    return _step(call, missions.progress, step="arrive")


@allow(Role.AGENT)
def clear(call: Call) -> Ack:
    """The team has done its part."""
    return _step(call, missions.clear, outcome=call.data.get("outcome"))


def _step(call: Call, action: Callable[..., tuple[Assignment, Alert]], **options: object) -> Ack:
    with call.wiring.database.transaction() as session:
        assignment, alert = action(session, uuid.UUID(call.data["assignment_id"]), _team(call), call.caller.id,
                                   now=call.now, device_at=call.data.get("device_at"), **options)
        session.flush()
        return {"ok": True, "assignment": views.agent_view(assignment, alert)}


@allow(CONTROL_ROOM)
def alert_seen(call: Call) -> Ack:
    """An operator has looked at the alert: the sound ends in every control room."""
    with call.wiring.database.transaction() as session:
        alert = locked(session, uuid.UUID(call.data["alert_id"]))
        mark_seen(session, alert, Actor("operator", call.caller.id), call.now)
    return {"ok": True}


def _team(call: Call) -> uuid.UUID:
    if call.caller.team_id is None:
        raise Refused("team_required")
    return call.caller.team_id


_AGENT: dict[str, Callable[[Call], Ack]] = {
    "position": position, "received": received, "seen": seen, "assignment.accept": accept,
    "assignment.decline": decline, "assignment.en_route": en_route, "assignment.on_scene": on_scene,
    "assignment.clear": clear,
}
_RIDER = {"alert.raise": alert_raise, "alert.position": alert_position, "alert.message": alert_message}


def declared_events() -> list[Declared]:
    """Every inbound event of every namespace, each with the roles that it serves."""
    events = [declare("/agent", name, handler) for name, handler in _AGENT.items()]
    events += [declare("/rider", name, handler) for name, handler in _RIDER.items()]
    events += [declare("/driver", name, handler) for name, handler in {"position": position, **DRIVER}.items()]
    events += [declare("/control", "seen", alert_seen)]
    events += [declare(namespace, "ping_app", ping_app) for namespace in NAMESPACES]
    return events
