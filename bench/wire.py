"""The client's side of the wire by hand: one epoll loop, keep-alive HTTP/1.1 and Socket.IO over WebSocket.

Client libraries would take more of the processor than the server under test.
"""

from __future__ import annotations

import base64
import heapq
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import orjson

Heard = Callable[[bytes, float], None]
Answered = Callable[[int, bytes, float], None]
_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
)
_CHUNK = 1 << 18


class Loop:
    """Readable sockets and timers, in one thread; sleeps with microsecond precision (epoll itself rounds to 1 ms)."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self.late_s = 0.0

    def watch(self, sock: socket.socket, reader: Callable[[], None]) -> None:
        """Calls `reader` whenever the socket has something."""
        self._readers[sock.fileno()] = reader
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def forget(self, sock: socket.socket) -> None:
        """Watches a socket no longer and closes it."""
        if self._readers.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())
        sock.close()

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Calls `act` at an instant of `time.perf_counter`."""
        self._number += 1
        heapq.heappush(self._timers, (moment, self._number, act))

    def run(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Works until the condition holds; False when the time was over first."""
        end = time.perf_counter() + timeout_s
        while not until():
            now = time.perf_counter()
            if now >= end:
                return False
            while self._timers and self._timers[0][0] <= now:
                due, _, act = heapq.heappop(self._timers)
                self.late_s = max(self.late_s, now - due)
                act()
                now = time.perf_counter()
            next_at = min(self._timers[0][0], end) if self._timers else end
            if not select.select([self._epoll], [], [], max(0.0, min(next_at - now, 0.25)))[0]:
                continue
            for number, _ in self._epoll.poll(0):
                reader = self._readers.get(number)
                if reader is not None:
                    reader()
        return True

    def sleep(self, seconds: float) -> None:
        """Works for so many seconds."""
        self.run(lambda: False, seconds)

    def close(self) -> None:
        """Forgets everything; a descriptor above 1,023 would be none that `select` can wait for."""
        self._readers.clear()
        self._timers.clear()
        self._epoll.close()


class Http:
    """Keep-alive connections to one server; a request never waits for another one's answer."""

    def __init__(self, loop: Loop, port: int) -> None:
        self._loop = loop
        self._port = port
        self._idle: list[_HttpConnection] = []
        self.opened = 0

    def send(
        self, method: str, path: str, token: str, body: bytes, answered: Answered, *, timeout_s: float | None = None
    ) -> None:
        """Sends a request at once; `answered(status, body, at)` comes later, with status 0 where there is no answer.

        Without `timeout_s` a server that stands still is waited for, whatever time it takes.
        """
        request = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        while self._idle:
            connection = self._idle.pop()
            if connection.send(request, answered, timeout_s):
                return
        try:
            connection = _HttpConnection(self._loop, self._port, self._idle)
        except OSError:
            answered(0, b"", time.perf_counter())
            return
        self.opened += 1
        if not connection.send(request, answered, timeout_s):
            answered(0, b"", time.perf_counter())


    def close(self) -> None:
        """Closes the connections that nobody uses at the moment."""
        while self._idle:
            self._idle.pop().close()


class _HttpConnection:
    def __init__(self, loop: Loop, port: int, idle: list[_HttpConnection]) -> None:
        self._loop, self._idle = loop, idle
        self._sock = _connected(port)
        self._buffer = b""
        self._answered: Answered | None = None
        self._sent = 0
        loop.watch(self._sock, self._read)

    def send(self, request: bytes, answered: Answered, timeout_s: float | None) -> bool:
        try:
            self._sock.send(request)
        except OSError:
            self._loop.forget(self._sock)
            return False
        self._answered = answered
        self._sent += 1
        if timeout_s is not None:
            ticket = self._sent
            self._loop.at(time.perf_counter() + timeout_s, lambda: self._give_up(ticket))
        return True

    def close(self) -> None:
        self._loop.forget(self._sock)

    def _give_up(self, ticket: int) -> None:
        if self._answered is not None and ticket == self._sent:
            self._loop.forget(self._sock)
            self._finish(0, b"", time.perf_counter())

    def _read(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        at = time.perf_counter()
        if not data:
            self._loop.forget(self._sock)
            if self in self._idle:
                self._idle.remove(self)
            self._finish(0, b"", at)
            return
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        folded = head.lower()
        place = folded.find(b"content-length:")
        length = int(folded[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(body) < length:
            return
        self._buffer = b""
        if b"connection: close" in folded:
            self._loop.forget(self._sock)
        else:
            self._idle.append(self)
        self._finish(int(head[9:12]), body, at)

    def _finish(self, status: int, body: bytes, at: float) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status, body, at)


class Socket:
    """One signed-in socket: `heard(event text after the namespace, at)` for each event, acknowledgements by number."""

    def __init__(
        self, loop: Loop, port: int, namespace: str, token: str, heard: Heard, ended: Callable[[], None] | None = None
    ) -> None:
        self.ready = self.closed = False
        self.refusal = ""
        self.frames = 0
        self._loop, self._heard, self._ended = loop, heard, ended
        self._prefix = f"42{namespace},".encode()
        self._ack_prefix = f"43{namespace},".encode()
        self._hello = f"40{namespace},".encode() + orjson.dumps({"token": token})
        self._acks: dict[int, Answered] = {}
        self._number = 0
        self._buffer = b""
        self._upgraded = False
        self._sock = _connected(port)
        self._sock.send(_UPGRADE % base64.b64encode(os.urandom(16)))
        loop.watch(self._sock, self._read)

    def tell(self, event: str, data: dict[str, Any], answered: Answered | None = None) -> None:
        """Sends an event; with `answered` it asks for an acknowledgement."""
        number = b""
        if answered is not None:
            self._number += 1
            self._acks[self._number] = answered
            number = b"%d" % self._number
        self._write(self._prefix + number + orjson.dumps([event, data]))

    def close(self) -> None:
        """Ends the connection without a word."""
        if not self.closed:
            self.closed = True
            self._loop.forget(self._sock)

    def _write(self, payload: bytes) -> None:
        if self.closed:
            return
        size = len(payload)
        head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
        try:
            self._sock.send(head + b"\0\0\0\0" + payload)  # the mask of zeros is a mask: the payload stays as it is
        except OSError:
            self._end()

    def _read(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        at = time.perf_counter()
        if not data:
            self._end()
            return
        buffer = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if b" 101 " not in head[:20]:
                self._refused(head)
                return
            self._upgraded = True
        place, end = 0, len(buffer)
        while end - place >= 2:
            size, start = buffer[place + 1], place + 2
            if size == 126:
                size, start = int.from_bytes(buffer[place + 2 : place + 4], "big"), place + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[place + 2 : place + 10], "big"), place + 10
            if start > end or end - start < size:
                break
            if buffer[place] == 0x81:
                self._frame(buffer[start : start + size], at)
            elif buffer[place] == 0x88:
                self._end()
                return
            place = start + size
        self._buffer = buffer[place:]

    def _frame(self, text: bytes, at: float) -> None:
        if text.startswith(self._prefix):
            self.frames += 1
            if not self.ready and text[len(self._prefix) :].startswith(b'["welcome"'):
                self.ready = True
            self._heard(text[len(self._prefix) :], at)
        elif text.startswith(self._ack_prefix):
            number, _, _ = text[len(self._ack_prefix) :].partition(b"[")
            answered = self._acks.pop(int(number), None)
            if answered is not None:
                answered(200, text[len(self._ack_prefix) + len(number) :], at)
        elif text == b"2":
            self._write(b"3")
        elif text[:1] == b"0":
            self._write(self._hello)
        elif text.startswith(b"44"):
            self._refused(text)

    def _refused(self, words: bytes) -> None:
        if self._ended is None:
            raise RuntimeError(words.decode())
        self.refusal = words.decode()
        self._end()

    def _end(self) -> None:
        if not self.closed:
            self.close()
            if self._ended is not None:
                self._ended()


def _connected(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
