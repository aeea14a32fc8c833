"""HTTP for drivers: what is asked of this vehicle now, and the answers, each one tap."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from backend import feed
from backend.access import Role, allow, caller
from backend.errors import Refused
from backend.http import answer, body, now, uuid_of
from backend.network.vehicle_progress import progress_by_id
from backend.night_stops import answering
from backend.night_stops.register import AlertWork
from backend.people.models import Vehicle
from backend.people.views import vehicle_view
from backend.times import stamp
from backend.wiring import Wiring


def create_routes(wiring: Wiring, work: AlertWork) -> Blueprint:
    """The driver's side of night stops."""
    routes = Blueprint("driver_night_stops", __name__)

    @routes.get("/v1/driver/snapshot")
    @allow(Role.DRIVER)
    def snapshot() -> Response:
        vehicle_id = caller().vehicle_id
        with wiring.database.reading() as session:
            # The number first: what happens while we read is then heard again, never missed.
            seq = feed.last_seq(session)
            vehicle = session.get(Vehicle, vehicle_id) if vehicle_id else None
            progress = progress_by_id(session, vehicle_id, now()) if vehicle_id else None
            shown: dict[str, Any] | None = None
            if progress is not None:
                shown = {"line_id": progress.line_id, "direction_id": progress.direction_id,
                         "measure_m": round(progress.measure_m),
                         "state": "lost" if progress.is_lost else progress.state}  # fmt: skip
            return answer({
                "seq": seq, "server_time": stamp(now()), "vehicle": vehicle_view(vehicle) if vehicle else None,
                "progress": shown,
                "night_stops": answering.stops_of(session, vehicle_id) if vehicle_id else []})  # fmt: skip

    def say(night_stop_id: str, word: str, reason: str | None = None) -> Response:
        vehicle_id, stop_id = caller().vehicle_id, uuid_of(night_stop_id)
        if vehicle_id is None:
            raise Refused("off_duty")
        with wiring.database.transaction() as session:
            return answer(answering.say(session, word, stop_id, vehicle_id, work, now(), reason=reason))

    @routes.post("/v1/night-stops/<night_stop_id>/accept")
    @allow(Role.DRIVER)
    def accept(night_stop_id: str) -> Response:
        return say(night_stop_id, "accept")

    @routes.post("/v1/night-stops/<night_stop_id>/refuse")
    @allow(Role.DRIVER)
    def refuse(night_stop_id: str) -> Response:
        return say(night_stop_id, "refuse", body()["reason"])

    @routes.post("/v1/night-stops/<night_stop_id>/propose")
    @allow(Role.DRIVER)
    def propose(night_stop_id: str) -> Response:
        return say(night_stop_id, "propose")

    @routes.post("/v1/night-stops/<night_stop_id>/withdraw")
    @allow(Role.DRIVER)
    def withdraw(night_stop_id: str) -> Response:
        return say(night_stop_id, "withdraw", body()["reason"])

    @routes.post("/v1/night-stops/<night_stop_id>/alighted")
    @allow(Role.DRIVER)
    def alighted(night_stop_id: str) -> Response:
        return say(night_stop_id, "alighted")

    return routes
