"""The inbound socket events of riders: the same alert, trail and messages as by HTTP, on a connection already open."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import Any

from backend.access import allow
from backend.alerts import views
from backend.alerts.details import own_alert, rider_card
from backend.alerts.intake import content_hash, read_alert, sender_warnings
from backend.alerts.raising import raise_alert
from backend.alerts.rider_actions import add_message, add_positions
from backend.alerts.routes import DERIVED
from backend.alerts.trail import read_trail
from backend.errors import Refused
from backend.http import emergency_numbers, lenient, uuid_of
from backend.people.roles import Role
from backend.sockets import Call
from backend.times import stamp

Ack = dict[str, Any]
_POLL_S = 5


@lenient
@allow(Role.RIDER)
def alert_raise(call: Call) -> Ack:
    """Stores an alert; `ok` true says that it is on disk. Nothing optional is ever a reason to refuse it."""
    body, begun = dict(call.data), time.perf_counter()
    alert_id, derived = _alert_id(body.pop("alert_id", None), body, call)
    content = read_alert(body, call.now, late_s=call.wiring.settings.late_s)
    with call.wiring.database.transaction() as session:
        alert, is_new = raise_alert(
            session,
            alert_id,
            call.caller.id,
            content,
            call.now,
            language=call.language,
            also=sender_warnings(identity_stale=call.caller.identity_stale, id_derived=derived),
            source="drill" if call.caller.drill else "app",
            drill=call.caller.drill,
        )
        card = views.rider_view(alert, []) if is_new else rider_card(session, alert)
        warnings = alert.warnings
    if is_new:
        call.wiring.measures.alert_stored(alert.category, alert.source, time.perf_counter() - begun)
    receipt = card | {
        "warnings": warnings,
        "server_time": stamp(call.now),
        "next_poll_s": _POLL_S,
        "emergency_numbers": emergency_numbers(call.wiring),
    }
    return {"ok": True, "alert": receipt, "replayed": not is_new}


def _alert_id(given: object, body: dict[str, Any], call: Call) -> tuple[uuid.UUID, bool]:
    with contextlib.suppress(Refused):
        return uuid_of(given if isinstance(given, str) else ""), False
    # As POST /v1/alerts does: within a minute the same words from the same phone are one alert.
    seed = f"{call.caller.id}:{call.now:%Y%m%d%H%M}:{content_hash(body).hex()}"
    return uuid.uuid5(DERIVED, seed), True


@allow(Role.RIDER)
def alert_position(call: Call) -> Ack:
    """Where the rider is now, while the alert is open."""
    points, refused = read_trail([call.data], call.now)
    if refused:
        return {"ok": False, "code": refused[0]["code"]}
    with call.wiring.database.transaction() as session:
        alert = add_positions(session, uuid.UUID(call.data["alert_id"]), call.caller.id, points, call.now)
    if views.seems_over(alert):
        raise Refused("alert_over", state="cancelled")
    return {"ok": True}


@allow(Role.RIDER)
def alert_message(call: Call) -> Ack:
    """Words for the control room; the same id again changes nothing."""
    with call.wiring.database.transaction() as session:
        alert = own_alert(session, uuid.UUID(call.data["alert_id"]), call.caller.id)
        message, _ = add_message(
            session, alert, uuid.UUID(call.data["id"]), call.data["text"], "rider", call.caller.id, call.now
        )
        session.flush()
        return {"ok": True, "message": views.message_view(message)}
