"""Storing buffered positions about once a second, in a thread of its own that outlives the database's troubles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy.orm import Session

from backend.database import Database
from backend.people import stored_positions
from backend.people.positions import Movement, PositionBuffer

log = structlog.get_logger("positions")
TOGETHER = 25


class Follow(NamedTuple):
    """What else happens with positions once they are stored: looked at without a lock, kept in one transaction."""

    look: Callable[[Session, Sequence[Movement], datetime], Sequence[Any]]
    keep: Callable[[Session, Sequence[Any]], object]


class PositionFlusher(threading.Thread):
    """Flushes one process's buffer. `start()` it in each process that takes positions; `stop()` stores the rest."""

    def __init__(
        self,
        database: Database,
        buffer: PositionBuffer,
        now: Callable[[], datetime],
        *,
        every_s: float = 1.0,
        follow: Follow | None = None,
    ) -> None:
        super().__init__(name="positions", daemon=True)
        self._database = database
        self._buffer = buffer
        self._now = now
        self._every_s = every_s
        self._follow = follow
        self._follow_failed = False
        self._leaving = threading.Event()
        self.failures = 0
        self.flushed_at: datetime | None = None

    def run(self) -> None:
        """Flushes until `stop()`; after a failure at the same pace, because the next second's fixes are newer."""
        while not self._leaving.wait(self._every_s):
            self.flush_now()
        self.flush_now()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Stores what is left and ends the thread."""
        self._leaving.set()
        if self.is_alive():
            self.join(timeout_s)

    def flush_now(self) -> bool:
        """True when who is on duty was learnt and everything buffered was stored."""
        waiting = []
        try:
            changes = self._buffer.changes
            with self._database.reading() as session:
                duty = stored_positions.on_duty(session)
            self._buffer.refresh_duty(duty, changes)
            waiting = self._buffer.take_dirty()
            if waiting:
                with self._database.transaction() as session:
                    stored_positions.flush(session, waiting, self._now())
        except Exception as error:  # noqa: BLE001 - a thread that dies here would freeze every map in silence
            self._buffer.give_back(waiting)
            self.failures += 1
            if self.failures == 1:
                log.warning("positions_not_stored", kind=type(error).__name__)
            return False
        if self.failures:
            log.info("positions_stored_again", failures=self.failures)
        self.failures = 0
        self.flushed_at = self._now()
        self._let_follow([each for each in waiting if each.mover.kind == "vehicle"])
        return True

    def _let_follow(self, vehicles: list[Movement]) -> None:
        # After the commit and by itself: whatever goes wrong here, the positions are stored.
        if self._follow is None or not vehicles:
            return
        try:
            found: list[Any] = []
            # A few at a time: between two looks the process answers others, and no lock is held while it thinks.
            with self._database.reading() as session:
                for start in range(0, len(vehicles), TOGETHER):
                    found += self._follow.look(session, vehicles[start : start + TOGETHER], self._now())
            if found:
                with self._database.transaction() as session:
                    self._follow.keep(session, found)
        except Exception as error:  # noqa: BLE001 - a thread that dies here would freeze every map in silence
            if not self._follow_failed:
                log.warning("vehicles_not_followed", kind=type(error).__name__)
            self._follow_failed = True
        else:
            self._follow_failed = False
