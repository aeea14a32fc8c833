"""The desk: how many socket events may be at work in the database, so that a crowd of sockets cannot take it over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.errors import Refused

log = structlog.get_logger("sockets")
Result = TypeVar("Result")


class Desk:
    """At most so many handlers at work in the database, and so many waiting; the rest is told to come again."""

    def __init__(self, at_work: int, waiting: int, patience_s: float = 5.0) -> None:
        self._free = threading.Semaphore(at_work)
        self._line = threading.Semaphore(at_work + waiting)
        self._patience_s = patience_s

    def run(self, job: Callable[[], Result]) -> Result:
        """The job's result, in the caller's own thread, in its turn; refuses `busy` when the turn does not come."""
        if not self._line.acquire(blocking=False):
            raise Refused("busy", retry_after_s=1)
        try:
            if not self._free.acquire(timeout=self._patience_s):
                raise Refused("busy", retry_after_s=1)
            try:
                return job()
            except (DBAPIError, PoolTimeout) as error:
                if isinstance(error, IntegrityError | DataError | ProgrammingError):
                    raise  # our mistake, which no retry mends
                log.warning("database_trouble", reason=type(error).__name__)
                raise Refused("busy", retry_after_s=1) from None
            finally:
                self._free.release()
        finally:
            self._line.release()
