"""HTTP for the control room: night stops live, policies with their versions, suspensions, figures."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from backend.access import CONTROL_ROOM, allow, caller
from backend.alerts.reading import instant
from backend.errors import Refused
from backend.feed_routes import limit_of
from backend.http import answer, body, now, uuid_of
from backend.network.index import network_of
from backend.night_stops import control, policies, suspensions
from backend.night_stops.register import AlertWork
from backend.times import stamp
from backend.wiring import Wiring

LONGEST = timedelta(days=370)
"""Figures are of at most so long before `to`."""
FIRST = datetime(2000, 1, 1, tzinfo=UTC)


def create_routes(wiring: Wiring, work: AlertWork) -> Blueprint:
    """The control room's side of night stops."""
    routes = Blueprint("control_night_stops", __name__, url_prefix="/v1/control")
    database = wiring.database

    @routes.get("/night-stops")
    @allow(CONTROL_ROOM)
    def night_stops() -> Response:
        limit, clamped = limit_of(request.args.get("limit"), most=200, otherwise=50)
        which = request.args.get("state", "open")
        if which not in ("open", "closed", "all"):
            raise Refused("query_invalid", field="state", hint="open, closed or all")
        with database.reading() as session:
            items = control.listed(session, which, limit, work)
            running = [suspensions.suspension_view(one) for one in suspensions.running(session, now())]
        headers = {"X-Limit-Applied": str(limit)} if clamped else None
        return answer({"items": items, "suspensions": running}, headers=headers)

    @routes.get("/night-stops/figures")
    @allow(CONTROL_ROOM)
    def figures() -> Response:
        until = max(_instant_of("to") or now(), FIRST)
        since = max(_instant_of("from") or until - timedelta(days=30), until - LONGEST)
        with database.reading() as session:
            network = network_of(session)
            zone = network.zone if network is not None else ZoneInfo("UTC")
            found = control.figures(session, since, until, zone)
        return answer({"from": stamp(since), "to": stamp(until), **found})

    @routes.post("/night-stops/suspend")
    @allow(CONTROL_ROOM)
    def suspend() -> Response:
        asked = body()
        until = instant(asked.get("until"))
        if until is not None and until <= now():
            raise Refused("invalid", field="/until", hint="a time to come")
        with database.transaction() as session:
            line_id = _line(session, asked.get("line_id"))
            made = suspensions.suspend(session, asked["reason"], caller().id, now(), line_id=line_id, until=until)
            return answer(suspensions.suspension_view(made), 201)

    @routes.post("/night-stops/resume")
    @allow(CONTROL_ROOM)
    def resume() -> Response:
        with database.transaction() as session:
            ended = suspensions.resume(session, now(), line_id=body().get("line_id"))
        return answer({"ended": ended})

    @routes.get("/night-stop-policies")
    @allow(CONTROL_ROOM)
    def list_policies() -> Response:
        with database.reading() as session:
            return answer({"items": [policies.policy_view(one) for one in policies.in_force(session)]})

    @routes.post("/night-stop-policies")
    @allow(CONTROL_ROOM)
    def create_policy() -> Response:
        return _set(None, 201)

    @routes.get("/night-stop-policies/<policy_id>/versions")
    @allow(CONTROL_ROOM)
    def policy_versions(policy_id: str) -> Response:
        with database.reading() as session:
            versions = policies.history(session, uuid_of(policy_id))
            return answer({"items": [policies.policy_view(one) for one in versions]})

    @routes.put("/night-stop-policies/<policy_id>")
    @allow(CONTROL_ROOM)
    def change_policy(policy_id: str) -> Response:
        return _set(uuid_of(policy_id), 200)

    @routes.post("/night-stop-policies/<policy_id>/end")
    @allow(CONTROL_ROOM)
    def end_policy(policy_id: str) -> Response:
        with database.transaction() as session:
            policy = policies.end_policy(session, uuid_of(policy_id), now())
            return answer(policies.policy_view(policy))

    def _set(policy_id: uuid.UUID | None, status: int) -> Response:
        with database.transaction() as session:
            policy = policies.set_policy(session, body(), caller().id, now(), policy_id)
            return answer(policies.policy_view(policy), status)

    return routes


def _line(session: Session, line_id: str | None) -> str | None:
    network = network_of(session)
    if line_id is not None and (network is None or line_id not in network.lines):
        raise Refused("line_unknown", field="/line_id")
    return line_id


def _instant_of(name: str) -> datetime | None:
    text = request.args.get(name)
    if text is None:
        return None
    # A plus in an address is a space.
    found = instant(text.replace(" ", "+"))
    if found is None:
        raise Refused("query_invalid", field=name, hint="RFC 3339 with a zone")
    return found
