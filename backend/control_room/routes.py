"""HTTP for the control room: snapshot, cases, and the operator's actions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from backend import feed
from backend.access import CONTROL_ROOM, allow, caller
from backend.alerts import rider_actions
from backend.alerts.models import Alert
from backend.alerts.register import Actor, control_card, lock_in_order, locked
from backend.control_room import actions, snapshot
from backend.errors import Refused
from backend.feed_routes import limit_of
from backend.http import answer, body, now, uuid_of
from backend.times import stamp
from backend.wiring import Wiring

_ETAG = re.compile(r'^(?:W/)?"?(\d{1,9})"?$')


def create_routes(wiring: Wiring) -> Blueprint:
    """The control room's side."""
    routes = Blueprint("control_room", __name__, url_prefix="/v1/control")
    settings = wiring.settings

    @routes.get("/snapshot")
    @allow(CONTROL_ROOM)
    def get_snapshot() -> Response:
        with wiring.database.reading() as session:
            # The number first: what happens while we read is then heard again, never missed.
            seq = feed.last_seq(session)
            return answer(
                {
                    "seq": seq,
                    "server_time": stamp(now()),
                    "network": {"name": settings.network_name},
                    "alerts": snapshot.live_alerts(session),
                    "teams": snapshot.teams(session),
                    "vehicles": snapshot.vehicles(session),
                    "settings": {
                        "seen_s": settings.seen_s,
                        "reminder_s": settings.reminder_s,
                        "position_fresh_s": settings.position_fresh_s,
                    },
                }
            )

    @routes.get("/alerts")
    @allow(CONTROL_ROOM)
    def list_alerts() -> Response:
        limit, clamped = limit_of(request.args.get("limit"), most=200, otherwise=50)
        which = request.args.get("state", "open")
        if which not in ("open", "closed", "all"):
            raise Refused("query_invalid", field="state", hint="open, closed or all")
        with wiring.database.reading() as session:
            page = snapshot.page_of_alerts(session, which, limit, request.args.get("cursor"))
        return answer(page, headers={"X-Limit-Applied": str(limit)} if clamped else None)

    @routes.get("/alerts/<alert_id>")
    @allow(CONTROL_ROOM)
    def get_alert(alert_id: str) -> Response:
        with wiring.database.reading() as session:
            case = snapshot.whole_case(session, uuid_of(alert_id))
        return answer(case, headers={"ETag": f'"{case["alert"]["version"]}"'})

    @routes.post("/alerts/<alert_id>/messages")
    @allow(CONTROL_ROOM)
    def post_message(alert_id: str) -> Response:
        with wiring.database.transaction() as session:
            alert = locked(session, uuid_of(alert_id))
            rider_actions.add_message(
                session, alert, uuid_of(body()["id"]), body()["text"], "control_room", caller().id, now()
            )
            session.flush()
            return answer(control_card(session, alert), headers={"ETag": f'"{alert.version}"'})

    _add_actions(routes, wiring)
    return routes


def _add_actions(routes: Blueprint, wiring: Wiring) -> None:
    def action(name: str, act: Callable[[Session, Alert, Actor, dict[str, Any]], None]) -> None:
        @allow(CONTROL_ROOM)
        def view(alert_id: str) -> Response:
            with wiring.database.transaction() as session:
                if "into" in body():
                    lock_in_order(session, [uuid_of(alert_id), uuid_of(body()["into"])])
                alert = locked(session, uuid_of(alert_id))
                _refuse_stale(session, alert)
                act(session, alert, Actor("operator", caller().id), body())
                session.flush()
                return answer(control_card(session, alert), headers={"ETag": f'"{alert.version}"'})

        routes.add_url_rule(f"/alerts/<alert_id>/{name}", name, view, methods=["POST"])

    action("seen", lambda session, alert, me, _: actions.mark_seen(session, alert, me, now()))
    action("acknowledge", lambda session, alert, me, _: actions.acknowledge(session, alert, me, now()))
    action(
        "assign", lambda session, alert, me, said: actions.assign(session, alert, uuid_of(said["team_id"]), me, now())
    )
    action(
        "withdraw",
        lambda session, alert, me, said: actions.withdraw(
            session, alert, uuid_of(said["assignment_id"]), me, now(), said.get("reason")
        ),
    )
    action(
        "close",
        lambda session, alert, me, said: actions.close(
            session,
            alert,
            me,
            now(),
            closing_code=said["closing_code"],
            legal_class=said.get("legal_class"),
            note=said.get("note"),
        ),
    )
    action("reopen", lambda session, alert, me, said: actions.reopen(session, alert, me, now(), said["reason"]))
    action("merge", _merge)
    action("confirm-cancel", lambda session, alert, me, _: actions.confirm_cancel(session, alert, me, now()))
    action("refuse-cancel", lambda session, alert, me, _: actions.refuse_cancel(session, alert, me, now()))
    action(
        "hand-over",
        lambda session, alert, me, said: actions.hand_over(
            session, alert, me, now(), to=said["to"], note=said.get("note")
        ),
    )
    action(
        "priority",
        lambda session, alert, me, said: actions.set_priority(
            session, alert, me, now(), priority=said["priority"], reason=said["reason"]
        ),
    )


def _merge(session: Session, alert: Alert, me: Actor, said: dict[str, Any]) -> None:
    actions.merge(session, alert, uuid_of(said["into"]), me, now())


def _refuse_stale(session: Session, alert: Alert) -> None:
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    match = _ETAG.match(wanted.strip())
    if match is None:
        raise Refused("header_invalid", field="If-Match", hint='If-Match: "3"')
    if int(match.group(1)) != alert.version:
        raise Refused("version_conflict", current_version=alert.version, current=control_card(session, alert))
