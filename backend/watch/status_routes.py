"""HTTP for the control room: how well the system itself is."""

from __future__ import annotations

from flask import Blueprint, Response

from backend.access import CONTROL_ROOM, allow
from backend.http import answer, now
from backend.watch import figures
from backend.watch.status import status
from backend.wiring import Wiring


def create_routes(wiring: Wiring) -> Blueprint:
    """The state that the event `status` repeats every few seconds."""
    routes = Blueprint("watch", __name__)

    @routes.get("/v1/control/status")
    @allow(CONTROL_ROOM)
    def get_control_status() -> Response:
        """What is wrong, who is deaf, the last drill, the channels."""
        with wiring.database.reading() as session:
            return answer(status(session, figures.look(session, now()), now()))

    return routes
