"""The status on the sockets: each live process says that it lives and who is connected, and looks for itself.

It needs no worker for that: when all of them are dead, the people in the control room must be the first to know.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backend import feed
from backend.database import new_id
from backend.heartbeats import beat
from backend.people.roles import Role
from backend.socket_feed import Tail
from backend.socket_server import Server
from backend.sockets import Sockets
from backend.watch import figures, presence
from backend.watch.findings import Figures, judge
from backend.watch.status import finding_view, status
from backend.wiring import Wiring

log = structlog.get_logger("live")
EVERY_S = 2.0
AGAIN_S = 3.5
"""With a turn every two seconds it is said each four: the control room takes five seconds of silence for a fault."""


class StatusBoard:
    """What one live process tells the control room of the system's own state."""

    def __init__(self, wiring: Wiring, sockets: Sockets, server: Server, tail: Tail) -> None:
        self.process_id = new_id()
        self._wiring = wiring
        self._sockets = sockets
        self._server = server
        self._tail = tail
        self._last: dict[str, Any] = {"findings": [], "deaf": [], "drill": dict.fromkeys(("ok", "age_s", "took_ms")),
                                      "channels": []}  # fmt: skip
        self._said = ""
        self._said_at: datetime | None = None
        self._away_since: datetime | None = None

    def turn(self) -> None:
        """Says that this process lives, who is connected, and how all is; called every two seconds."""
        now = self._wiring.clock.now()
        try:
            self._sign_of_life(now)
            if self._listeners():
                self._last = self._look(now)
            if self._away_since is not None:
                log.warning("database_back")
            self._away_since = None
        except (SQLAlchemyError, OSError) as error:
            if self._away_since is None:
                log.warning("database_away", kind=type(error).__name__)
            self._away_since = self._away_since or now
        self._say(now)

    def _sign_of_life(self, now: datetime) -> None:
        staff = [one.caller.id for one in list(self._sockets.connections.values()) if one.caller.role is not Role.RIDER]
        with self._wiring.database.transaction() as session:
            presence.as_state(session)
            beat(session, self.process_id, "live", now)
            presence.note(session, staff, now)

    def _listeners(self) -> int:
        return self._server.manager.members("/control", feed.CONTROL)

    def _look(self, now: datetime) -> dict[str, Any]:
        with self._wiring.database.reading() as session:
            found = replace(figures.look(session, now), blind_s=self._tail.blind_s)
            return status(session, found, now)

    def _say(self, now: datetime) -> None:
        if not self._listeners():
            self._said = ""
            return
        told = self._last if self._away_since is None else self._last | {"findings": self._findings_in_the_dark(now)}
        shape = _shape(told)
        late = self._said_at is None or not 0 <= (now - self._said_at).total_seconds() < AGAIN_S
        if shape != self._said or late:
            self._server.emit("status", told, to=feed.CONTROL, namespace="/control")
            self._said, self._said_at = shape, now

    def _findings_in_the_dark(self, now: datetime) -> list[dict[str, Any]]:
        # What was wrong before is still the last that is known; that nothing new can be known is wrong as well.
        since = self._away_since or now
        away_s = round((now - since).total_seconds(), 3)
        known = [one for one in self._last["findings"] if one["code"] != "database_away"]
        sure = Figures(database_away_s=away_s, worker_silence_s=0.0)
        return [*(finding_view(one, since) for one in judge(sure)), *known]


def _shape(told: dict[str, Any]) -> str:
    """What of a status makes people look up; ages and counts change all the time and do not."""
    return json.dumps(
        [
            [[one["code"], one["subject"]] for one in told["findings"]],
            [[one["staff_id"], one["socket"], one["why"]] for one in told["deaf"]],
            told["drill"]["ok"],
            [[one["channel"], one["state"]] for one in told["channels"]],
        ]
    )
