"""The dead man's switch: a sign of life to somebody outside, sent only while all that must work here does.

Its silence is the message: when every worker is dead, or the database takes no write, nobody here can call anybody.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import requests
import structlog

from backend.database import new_id
from backend.watch import auditor, leases
from backend.wiring import Wiring

log = structlog.get_logger("dead_man")
LEASE = "dead_man"
LOOK_S = 1.0
TIMEOUT_S = 3.0
_PATIENCE_S = 5.0


class DeadMan:
    """Sends a sign of life every few seconds, from one of the workers, until it is stopped."""

    def __init__(self, wiring: Wiring) -> None:
        self.id = new_id()
        self._wiring = wiring
        self._url = wiring.settings.dead_man_url
        self._every_s = wiring.settings.dead_man_every_s
        self._stopped = threading.Event()
        self._sent_at: datetime | None = None
        self._failing = False
        self._session = requests.Session()

    def run(self) -> None:
        """Works until `stop`."""
        while not self._stopped.wait(min(LOOK_S, self._every_s / 5)):
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 - the next sign of life must come
                self._trouble(type(error).__name__)
        self._session.close()

    def stop(self) -> None:
        """Ends after the sign of life in hand, which takes three seconds at most."""
        self._stopped.set()

    def turn(self) -> bool:
        """Whether a sign of life was due, was ours to send, and arrived."""
        now = self._wiring.clock.now()
        if self._sent_at is not None and timedelta() <= now - self._sent_at < timedelta(seconds=self._every_s):
            return False
        with self._wiring.database.transaction() as session:
            # A write, and the word of whoever audits that it has just looked: both must be there first.
            ours = leases.hold(session, LEASE, self.id, now, self._every_s + _PATIENCE_S)
            well = ours and leases.is_held(session, auditor.LEASE, now)
        if not well:
            return False
        # No transaction is open now: a receiver that hangs holds up nothing but this thread.
        answer = self._session.post(self._url, timeout=TIMEOUT_S, allow_redirects=False)
        if not 200 <= answer.status_code < 300:
            self._trouble(f"status {answer.status_code}")
            return False
        self._sent_at, self._failing = now, False
        return True

    def _trouble(self, kind: str) -> None:
        # Never the address: whoever knows it can keep it quiet.
        if not self._failing:
            log.warning("sign_of_life_failed", kind=kind)
        self._failing = True
