"""One WebSocket: its handshake, whole frames out, bounded messages in, and an end that always comes.

What python-engineio offers here (simple-websocket 1.1.0) loses the rest of a frame when the peer reads slowly, holds a
whole 60 MB message in memory before it looks at the limit, accepts every offer of compression, and leaves two threads
behind for a peer that vanished. The protocol itself is wsproto's; this file only moves bytes, within limits.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

MAX_MESSAGE_BYTES = 64 * 1024
MAX_BACKLOG_BYTES = 256 * 1024
MAX_BLOCKED_S = 5.0
_RECEIVE_BYTES = 8192
_SEND_BUFFER_BYTES = 128 * 1024
_UNACKNOWLEDGED_MS = 12_000
_FRAMES, _FRAMES_PER_S = 300, 100
_UNSENDABLE = {CloseReason.NO_STATUS_RCVD, CloseReason.ABNORMAL_CLOSURE, CloseReason.TLS_HANDSHAKE_FAILED}


def frame(text: str) -> bytes:
    """A whole text frame, unmasked as servers send it; one buffer serves every receiver of a broadcast."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class Budget:
    """A token bucket: how much somebody may do at once, and how fast that comes back."""

    __slots__ = ("_at", "_capacity", "_left", "_per_s")

    def __init__(self, capacity: float, per_s: float) -> None:
        self._capacity = self._left = capacity
        self._per_s = per_s
        self._at = time.monotonic()

    def take(self, cost: float = 1) -> bool:
        """Whether `cost` was still there to be spent."""
        now = time.monotonic()
        self._left = min(self._capacity, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < cost:
            return False
        self._left -= cost
        return True


class Link:
    """One open WebSocket; `receive` is for its one reader, everything else may be called by anybody."""

    def __init__(
        self, sock: socket.socket, answer: bytes, on_closing: Callable[[Link, str], None] = lambda _link, _why: None
    ) -> None:
        self.ended_by: str | None = None
        self.closing_since: float | None = None
        self._on_closing = on_closing
        self._socket = sock
        self._lock = threading.Lock()
        self._protocol = Connection(ConnectionType.SERVER)
        self._ready: list[str] = []
        self._parts: list[str] = []
        self._size = 0
        self._frames = Budget(_FRAMES, _FRAMES_PER_S)
        self._backlog: list[tuple[float, bytes]] = []
        self._backlog_bytes = 0
        self._prepare()
        self._write(answer)

    def _prepare(self) -> None:
        sock = self._socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        # Without it the kernel goes on for 15 minutes (tcp_retries2) with a peer that left without a word.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        if os.get_blocking(sock.fileno()):
            sock.settimeout(30)  # makes the descriptor non-blocking; gevent's always are

    # -- out ----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Sends one whole frame without ever waiting; a receiver that cannot keep up is cut off."""
        if self.closing_since is None:
            self._write(data)

    def _write(self, data: bytes) -> None:
        with self._lock:
            if self.ended_by is not None:
                return
            waiting = bool(self._backlog)
            if not waiting:
                data = self._write_some(data)
                if not data:
                    return
            self._backlog.append((time.monotonic(), data))
            self._backlog_bytes += len(data)
            if self._backlog_bytes > MAX_BACKLOG_BYTES:
                self._cut("slow_reader")
                return
        if not waiting:
            threading.Thread(target=self._drain, name="socket-backlog", daemon=True).start()

    def _write_some(self, data: bytes) -> bytes:
        """What the kernel did not take."""
        try:
            return data[os.write(self._socket.fileno(), data):]
        except BlockingIOError:
            return data
        except OSError:
            self._cut("transport_error")
            return b""

    def _drain(self) -> None:
        poll = select.poll()
        with self._lock:
            if self.ended_by is not None:
                return
            poll.register(self._socket.fileno(), select.POLLOUT)
        while not self._drained():
            poll.poll(200)

    def _drained(self) -> bool:
        """Writes what the kernel takes of the backlog; True when none is left to write."""
        with self._lock:
            while self._backlog:
                since, data = self._backlog[0]
                rest = self._write_some(data)
                if not self._backlog:
                    break  # the connection broke, and what waited for it is forgotten
                self._backlog_bytes -= len(data) - len(rest)
                if rest:
                    self._backlog[0] = (since, rest)
                    if time.monotonic() - since > MAX_BLOCKED_S:
                        self._cut("slow_reader")
                    return not self._backlog
                self._backlog.pop(0)
            if self.closing_since is not None:
                self._shut(socket.SHUT_WR)
            return True

    # -- in -----------------------------------------------------------------------------------------------

    def receive(self) -> str | None:
        """The next text message, or None once the connection is over."""
        while not self._ready:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                self.cut("transport_close")
                return None
            if self.closing_since is None:
                self._take(data)
            # else: read and forget until the peer closes: bytes left unread would turn our FIN into a reset,
            # and the peer would never see the close frame.
        return self._ready.pop(0)

    def _take(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            # Empty fragments and pings are never a message, so no event budget would ever see them.
            if not self._frames.take():
                return self.close(CloseReason.POLICY_VIOLATION, "too many frames")
            if isinstance(event, TextMessage):
                self._size += len(event.data)
                if self._size > MAX_MESSAGE_BYTES:
                    self._parts.clear()
                    return self.close(CloseReason.MESSAGE_TOO_BIG, "message larger than 64 KiB")
                self._parts.append(event.data)
                if event.message_finished:
                    self._ready.append("".join(self._parts))
                    self._parts, self._size = [], 0
            elif isinstance(event, BytesMessage):
                return self.close(CloseReason.UNSUPPORTED_DATA, "text expected")
            elif isinstance(event, Ping):
                self.send(self._protocol.send(event.response()))
            elif isinstance(event, CloseConnection):
                return self.close(event.code, event.reason or "")
        return None

    # -- the end ------------------------------------------------------------------------------------------

    def close(self, code: int = CloseReason.NORMAL_CLOSURE, reason: str = "") -> None:
        """Says goodbye after everything that was sent, and stops reading messages.

        `on_closing` is told: somebody has to `cut` a peer that does not close its side.
        """
        with self._lock:
            if self.closing_since is not None or self.ended_by is not None:
                return
            self.closing_since = time.monotonic()
        self._ready.clear()
        self._on_closing(self, reason)
        code = CloseReason.NORMAL_CLOSURE if code in _UNSENDABLE else code
        text = reason.encode()[:120]
        self._write(struct.pack("!BBH", 0x88, 2 + len(text), code) + text)
        with self._lock:
            if not self._backlog:
                self._shut(socket.SHUT_WR)

    def cut(self, reason: str) -> None:
        """Ends the connection at once; the reader wakes up with None."""
        with self._lock:
            self._cut(reason)

    def _cut(self, reason: str) -> None:
        if self.ended_by is not None:
            return
        self.ended_by = reason
        self._backlog.clear()
        self._backlog_bytes = 0
        self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        with contextlib.suppress(OSError):  # the peer was faster
            self._socket.shutdown(how)
