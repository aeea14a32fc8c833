"""HTTP for drivers: what is asked of this vehicle now, and the answers, each one tap."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.access import Role, allow, caller
from backend.errors import Refused
from backend.http import answer, body, now, uuid_of
from backend.network.vehicle_progress import progress_by_id
from backend.night_stops import answering, views
from backend.night_stops.lifecycle import LIVE
from backend.night_stops.models import NightStopRequest
from backend.night_stops.register import AlertWork, group
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
            seq = feed.last_seq(session)
            vehicle = session.get(Vehicle, vehicle_id) if vehicle_id else None
            progress = progress_by_id(session, vehicle_id, now()) if vehicle_id else None
            return answer({
                "seq": seq, "server_time": stamp(now()), "vehicle": vehicle_view(vehicle) if vehicle else None,
                "progress": {"line_id": progress.line_id, "direction_id": progress.direction_id,
                             "measure_m": round(progress.measure_m),
                             "state": "lost" if progress.is_lost else progress.state} if progress else None,
                "night_stops": asked_of(session, vehicle_id) if vehicle_id else []})  # fmt: skip

    def act(night_stop_id: str, action: Callable[..., NightStopRequest], **given: object) -> Response:
        vehicle_id = caller().vehicle_id
        if vehicle_id is None:
            raise Refused("off_duty")
        with wiring.database.transaction() as session:
            request = action(session, uuid_of(night_stop_id), vehicle_id, work, now(), **given)
            session.flush()
            return answer(views.driver_view(request, len(group(session, request))))

    @routes.post("/v1/night-stops/<night_stop_id>/accept")
    @allow(Role.DRIVER)
    def accept(night_stop_id: str) -> Response:
        return act(night_stop_id, answering.accept)

    @routes.post("/v1/night-stops/<night_stop_id>/refuse")
    @allow(Role.DRIVER)
    def refuse(night_stop_id: str) -> Response:
        return act(night_stop_id, answering.refuse, reason=body()["reason"])

    @routes.post("/v1/night-stops/<night_stop_id>/propose")
    @allow(Role.DRIVER)
    def propose(night_stop_id: str) -> Response:
        return act(night_stop_id, answering.propose)

    @routes.post("/v1/night-stops/<night_stop_id>/withdraw")
    @allow(Role.DRIVER)
    def withdraw(night_stop_id: str) -> Response:
        return act(night_stop_id, answering.refuse, reason=body()["reason"])

    @routes.post("/v1/night-stops/<night_stop_id>/alighted")
    @allow(Role.DRIVER)
    def alighted(night_stop_id: str) -> Response:
        return act(night_stop_id, answering.alighted)

    return routes


def asked_of(session: Session, vehicle_id: uuid.UUID) -> list[dict[str, object]]:
    """The live stops of a vehicle, each once, the nearest on the way first."""
    found = session.scalars(select(NightStopRequest).where(
        NightStopRequest.vehicle_id == vehicle_id, NightStopRequest.state.in_(LIVE))
        .order_by(NightStopRequest.measure_m, NightStopRequest.received_at)).all()  # fmt: skip
    people: dict[uuid.UUID, list[NightStopRequest]] = {}
    for one in found:
        people.setdefault(one.joined_to or one.id, []).append(one)
    return [views.driver_view(together[0], len(together)) for together in people.values()]
