"""The auditor's loop: a look every second, in each worker process; one of them at a time writes what it found."""

from __future__ import annotations

import threading
import time

import structlog

from backend.database import new_id
from backend.watch.auditor import Audit, audit
from backend.wiring import Wiring

log = structlog.get_logger("auditor")
EVERY_S = 1.0


class Auditor:
    """Looks again and again until it is stopped; a thread of its own, so that it sees a worker that hangs."""

    def __init__(self, wiring: Wiring) -> None:
        self.id = new_id()
        self._wiring = wiring
        self._stopped = threading.Event()
        self._blind = False

    def run(self) -> None:
        """Works until `stop`, whatever happens to the database meanwhile."""
        took_s = 0.0
        while not self._stopped.wait(max(0.0, EVERY_S - took_s)):
            begun = time.monotonic()
            try:
                self.turn()
                self._blind = False
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the next look must come
                if not self._blind:
                    log.warning("auditor_blind", kind=type(error).__name__)
                self._blind = True
            took_s = time.monotonic() - begun

    def stop(self) -> None:
        """Lets the look in hand be finished and ends."""
        self._stopped.set()

    def turn(self) -> Audit | None:
        """One look; None while another auditor does it."""
        with self._wiring.database.transaction() as session:
            found = audit(session, self.id, self._wiring.clock.now())
        if found is not None:
            for one in found.opened:
                log.warning("found", code=one.code, subject=one.subject, value=one.value)
            for row in found.told:
                log.warning("supervisors_called", code=row.code, subject=row.subject)
            for row in found.closed:
                log.info("over", code=row.code, subject=row.subject)
        return found
