"""Engine.IO over WebSocket alone, for thousands of sockets in one process: one reader each, one heartbeat for all.

A subclass of python-engineio's server that keeps its interface (python-socketio and Flask-SocketIO sit on top) and
leaves out, per socket, the queue, the writer, the pinger and the second reader: four greenlets become one.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import engineio
import orjson
import structlog
from engineio.packet import CLOSE, MESSAGE, OPEN, PING, PONG, Packet
from engineio.socket import Socket
from wsproto.frame_protocol import CloseReason

from backend.problem_texts import Language
from backend.socket_handshake import HandshakeRefused, handshake, socket_of
from backend.socket_transport import MAX_MESSAGE_BYTES, Budget, Link, frame

log = structlog.get_logger("sockets")
EVENTS = (60, 20)  # at once, and per second
ALERTS = (10, 1)
_PING_FRAME = frame(str(PING))


@dataclass(frozen=True)
class Timing:
    """How long a socket may be silent, anonymous or slow to leave; together a vanished peer is gone within 15 s."""

    ping_every_s: float = 6.0
    pong_within_s: float = 8.0
    authenticate_within_s: float = 5.0
    leave_within_s: float = 2.0
    tick_s: float = 0.25


class EngineSocket(Socket):  # type: ignore[misc]
    """One client: reads in its own thread or greenlet, is written to directly by whoever has something for it."""

    def __init__(self, server: Engine, sid: str, link: Link) -> None:
        # Socket.__init__ is not called: its queue and its ping state are what this class does without.
        self.server = server
        self.sid = sid
        self.link = link
        self.session: dict[str, Any] = {}
        self.connected = self.upgraded = True
        self.upgrading = self.closing = self.closed = False
        self.pongs = self.pings = 0
        self.namespaces = 0
        self.asking = False
        self.language: Language = "fr"
        self.budget = Budget(*EVENTS)
        self.alert_budget = Budget(*ALERTS)
        self.overdrawn = 0

    def send(self, pkt: Packet) -> None:
        """Writes a packet; its frame is built once, however many sockets it goes to."""
        if self.closed:
            return
        data: bytes | None = getattr(pkt, "frame", None)
        if data is None:
            data = pkt.frame = frame(pkt.encode())
        self.link.send(data)

    def read(self) -> None:
        """Serves the client until its connection is over."""
        while (text := self.link.receive()) is not None:
            kind = text[:1]
            if kind == str(MESSAGE):
                self.server.handlers["message"](self.sid, text[1:])
            elif kind == str(PONG):
                self.pongs = self.pings
            elif kind == str(CLOSE):
                self.close(reason=self.server.reason.CLIENT_DISCONNECT)
            else:
                self.refuse(CloseReason.PROTOCOL_ERROR, "unknown packet")
        reason = self.link.ended_by or ""
        self.close(abort=True, reason=self.server.reason.PING_TIMEOUT if reason == "ping_timeout" else
                   self.server.reason.TRANSPORT_CLOSE)

    def refuse(self, code: int, why: str) -> None:
        """Closes a connection that breaks the rules, and says why in the close frame."""
        self.close(code=code, why=why)

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None,  # noqa: FBT001, FBT002
              code: int = CloseReason.NORMAL_CLOSURE, why: str = "") -> None:
        """Ends the connection: with a goodbye, or at once with `abort`."""
        del wait
        if not (self.closed or self.closing):
            self.closing = True
            self.server.trigger_disconnect(self.sid, reason or self.server.reason.SERVER_DISCONNECT)
            self.closed = True
        if abort:
            self.link.cut("abort")
        else:
            self.link.close(code, why)

    def check_ping_timeout(self) -> bool:
        """The heartbeat does this for all sockets."""
        return not self.closed


class Heartbeat:
    """Pings every socket in turn and ends those that do not answer, do not sign in or do not leave."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self._pings: deque[tuple[float, EngineSocket]] = deque()
        self._pongs: deque[tuple[float, EngineSocket, int]] = deque()
        self._anonymous: deque[tuple[float, EngineSocket]] = deque()
        self._leaving: deque[tuple[float, Link]] = deque()
        self._started = threading.Lock()
        self._stopped = threading.Event()

    def welcome(self, client: EngineSocket) -> None:
        """Watches over a new socket from now on."""
        now = time.monotonic()
        self._anonymous.append((now + self.timing.authenticate_within_s, client))
        self._pings.append((now + self.timing.ping_every_s, client))
        if self._started.acquire(blocking=False):
            threading.Thread(target=self._run, name="socket-heartbeat", daemon=True).start()

    def leaving(self, link: Link) -> None:
        """Cuts a peer that was told goodbye, should it stay."""
        self._leaving.append((time.monotonic() + self.timing.leave_within_s, link))

    def stop(self) -> None:
        """Ends the watching thread."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self.timing.tick_s):
            try:
                self.tick(time.monotonic())
            except Exception:  # one odd socket must not end the watch over all others
                log.exception("heartbeat_failed")

    def tick(self, now: float) -> None:
        """Does what is due."""
        timing = self.timing
        while self._anonymous and self._anonymous[0][0] <= now:
            client = self._anonymous.popleft()[1]
            if client.asking:  # ours is the delay: cutting it off would turn a crowd that comes back into a storm
                self._anonymous.append((now + timing.authenticate_within_s, client))
            elif not client.namespaces and not client.closed:
                client.refuse(CloseReason.POLICY_VIOLATION, "not authenticated in time")
        while self._pongs and self._pongs[0][0] <= now:
            _, client, number = self._pongs.popleft()
            if client.closed:
                continue
            if client.pongs < number:
                client.link.cut("ping_timeout")
            else:
                self._pings.append((now + timing.ping_every_s - timing.pong_within_s, client))
        while self._pings and self._pings[0][0] <= now:
            client = self._pings.popleft()[1]
            if not client.closed:
                client.pings += 1
                client.link.send(_PING_FRAME)
                self._pongs.append((now + timing.pong_within_s, client, client.pings))
        while self._leaving and self._leaving[0][0] <= now:
            self._leaving.popleft()[1].cut("left")


class Engine(engineio.Server):  # type: ignore[misc]
    """Engine.IO's server for WebSocket alone, with a bounded number of sockets."""

    def __init__(self, *, timing: Timing | None = None, max_sockets: int = 11_000, **options: Any) -> None:
        self.timing = timing or Timing()
        super().__init__(**options, transports=["websocket"], allow_upgrades=False, monitor_clients=False,
                         max_http_buffer_size=MAX_MESSAGE_BYTES,
                         ping_interval=self.timing.ping_every_s, ping_timeout=self.timing.pong_within_s)
        self.heartbeat = Heartbeat(self.timing)
        self.max_sockets = max_sockets
        self.draining = False
        self.refused: Counter[str] = Counter()

    def trigger_disconnect(self, sid: str, reason: str) -> None:
        """Tells Socket.IO that a client is gone."""
        self._trigger_event("disconnect", sid, reason, run_async=False)

    def _closing(self, link: Link, why: str) -> None:
        if why:
            self.refused[why] += 1
        self.heartbeat.leaving(link)

    def _handle_connect(self, environ: dict[str, Any], start_response: Callable[..., Any], transport: str,
                        jsonp_index: int | None = None) -> Any:
        del start_response, transport, jsonp_index
        if self.draining or len(self.sockets) >= self.max_sockets:
            # Beyond its limit gunicorn would let the next connection hang, health checks included.
            return {"status": "503 SERVICE UNAVAILABLE", "headers": [("Retry-After", str(random.randint(1, 5)))],  # noqa: S311
                    "response": b'"busy"'}
        try:
            link = Link(socket_of(environ), handshake(environ), self._closing)
        except HandshakeRefused as refused:
            return self._bad_request(str(refused))
        sid = self.generate_id()
        client = self.sockets[sid] = EngineSocket(self, sid, link)
        client.send(Packet(OPEN, orjson.dumps({
            "sid": sid, "upgrades": [], "pingInterval": int(self.timing.ping_every_s * 1000),
            "pingTimeout": int(self.timing.pong_within_s * 1000), "maxPayload": MAX_MESSAGE_BYTES}).decode()))
        self.heartbeat.welcome(client)
        try:
            self._trigger_event("connect", sid, environ, run_async=False)
            client.read()
        finally:
            client.close(abort=True)
            self.sockets.pop(sid, None)
        return _end_of_request(environ)


def _end_of_request(environ: dict[str, Any]) -> list[bytes]:
    """Tells each web server in its own way that the connection was taken over and is finished."""
    if "gunicorn.socket" in environ:
        raise StopIteration
    if "werkzeug.socket" in environ:
        raise ConnectionError
    return []
