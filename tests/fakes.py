"""Stand-ins for the parts of the world that tests must command: the clock."""

import threading
from datetime import UTC, datetime, timedelta

OPENING_NIGHT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


class FakeClock:
    """A clock that moves only when told to, the same for every thread."""

    def __init__(self, start: datetime = OPENING_NIGHT) -> None:
        """Stopped at `start`, which must say its time zone."""
        if start.tzinfo is None:
            message = "a clock without a time zone"
            raise ValueError(message)
        self._lock = threading.Lock()
        self._now = start

    def ready(self) -> bool:
        """Always."""
        return True

    def now(self) -> datetime:
        """The time it was last set to."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """The time after moving by `seconds`; negative moves it back, as a corrected clock does."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now
