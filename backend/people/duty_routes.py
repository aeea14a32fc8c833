"""Routes of duty: clock in and out, take a vehicle out, positions by HTTP for phones without a socket."""

from __future__ import annotations

from flask import Blueprint, Response

from backend.access import Role, allow, caller
from backend.delivery import registrations
from backend.errors import Refused
from backend.http import answer, body, lenient, now
from backend.people import duty, stored_positions
from backend.people.duty import TeamWork
from backend.people.positions import Mover
from backend.people.views import shift_view, vehicle_view
from backend.wiring import Wiring

MOST_POINTS = 50


def create_routes(wiring: Wiring, work: TeamWork) -> Blueprint:
    """The blueprint `duty`; `work` tells what teams do on alerts, which people do not know."""
    blueprint = Blueprint("duty", __name__)
    _add_agent(blueprint, wiring, work)
    _add_driver(blueprint, wiring)
    return blueprint


def _add_agent(blueprint: Blueprint, wiring: Wiring, work: TeamWork) -> None:
    @blueprint.post("/v1/agent/shift")
    @allow(Role.AGENT)
    def start_agent_shift() -> Response:
        """On duty: 201, or 200 for an agent who already was."""
        with wiring.database.transaction() as session:
            shift, is_new = duty.clock_in(session, caller().id, now(), work)
            if is_new:
                # On duty means: can be woken up. The round trip is measured now, not when somebody calls for help.
                registrations.send_tests(session, caller().id, wiring.settings.channels, now())
        wiring.positions.begin(caller().id, Mover("team", shift.team_id))
        return answer(shift_view(shift), 201 if is_new else 200)

    @blueprint.post("/v1/agent/shift/end")
    @allow(Role.AGENT)
    def end_agent_shift() -> Response:
        """Off duty; no position of this agent is taken from now on."""
        with wiring.database.transaction() as session:
            shift = duty.clock_out(session, caller().id, now(), work)
        wiring.positions.end(caller().id)
        return answer(shift_view(shift))

    @blueprint.post("/v1/agent/positions")
    @allow(Role.AGENT)
    @lenient
    def send_agent_positions() -> Response:
        """How many of the points count, and why the others do not."""
        return _positions(wiring)


def _add_driver(blueprint: Blueprint, wiring: Wiring) -> None:
    @blueprint.post("/v1/driver/shift")
    @allow(Role.DRIVER)
    def start_driver_shift() -> Response:
        """The vehicle is this driver's: 201, or 200 when it already was."""
        asked = body()
        number = asked["vehicle_number"].strip()
        if not number:
            raise Refused("invalid", field="/vehicle_number")
        with wiring.database.transaction() as session:
            vehicle, is_new = duty.start_driving(session, caller().id, number, asked.get("line_id"), now())
        wiring.positions.begin(caller().id, Mover("vehicle", vehicle.id))
        return answer({"vehicle": vehicle_view(vehicle)}, 201 if is_new else 200)

    @blueprint.post("/v1/driver/shift/end")
    @allow(Role.DRIVER)
    def end_driver_shift() -> Response:
        """The vehicle is nobody's; its position is forgotten."""
        with wiring.database.transaction() as session:
            duty.stop_driving(session, caller().id)
        wiring.positions.end(caller().id)
        return answer(None, 204)

    @blueprint.post("/v1/driver/positions")
    @allow(Role.DRIVER)
    @lenient
    def send_driver_positions() -> Response:
        """How many of the points count, and why the others do not."""
        return _positions(wiring)


def _positions(wiring: Wiring) -> Response:
    points = body().get("points")
    if not isinstance(points, list) or len(points) > MOST_POINTS:
        raise Refused("invalid", field="/points", hint=f"a list of at most {MOST_POINTS} positions")
    who = caller()
    # The process that heard of the shift may be another one: asked here, nobody is told "off duty" for a second.
    with wiring.database.reading() as session:
        mover = stored_positions.on_duty(session, who.id).get(who.id)
    if mover is None:
        wiring.positions.end(who.id)
        refused = [{"index": index, "code": "off_duty"} for index in range(len(points))]
        return answer({"accepted": 0, "refused": refused})
    wiring.positions.begin(who.id, mover)
    codes = [wiring.positions.offer_raw(who, point, now()) for point in points]
    refused = [{"index": index, "code": code} for index, code in enumerate(codes) if code is not None]
    return answer({"accepted": len(codes) - len(refused), "refused": refused})
