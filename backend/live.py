"""Live: the process that holds the sockets. Follows the feed, moves the map, ends revoked sessions, leaves politely."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
import structlog
from flask import Flask
from flask_socketio import SocketIO
from socketio import WSGIApp
from sqlalchemy.exc import SQLAlchemyError
from wsproto.frame_protocol import CloseReason

from backend import feed, socket_status
from backend.delivery import receipts
from backend.people import sessions, stored_positions
from backend.people.roles import Role
from backend.settings import SettingsRefused
from backend.socket_engine import Timing
from backend.socket_events import declared_events
from backend.socket_feed import Tail
from backend.socket_rooms import Rooms
from backend.socket_server import Json, Server
from backend.socket_status import StatusBoard
from backend.sockets import NAMESPACES, Connection, Sockets
from backend.times import stamp
from backend.wiring import Wiring

log = structlog.get_logger("live")
WATCH_S = 2.0
MAP_S = 1.0
NOTE_S = 0.5
READY_S = 5.0
_LOOK_BACK = timedelta(seconds=30)
_FLUSH_TAKES = timedelta(seconds=2)
_RETURNS_PER_S = 500
_NOTED_WITHIN = timedelta(minutes=5)
_NOTED_AT_ONCE = 5_000


class LiveSocketIO(SocketIO):
    """Flask-SocketIO over the project's own server: same interface, no Flask context per event."""

    server: Server

    def __init__(self, wiring: Wiring, **options: Any) -> None:
        super().__init__()
        self.server = Server(**options)
        self.async_mode = self.server.async_mode
        self.sockets = Sockets(wiring, self.server, declared_events())

    def init_app(self, app: Flask, **_options: Any) -> None:
        """Serves /socket.io/ in front of the application."""
        app.extensions["socketio"] = self
        self.sockio_mw = WSGIApp(self.server, app.wsgi_app)
        app.wsgi_app = self.sockio_mw  # type: ignore[method-assign]


def create_socketio(
    wiring: Wiring, async_mode: Literal["gevent", "threading"], *, timing: Timing | None = None,
    max_sockets: int = 11_000,
) -> LiveSocketIO:
    """The socket server of one process, with every event registered and nothing started."""
    origins = list(wiring.settings.origins)
    if not origins or "*" in origins:
        # python-engineio reads [] as "do not check", not as "nobody".
        raise SettingsRefused("VIGIE_ALLOWED_ORIGINS must name the origins whose pages may open a socket")
    silent = logging.getLogger("vigie.engineio")  # its lines quote what clients sent; ours do not
    silent.setLevel(logging.CRITICAL)
    return LiveSocketIO(
        wiring, async_mode=async_mode, async_handlers=False, client_manager=Rooms(), json=Json,
        namespaces=list(NAMESPACES), cors_allowed_origins=origins, cors_credentials=False, http_compression=False,
        timing=timing, max_sockets=max_sockets, logger=silent, engineio_logger=silent,
    )


