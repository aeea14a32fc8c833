"""HTTP for agents: their team's offers and missions, and receipts for everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from backend import feed
from backend.access import EVERYBODY, Role, allow, caller
from backend.alerts import engagement, missions, receiving, views
from backend.alerts.models import Alert, Assignment
from backend.errors import Refused
from backend.http import answer, body, now, uuid_of
from backend.people.duty import open_shift
from backend.people.models import Team, TeamPosition
from backend.people.views import shift_view, team_view
from backend.times import stamp
from backend.wiring import Wiring

Action = Callable[..., tuple[Assignment, Alert]]


def create_routes(wiring: Wiring) -> Blueprint:
    """The agents' side of alerts."""
    routes = Blueprint("assignments", __name__)

    @routes.get("/v1/agent/snapshot")
    @allow(Role.AGENT)
    def snapshot() -> Response:
        me = caller()
        with wiring.database.reading() as session:
            seq = feed.last_seq(session)
            team = session.get(Team, me.team_id) if me.team_id else None
            shift = open_shift(session, me.id)
            position = session.get(TeamPosition, me.team_id) if me.team_id else None
            found = engagement.live_of_team(session, me.team_id) if me.team_id else []
            items = [views.agent_view(one, session.get_one(Alert, one.alert_id)) for one in found]
            return answer(
                {
                    "seq": seq,
                    "server_time": stamp(now()),
                    "team": team_view(team) if team else None,
                    "shift": shift_view(shift) if shift else None,
                    "position": {"fix_at": stamp(position.fix_at), "accuracy_m": position.accuracy_m}
                    if position
                    else None,
                    "assignments": items,
                }
            )

    def act(assignment_id: str, action: Action, **given: Any) -> Response:
        me = caller()
        if me.team_id is None:
            raise Refused("team_required")
        with wiring.database.transaction() as session:
            assignment, alert = action(
                session,
                uuid_of(assignment_id),
                me.team_id,
                me.id,
                now=now(),
                device_at=body().get("device_at"),
                **given,
            )
            return answer(views.agent_view(assignment, alert))

    @routes.post("/v1/assignments/<assignment_id>/accept")
    @allow(Role.AGENT)
    def accept(assignment_id: str) -> Response:
        return act(assignment_id, missions.accept)

    @routes.post("/v1/assignments/<assignment_id>/decline")
    @allow(Role.AGENT)
    def decline(assignment_id: str) -> Response:
        return act(assignment_id, missions.decline, reason=body().get("reason"))

    @routes.post("/v1/assignments/<assignment_id>/en-route")
    @allow(Role.AGENT)
    def set_off(assignment_id: str) -> Response:
        return act(assignment_id, missions.progress, step="set_off")

    @routes.post("/v1/assignments/<assignment_id>/on-scene")
    @allow(Role.AGENT)
    def arrive(assignment_id: str) -> Response:
        return act(assignment_id, missions.progress, step="arrive")

    @routes.post("/v1/assignments/<assignment_id>/clear")
    @allow(Role.AGENT)
    def clear(assignment_id: str) -> Response:
        return act(assignment_id, missions.clear, outcome=body().get("outcome"))

    @routes.post("/v1/deliveries/<delivery_id>/received")
    @allow(EVERYBODY)
    def received(delivery_id: str) -> Response:
        with wiring.database.transaction() as session:
            receiving.receipt(session, uuid_of(delivery_id), caller(), now(), seen=False)
        return answer(None, 204)

    @routes.post("/v1/deliveries/<delivery_id>/seen")
    @allow(EVERYBODY)
    def seen(delivery_id: str) -> Response:
        with wiring.database.transaction() as session:
            receiving.receipt(session, uuid_of(delivery_id), caller(), now(), seen=True)
        return answer(None, 204)

    return routes
