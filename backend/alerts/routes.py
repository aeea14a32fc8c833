"""HTTP for riders: raise an alert, say more, say where, cancel, read."""

from __future__ import annotations

import time
import uuid
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import select

from backend import failpoints
from backend.access import Role, allow, caller
from backend.alerts import rider_actions, views
from backend.alerts.details import add_details, own_alert, rider_card
from backend.alerts.intake import content_hash, read_alert, read_details, sender_warnings
from backend.alerts.lifecycle import LIVE
from backend.alerts.models import Alert
from backend.alerts.raising import promote, raise_alert
from backend.alerts.register import Actor, cards
from backend.alerts.trail import MAX_POINTS, read_trail
from backend.errors import Refused, warning
from backend.http import answer, body, emergency_numbers, language, lenient, now, stale_identity_accepted, uuid_of
from backend.people import pins, throttle
from backend.people.models import Device
from backend.times import stamp
from backend.wiring import Wiring

DERIVED = uuid.UUID("5f0e6a52-6f3c-5d0e-9f0a-6a5f3c5d0e9f")
_POLL_S = 5


def create_routes(wiring: Wiring) -> Blueprint:
    """The rider's side of alerts."""
    routes = Blueprint("alerts", __name__)

    def receive(alert_id: uuid.UUID, *, id_derived: bool = False) -> Response:
        me, moment, begun = caller(), now(), time.perf_counter()
        content = read_alert(body(), moment, late_s=wiring.settings.late_s)
        with wiring.database.transaction() as session:
            alert, is_new = raise_alert(
                session,
                alert_id,
                me.id,
                content,
                moment,
                language=language(),
                also=sender_warnings(identity_stale=me.identity_stale, id_derived=id_derived),
                source="drill" if me.drill else "app",
                drill=me.drill,
            )
            card = views.rider_view(alert, []) if is_new else rider_card(session, alert)
            warnings = alert.warnings
            failpoints.hit("alert.before_commit")
        failpoints.hit("alert.after_commit")
        if is_new:
            wiring.measures.alert_stored(alert.category, alert.source, time.perf_counter() - begun)
        receipt = card | {
            "warnings": warnings,
            "server_time": stamp(moment),
            "next_poll_s": _POLL_S,
            "emergency_numbers": emergency_numbers(wiring),
        }
        return answer(receipt, 201 if is_new else 200, None if is_new else {"Idempotent-Replayed": "true"})

    @routes.put("/v1/alerts/<alert_id>")
    @allow(Role.RIDER)
    @lenient
    @stale_identity_accepted
    def put_alert(alert_id: str) -> Response:
        return receive(uuid_of(alert_id))

    @routes.post("/v1/alerts")
    @allow(Role.RIDER)
    @lenient
    @stale_identity_accepted
    def post_alert() -> Response:
        # A phone that gives no id may send twice: the same words in the same minute are one alert.
        seed = f"{caller().id}:{now():%Y%m%d%H%M}:{content_hash(body()).hex()}"
        return receive(uuid.uuid5(DERIVED, seed), id_derived=True)

    @routes.get("/v1/alerts")
    @allow(Role.RIDER)
    def list_alerts() -> Response:
        with wiring.database.reading() as session:
            mine = session.scalars(
                select(Alert)
                .where(Alert.device_id == caller().id, Alert.state.in_(LIVE))
                .order_by(Alert.received_at.desc())
                .limit(rider_actions.LIVE_SHOWN)
            ).all()
            found = cards(session, [alert.id for alert in mine])
            shown = [views.rider_view(alert, found[alert.id]) for alert in mine if not views.seems_over(alert)]
            return answer({"items": shown})

    @routes.get("/v1/alerts/<alert_id>")
    @allow(Role.RIDER)
    @stale_identity_accepted
    def get_alert(alert_id: str) -> Response:
        with wiring.database.reading() as session:
            alert = session.get(Alert, uuid_of(alert_id))
            if alert is None or alert.device_id != caller().id:
                raise Refused("alert_unknown")
            return answer(rider_card(session, alert))

    @routes.post("/v1/alerts/<alert_id>/details")
    @allow(Role.RIDER)
    @lenient
    @stale_identity_accepted
    def post_details(alert_id: str) -> Response:
        details = read_details(body())
        with wiring.database.transaction() as session:
            alert = add_details(session, uuid_of(alert_id), caller().id, details, now())
            said = [warning(code, language(), field) for code, field in details.warnings]
            return answer(rider_card(session, alert) | {"warnings": said})

    @routes.post("/v1/alerts/<alert_id>/promote")
    @allow(Role.RIDER)
    @stale_identity_accepted
    def post_promote(alert_id: str) -> Response:
        with wiring.database.transaction() as session:
            alert = own_alert(session, uuid_of(alert_id), caller().id)
            if alert.state == "armed":
                promote(session, alert, Actor("rider", caller().id), now())
            return answer(rider_card(session, alert))

    @routes.post("/v1/alerts/<alert_id>/positions")
    @allow(Role.RIDER)
    @lenient
    @stale_identity_accepted
    def post_positions(alert_id: str) -> Response:
        raw = body().get("points")
        if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_POINTS:
            raise Refused("invalid", field="points", hint=f"1 to {MAX_POINTS} points")
        points, refused = read_trail(raw, now())
        with wiring.database.transaction() as session:
            if points:
                alert = rider_actions.add_positions(session, uuid_of(alert_id), caller().id, points, now())
            else:
                alert = own_alert(session, uuid_of(alert_id), caller().id)
        if views.seems_over(alert):
            # Under duress the trail goes on, and the phone hears what it would hear after any cancel.
            raise Refused("alert_over", state="cancelled")
        return answer({"accepted": len(raw) - len(refused), "refused": refused})

    @routes.post("/v1/alerts/<alert_id>/messages")
    @allow(Role.RIDER)
    @stale_identity_accepted
    def post_message(alert_id: str) -> Response:
        with wiring.database.transaction() as session:
            alert = own_alert(session, uuid_of(alert_id), caller().id)
            message, is_new = rider_actions.add_message(
                session, alert, uuid_of(body()["id"]), body()["text"], "rider", caller().id, now()
            )
            return answer(views.message_view(message), 201 if is_new else 200)

    @routes.get("/v1/alerts/<alert_id>/messages")
    @allow(Role.RIDER)
    @stale_identity_accepted
    def get_messages(alert_id: str) -> Response:
        with wiring.database.reading() as session:
            alert = session.get(Alert, uuid_of(alert_id))
            if alert is None or alert.device_id != caller().id:
                raise Refused("alert_unknown")
            return answer({"items": [views.message_view(m) for m in rider_actions.messages(session, alert.id)]})

    @routes.post("/v1/alerts/<alert_id>/cancel")
    @allow(Role.RIDER)
    @stale_identity_accepted
    def post_cancel(alert_id: str) -> Response:
        return answer(_cancel(wiring, uuid_of(alert_id), body()))

    return routes


