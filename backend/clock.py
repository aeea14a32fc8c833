"""The clock: what time it is for one installation, whatever the clocks of its machines say."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from backend.database import Database

log = structlog.get_logger("clock")
LOOK_S = 10.0
FIRST_LOOK_S = 0.5
"""How soon a database that was away at the first look is asked again."""
SLACK = timedelta(milliseconds=20)
"""Less than this is the noise of asking; a clock that follows noise would go back and forth."""
SLOW_S = 0.2


class Clock(Protocol):
    """Where edges ask what time it is."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""

    def ready(self) -> bool:
        """Whether timers may be judged by it."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        return datetime.now(UTC)

    def ready(self) -> bool:
        """Always."""
        return True


class DatabaseClock:
    """The database's time, carried on between two looks by what this machine counts, not by what its clock says.

    All processes of an installation share it: a host whose clock is an hour wrong, or is put right during a countdown,
    neither fires a timer early nor late. Whoever asks first looks first; while the database is away it is the machine's
    own clock, by which nothing must be decided (`ready`).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._anchor: tuple[datetime, float] | None = None
        self._first = threading.Lock()
        self._looked = False
        self._stopped = threading.Event()

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        if self._anchor is None and not self._looked:
            self._look_first()
        anchor = self._anchor
        if anchor is None:
            return datetime.now(UTC)
        at, counted = anchor
        return at + timedelta(seconds=time.monotonic() - counted)

    def ready(self) -> bool:
        """Whether it is the database's time by now."""
        return self._anchor is not None

    def _look_first(self) -> None:
        # Once: a host that does not even refuse would hold up every request for its three seconds. `run` looks again.
        with self._first:
            if self._anchor is None and not self._looked:
                try:
                    self.look()
                except (SQLAlchemyError, OSError) as error:
                    log.warning("clock_not_seen", kind=type(error).__name__)
                self._looked = True

    def look(self) -> None:
        """Asks the database for the time; an answer that took long says little and is used only if it is the first."""
        begun = time.monotonic()
        with self._database.reading() as session:
            told: datetime = session.scalars(select(func.clock_timestamp())).one()
        ended = time.monotonic()
        if self._anchor is not None and ended - begun > SLOW_S:
            return
        present = told + timedelta(seconds=(ended - begun) / 2)
        apart = present - (datetime.now(UTC) if self._anchor is None else self.now())
        if self._anchor is not None and abs(apart) < SLACK:
            return
        if abs(apart) > timedelta(seconds=1):
            log.warning("clock_apart", seconds=round(apart.total_seconds(), 1))
        self._anchor = (present.astimezone(UTC), ended)

    def run(self) -> None:
        """Looks every ten seconds until `stop`; a database that is away changes nothing."""
        while not self._stopped.is_set():
            try:
                self.look()
            except (SQLAlchemyError, OSError) as error:
                log.warning("clock_not_seen", kind=type(error).__name__)
            self._stopped.wait(LOOK_S if self._anchor is not None else FIRST_LOOK_S)

    def stop(self) -> None:
        """Ends `run`."""
        self._stopped.set()
