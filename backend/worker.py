"""The worker: rounds, attention and night stops that are due, a few per transaction; several run side by side."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from backend import failpoints, feed
from backend.alerts.models import Alert
from backend.database import new_id
from backend.dispatch import attention, rounds
from backend.dispatch.night_stop_alerts import ALERT_WORK
from backend.dispatch.rounds import Rules
from backend.heartbeats import beat
from backend.night_stops import following
from backend.night_stops.models import NightStopRequest
from backend.watch import tidying
from backend.wiring import Wiring

log = structlog.get_logger("worker")
POLL_S = 1.0
BEAT_S = 1.0
TIDY_S = 600.0
PUT_OFF_S = 5.0
TROUBLE_S = 0.5
TOGETHER = 8
STUCK_S = 20.0
AGAIN_S = 0.2
LOOK_S = 0.5
"""How often timers are looked at while alerts come in faster; they never wait for a quiet moment."""

Due = TypeVar("Due", Alert, NightStopRequest)
FindDue = Callable[[Session, datetime, Collection[uuid.UUID], int], Sequence[Due]]
RunOne = Callable[[Session, Due, datetime], None]


class Worker:
    """Takes what is due, again and again, until it is stopped."""

    def __init__(self, wiring: Wiring) -> None:
        settings = wiring.settings
        self.wiring = wiring
        self.id = new_id()
        self.rules = Rules(wiring.plan, settings.reminder_s, settings.position_fresh_s)
        self._put_off: dict[uuid.UUID, float] = {}
        self._stopped = threading.Event()
        self._waker = wiring.database.waker("due")
        self._beaten = -math.inf
        self._tidied = self._looked_at = time.monotonic()

    def run(self) -> None:
        """Works until `stop`; a database that is away is waited for, whatever time it takes."""
        log.info("worker_started")
        while not self._stopped.is_set():
            if not self.wiring.clock.ready():
                # The database is away, and this machine's clock may be an hour wrong: its first round would end
                # offers that are still open.
                self._beaten = time.monotonic()
                self._stopped.wait(AGAIN_S)
                continue
            try:
                self.beat()
                _, more = self._rounds(LOOK_S)
                if time.monotonic() - self._looked_at >= LOOK_S:
                    self._timers()
                self.tidy()
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the next alert must be looked at
                log.warning("worker_trouble", kind=type(error).__name__)
                self._stopped.wait(0.5)
                more = False
            if not more:
                self._waker.wait(POLL_S)
        self._waker.close()
        log.info("worker_stopped")

    def stop(self) -> None:
        """Lets the alert in hand be finished and ends."""
        self._stopped.set()
        self._waker.close()

    def beat(self) -> None:
        """Says once a second that this worker lives."""
        if time.monotonic() - self._beaten < BEAT_S:
            return
        self._beaten = time.monotonic()
        with self.wiring.database.transaction() as session:
            beat(session, self.id, "worker", self.wiring.clock.now())

    def turns(self) -> bool:
        """Whether it has begun and still goes on; a database that is away does not stop it."""
        return time.monotonic() - self._beaten < STUCK_S

    def tidy(self) -> None:
        """Forgets, every ten minutes, what nobody will ask for any more."""
        if time.monotonic() - self._tidied < TIDY_S:
            return
        self._tidied = time.monotonic()
        before = self.wiring.clock.now() - timedelta(days=self.wiring.settings.feed_days)
        with self.wiring.database.transaction() as session:
            gone = feed.trim(session, before) + tidying.forget(session, before)
        if gone:
            log.info("tidied", rows=gone)

    def run_due(self) -> int:
        """Does everything that is due now and says how much that was."""
        return self._rounds()[0] + self._timers()

    def _rounds(self, within_s: float = math.inf) -> tuple[int, bool]:
        return self._all(rounds.due_alerts, self._round, TOGETHER, within_s)

    def _timers(self) -> int:
        self._looked_at = time.monotonic()
        return self._all(attention.due_alerts, attention.run)[0] + self._all(following.due_requests, _follow)[0]

    def _all(
        self, find: FindDue[Due], run: RunOne[Due], fewest: int = 1, within_s: float = math.inf
    ) -> tuple[int, bool]:
        """(how many were done, whether more may be due when the time for them was over).

        A look that finds less than `fewest` was the last.
        """
        done, more, begun = 0, True, time.monotonic()
        while more and not self._stopped.is_set() and time.monotonic() - begun < within_s:
            some, alone = self._some(find, run)
            done, more = done + some, some >= fewest or (alone and some > 0)
            self.beat()
        return done, more

    def _round(self, session: Session, alert: Alert, now: datetime) -> None:
        with session.no_autoflush:  # a round writes each row once, not again before each of its questions
            rounds.run(session, alert, self.rules, now)
        session.flush()  # the next alert of this transaction must see which teams were asked

    def _some(self, find: FindDue[Due], run: RunOne[Due]) -> tuple[int, bool]:
        """(how many were done, whether one was taken by itself because some had gone wrong)."""
        now = self.wiring.clock.now()
        try:
            # Those that came together go together: one commit for all, or a crowd would wait for a disk write each.
            with self.wiring.database.transaction() as session:
                due = find(session, now, self._still_put_off(), TOGETHER)
                for one in due:
                    run(session, one, now)
                if due:
                    failpoints.hit("round.before_commit")
            if due:
                failpoints.hit("round.after_commit")
            return len(due), False
        except Exception:  # noqa: BLE001 - whichever it was, it must not stop the others: now each by itself
            return int(self._one(find, run)), True

    def _one(self, find: FindDue[Due], run: RunOne[Due]) -> bool:
        now, poison = self.wiring.clock.now(), None
        try:
            with self.wiring.database.transaction() as session:
                due = find(session, now, self._still_put_off(), 1)
                if not due:
                    return False
                poison = (type(due[0]), due[0].id)
                run(session, due[0], now)
        except Exception as error:  # one poisoned alert or night stop must never stop the others
            if poison is None:
                raise
            kind, poisoned_id = poison
            if isinstance(error, OperationalError):
                # A lock that somebody holds, a database that restarts: the alert is well, and no person can help it.
                log.warning("round_delayed", what=kind.__name__, id=str(poisoned_id), kind=type(error).__name__)
                self._put_off[poisoned_id] = time.monotonic() + TROUBLE_S
                return True
            log.error("round_failed", what=kind.__name__, id=str(poisoned_id), kind=type(error).__name__)  # noqa: TRY400 - may quote data
            self._put_off[poisoned_id] = time.monotonic() + PUT_OFF_S
            if kind is Alert:
                self._call_for_help(poisoned_id)
        return True

    def _still_put_off(self) -> list[uuid.UUID]:
        moment = time.monotonic()
        self._put_off = {each_id: until for each_id, until in self._put_off.items() if until > moment}
        return list(self._put_off)

    def _call_for_help(self, alert_id: uuid.UUID) -> None:
        try:
            with self.wiring.database.transaction() as session:
                rounds.postpone(session, alert_id, self.wiring.clock.now())
        except Exception as error:  # noqa: BLE001 - it is put off in memory in any case
            log.warning("postpone_failed", alert_id=str(alert_id), kind=type(error).__name__)


def _follow(session: Session, request: NightStopRequest, now: datetime) -> None:
    following.run(session, request, ALERT_WORK, now)
