"""One vehicle over HTTP: where it is on its line, and which stops come when."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.access import EVERYBODY, allow
from backend.errors import Refused
from backend.network.index import network_of
from backend.network.progress import next_stops, pattern_of
from backend.network.vehicle_progress import progress_of
from backend.people.models import Vehicle
from backend.times import stamp
from backend.wiring import Wiring

COMING = 8


def create_vehicle_routes(wiring: Wiring) -> Blueprint:
    """The blueprint `vehicles`."""
    vehicles = Blueprint("vehicles", __name__)

    @vehicles.get("/v1/vehicles/<vehicle_number>")
    @allow(EVERYBODY)
    def get_vehicle(vehicle_number: str) -> Response:
        """Where a vehicle is on its line, and its next stops."""
        with wiring.database.reading() as session:
            return jsonify(_vehicle(session, vehicle_number, wiring))

    return vehicles


def _vehicle(session: Session, number: str, wiring: Wiring) -> dict[str, Any]:
    row = session.execute(select(Vehicle.line_id, Vehicle.in_service_since).where(Vehicle.number == number)).first()
    if row is None:
        raise Refused("vehicle_unknown")
    in_service = row.in_service_since is not None
    view: dict[str, Any] = {
        "vehicle_number": number,
        "line_id": row.line_id if in_service else None,
        "direction_id": None,
        "headsign": None,
        "state": "lost" if in_service else "not_in_service",
        "fix_at": None,
        "next_stops": [],
    }
    progress = progress_of(session, number, wiring.clock.now()) if in_service else None
    network = network_of(session) if progress is not None else None
    if progress is None or network is None:
        return view
    view |= {"line_id": progress.line_id or row.line_id, "state": progress.wire_state, "fix_at": stamp(progress.fix_at)}
    pattern = pattern_of(network, progress)
    if pattern is not None:
        view |= {"direction_id": pattern.direction_id, "headsign": pattern.headsign}
        view["next_stops"] = [
            {"stop_id": stop.stop_id, "name": stop.name, "measure_m": round(stop.measure_m, 1), "eta_s": eta_s}
            for stop, eta_s in next_stops(network, progress, COMING)
        ]
    return view
