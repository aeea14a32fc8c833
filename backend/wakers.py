"""Wakers: waiting for news between two looks at the database. The poll is the truth; a wake-up only saves time."""

from __future__ import annotations

import threading
import time
from typing import Any, Literal

import psycopg
from sqlalchemy.engine import URL

Topic = Literal["feed", "due"]
"""What there is news of: entries of the live feed, or alerts for which a worker must do something at once."""


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
        self._closed = False

    def _listen(self) -> Any:
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(url, autocommit=True, connect_timeout=3, application_name="vigie-listen")
        connection.execute(f"LISTEN {channel(self._topic)}")
        return connection

    def wait(self, timeout_s: float) -> bool:
        """True when notified. On a broken connection: waits out the time, so that nobody spins."""
        if self._closed:
            return False
        try:
            if self._connection is None:
                self._connection = self._listen()
                return True
            notices = list(self._connection.notifies(timeout=timeout_s, stop_after=1))
        except (psycopg.Error, OSError):
            self._drop()
            time.sleep(min(timeout_s, 0.5))
            return False
        return bool(notices)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Ends the connection at the next time-out of the waiter, or at once when nobody waits."""
        self._closed = True
        self._drop()