def _cancel(wiring: Wiring, alert_id: uuid.UUID, sent: dict[str, Any]) -> dict[str, Any]:
    me, moment = caller(), now()
    with wiring.database.reading() as session:
        device, alert = session.get_one(Device, me.id), session.get(Alert, alert_id)
        if alert is None or alert.device_id != me.id:
            raise Refused("alert_unknown")
    wait_s = 0
    if device.pin_hash is not None:
        # Its own transaction, before the PIN is looked at: of twenty guesses at once, five count.
        with wiring.database.transaction() as session:
            wait_s = throttle.charge_pin(session, me.id, moment)
    # Outside of any transaction: hashing takes its time, and nobody waits for a lock meanwhile.
    verdict = pins.check_pin(device, sent.get("pin") or "")
    if wait_s:
        with wiring.database.transaction() as session:
            rider_actions.early_pin(session, alert_id, me.id, verdict, moment)
        raise Refused("pin_delayed", field="pin", retry_after_s=wait_s)
    if verdict == "wrong":
        with wiring.database.transaction() as session:
            rider_actions.refused_pin(session, alert_id, me.id, moment)
        raise Refused("pin_wrong", field="pin")
    with wiring.database.transaction() as session:
        throttle.pardon_pin(session, me.id)
        alert = rider_actions.cancel(session, alert_id, me.id, verdict, moment)
        return rider_card(session, alert)
