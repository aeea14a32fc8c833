"""Wakers: waiting for news between two looks at the database. The poll is the truth; a wake-up only saves time."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Any, Literal

import psycopg
from sqlalchemy.engine import URL

Topic = Literal["feed", "due", "outbox"]
"""What there is news of: entries of the feed, alerts for which a worker must act at once, messages to be sent."""


def channel(topic: Topic) -> str:
    """PostgreSQL's name for a topic."""
    return f"vigie_{topic}"


class Waker:
    """Waits for a wake-up or a time-out, whichever comes first."""

    def wait(self, timeout_s: float) -> bool:
        """True when woken; False after `timeout_s` seconds."""
        raise NotImplementedError  # pragma: no cover

    def close(self) -> None:
        """Ends the waiting and frees what it held."""
        raise NotImplementedError  # pragma: no cover


class LocalWaker(Waker):
    """Embedded database: the writers are in this process."""

    def __init__(self, waiting: list[threading.Event]) -> None:
        self._event = threading.Event()
        self._waiting = waiting
        waiting.append(self._event)

    def wait(self, timeout_s: float) -> bool:
        """True when a transaction of this process has committed something new."""
        woken = self._event.wait(timeout_s)
        self._event.clear()
        return woken

    def close(self) -> None:
        """Wakes the waiter a last time and leaves the list."""
        self._event.set()
        if self._event in self._waiting:
            self._waiting.remove(self._event)


class PostgresWaker(Waker):
    """LISTEN on a connection of its own; a lost connection falls back to polling and is made again."""

    def __init__(self, url: URL, topic: Topic) -> None:
        self._url = url
        self._topic = topic
        self._connection: Any = None
        self._closed = threading.Event()
        self._in_use = threading.Lock()
        self._bell: tuple[socket.socket, socket.socket] | None = None

    def _listen(self) -> Any:
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(url, autocommit=True, connect_timeout=3, application_name="vigie-listen")
        connection.execute(f"LISTEN {channel(self._topic)}")
        return connection

    def wait(self, timeout_s: float) -> bool:
        """True when notified, False at once when closed. On a broken connection: waits, so that nobody spins."""
        if self._closed.is_set():
            return False
        with self._in_use:
            if self._bell is None:
                self._bell = socket.socketpair()
            woken = not self._closed.is_set() and self._wait(timeout_s, self._bell[0])
        if self._closed.is_set():
            self._end()
        return woken

    def _wait(self, timeout_s: float, bell: socket.socket) -> bool:
        try:
            if self._connection is None:
                self._connection = self._listen()
                return True
            _sleep(timeout_s, bell, self._connection)
            return self._noticed()
        except (psycopg.Error, OSError):
            self._drop()
            _sleep(min(timeout_s, 0.5), bell)
            return False

    def _noticed(self) -> bool:
        server = self._connection.pgconn
        server.consume_input()  # raises when the server has ended the connection
        notices = 0
        while server.notifies() is not None:
            notices += 1
        return notices > 0

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Wakes the waiter at once and ends the connection; from any thread, or from a signal's handler."""
        self._closed.set()
        if (bell := self._bell) is not None:
            # Closing a connection wakes nobody who waits on it: the waiter would sleep on for the rest of its second.
            with contextlib.suppress(OSError):  # the waiter has just gone, and closed it
                bell[1].send(b".")
        if self._in_use.acquire(blocking=False):  # else the waiter is awake by now, and ends it himself
            self._end()
            self._in_use.release()

    def _end(self) -> None:
        self._drop()
        bell, self._bell = self._bell, None
        for end in bell or ():
            end.close()


def _sleep(timeout_s: float, *for_any_of: Any) -> None:
    with selectors.DefaultSelector() as selector:
        for one in for_any_of:
            selector.register(one, selectors.EVENT_READ)
        selector.select(timeout_s)
