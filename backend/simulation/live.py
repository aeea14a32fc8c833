"""One live socket that comes back by itself: after a restart, a drain, a lost network or an ended session."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from typing import Any

import socketio
from socketio.exceptions import BadNamespaceError, SocketIOError
from socketio.exceptions import ConnectionError as SocketRefused

from backend.simulation.wire import Counters

CONNECT_WAIT_S, ACK_WAIT_S = 6, 5
LONGEST_PAUSE_S = 10.0

Event = tuple[str, dict[str, Any]]
_silent = logging.getLogger("vigie.simulation.silent")
_silent.disabled = True


class Live:
    """A namespace's socket. Events wait in `events`; `keep()` is called now and then and connects when needed."""

    def __init__(self, url: str, namespace: str, counters: Counters) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.token_refused = False
        self._url, self._namespace, self._counters = url, namespace, counters
        self._socket: socketio.Client | None = None
        self._dice = random.Random()
        self._pause_s, self._not_before = 0.5, 0.0
        self._lock = threading.Lock()

    @property
    def connected(self) -> bool:
        """True while the server hears us."""
        return self._socket is not None and self._socket.connected and self._namespace in self._socket.namespaces

    def keep(self, token: str) -> bool:
        """True when connected; else tries to connect once its pause is over. `token_refused` says: sign in again."""
        if self.connected:
            return True
        if time.monotonic() < self._not_before:
            return False
        self.close()
        socket = socketio.Client(reconnection=False, logger=_silent, engineio_logger=_silent, handle_sigint=False)
        socket.on("*", self._heard, namespace=self._namespace)
        socket.on("connect_error", self._refused, namespace=self._namespace)
        try:
            socket.connect(self._url, namespaces=[self._namespace], transports=["websocket"],
                           auth={"token": token}, wait_timeout=CONNECT_WAIT_S)
        except (SocketRefused, OSError, ValueError):
            self._wait_longer()
            self._socket = socket
            self.close()
            return False
        self._socket = socket
        self._pause_s = 0.5
        self._counters.add("sockets opened")
        return True

    def send(self, event: str, body: dict[str, Any]) -> None:
        """Sends without waiting; a refusal is counted when it comes back, a lost connection loses it."""
        if self._socket is None:
            return
        try:
            self._socket.emit(event, body, namespace=self._namespace, callback=self._answered)
        except (BadNamespaceError, SocketIOError, OSError):
            self._counters.add("sends lost")

    def call(self, event: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The server's acknowledgement; None when there was none in time."""
        if self._socket is None:
            return None
        try:
            answer = self._socket.call(event, body, namespace=self._namespace, timeout=ACK_WAIT_S)
        except (SocketIOError, OSError):
            self._counters.add("calls unanswered")
            return None
        if not isinstance(answer, dict):
            return None
        self._answered(answer)
        return answer

    def close(self) -> None:
        """Leaves; `keep` may come back later."""
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                socket.disconnect()
            except (SocketIOError, OSError):
                self._counters.add("sends lost")

    def _heard(self, event: str, body: Any = None) -> None:
        body = body if isinstance(body, dict) else {}
        if event == "server.leaving":
            self._not_before = time.monotonic() + float(body.get("retry_in_ms", 500)) / 1000
        elif event == "session.ended":
            self.token_refused = True
        self.events.put((event, body))

    def _refused(self, reason: Any = None) -> None:
        code = reason.get("data", reason) if isinstance(reason, dict) else reason
        code = code.get("code", "?") if isinstance(code, dict) else str(code)
        self._counters.add(f"socket refused: {code}"[:60])
        if code.startswith("token"):
            self.token_refused = True

    def _answered(self, answer: Any = None) -> None:
        if isinstance(answer, dict) and answer.get("ok") is False:
            self._counters.add(f"refused: {answer.get('code')}")

    def _wait_longer(self) -> None:
        self._not_before = max(
            self._not_before, time.monotonic() + self._pause_s * self._dice.uniform(0.5, 1.5),
        )
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