class Live:
    """The running parts around the sockets of one process; `start` once, `stop` or `leave` at the end."""

    def __init__(self, wiring: Wiring, socketio: LiveSocketIO) -> None:
        self.socketio = socketio
        self.sockets = socketio.sockets
        self.server = socketio.server
        self.tail = Tail(wiring.database, self.server, wiring.clock.now, wiring.measures)
        self.board = StatusBoard(wiring, self.sockets, self.server, self.tail)
        self.map_frames = 0
        self._mapped_at: datetime | None = None
        self._wiring = wiring
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.sockets.welcome = self._welcome

    def attach(self, app: Flask) -> None:
        """Serves the sockets in front of a Flask application, and lets gunicorn's hooks find this object."""
        self.socketio.init_app(app)
        app.extensions["live"] = self

    def start(self) -> None:
        """Begins to follow the feed."""
        self._run("live-feed", self.tail.run)
        self._run("live-watch", lambda: self._every(WATCH_S, self._watch))
        self._run("live-note", lambda: self._every(NOTE_S, self._note_emitted))
        self._run("live-status", lambda: self._every(socket_status.EVERY_S, self.board.turn))
        self._run("live-map", lambda: self._every(MAP_S, self._move_map))

    def stop(self) -> None:
        """Ends the threads; the sockets stay open for whoever serves them."""
        self._stopped.set()
        self.tail.stop()
        self.server.eio.heartbeat.stop()
        for thread in self._threads:
            thread.join(2)

    def leave(self) -> int:
        """Tells every socket to come back elsewhere, spread over a little time, and closes it; says how many."""
        self.server.eio.draining = True
        leaving = list(self.sockets.connections.values())
        spread_ms = max(1_000, len(leaving) * 1_000 // _RETURNS_PER_S)
        for connection in leaving:
            self.server.emit("server.leaving", {"retry_in_ms": random.randint(50, spread_ms)},  # noqa: S311
                             to=connection.sid, namespace=connection.namespace)
            self.server.hang_up(connection.sid, connection.namespace, code=CloseReason.GOING_AWAY, why="server leaving")
        for client in list(self.server.eio.sockets.values()):
            client.close(code=CloseReason.GOING_AWAY, why="server leaving")
        return len(leaving)

    @property
    def last_seq(self) -> int:
        """The number of the last feed entry that the sockets of this process have heard."""
        return self.tail.last_seq

    def lag(self) -> int:
        """How many numbers this process is behind the newest entry that it knows of."""
        return self.tail.lag

    def figures(self) -> dict[str, Any]:
        """What /metrics shows of the sockets."""
        return {
            "sockets": dict(self.sockets.per_role()), "connections": len(self.server.eio.sockets),
            "emitted": self.tail.emitted, "last_seq": self.tail.last_seq, "lag": self.tail.lag,
            "blind_s": round(self.tail.blind_s, 1), "refused": dict(self.sockets.refused),
            "closed": dict(self.server.eio.refused),
        }

    def _welcome(self, connection: Connection) -> None:
        if not self.tail.ready.wait(READY_S):
            # Nobody knows yet where the feed stands: a wrong number would tell a phone that it had missed nothing.
            self.server.hang_up(
                connection.sid, connection.namespace, code=CloseReason.TRY_AGAIN_LATER, why="feed not read yet"
            )
            return
        # Read after the rooms were entered: every later entry will be heard, so nothing lies between.
        self.server.emit("welcome", {"seq": self.tail.last_seq, "server_time": stamp(self._wiring.clock.now())},
                         to=connection.sid, namespace=connection.namespace)

    def _watch(self) -> None:
        connections = list(self.sockets.connections.values())
        if not connections:
            return
        now = self._wiring.clock.now()
        with self._wiring.database.reading() as session:
            revoked = sessions.sessions_revoked_since(session, now - _LOOK_BACK)
            over = sessions.sessions_revoked_since(session, now - _LOOK_BACK, now)
            drivers = any(connection.caller.role is Role.DRIVER for connection in connections)
            duty = stored_positions.on_duty(session) if drivers else {}
        for connection in connections:
            if connection.credential in over:
                rider = connection.caller.role is Role.RIDER
                code = "expired" if connection.credential not in revoked else "forgotten" if rider else "revoked"
                self.sockets.end(connection, code)
            elif connection.caller.role is Role.DRIVER:
                mover = duty.get(connection.caller.id)
                self.sockets.drive(connection, mover.id if mover is not None else None)

    def _note_emitted(self) -> None:
        # Beside the feed, not in it: what a message's way looked like must never hold up the next message.
        emitted, self.tail.emitted_deliveries = self.tail.emitted_deliveries, []
        if not emitted:
            return
        noted: set[uuid.UUID] = set()
        try:
            with self._wiring.database.transaction() as session:
                noted = receipts.note_emitted(session, emitted[:_NOTED_AT_ONCE])
        finally:
            # What could not be noted now is noted later: without it the watch would take a healthy feed for a late one.
            since = self._wiring.clock.now() - _NOTED_WITHIN
            self.tail.emitted_deliveries[:0] = [one for one in emitted if one[0] not in noted and one[1] > since]

    def _move_map(self) -> None:
        now, looked_at = self._wiring.clock.now(), self._mapped_at
        if not self.server.manager.members("/control", feed.CONTROL):
            self._mapped_at = None
            return
        with self._wiring.database.reading() as session:
            moved = stored_positions.moved_since(session, min(looked_at or now, now) - _FLUSH_TAKES)
        self._mapped_at = now
        if moved.teams or moved.vehicles or moved.gone:
            # One string: python-socketio would look at every number of a list for bytes in it.
            text = orjson.dumps(moved.frame()).decode()
            self.map_frames += self.server.emit_json("positions", text, room=feed.CONTROL, namespace="/control")

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while not self._stopped.wait(seconds):
            try:
                act()
            except (SQLAlchemyError, OSError) as error:
                log.warning("database_trouble", kind=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever one round does, the next must come
                log.error("live_mistake", kind=type(error).__name__)  # noqa: TRY400 - a traceback may quote data

    def _run(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
