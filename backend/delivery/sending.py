"""Sending: claims what is due, gives it to its channel with no transaction open, writes down what came of it.

Each channel has a few threads of its own: a provider that hangs holds up nobody else's messages.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backend import failpoints
from backend.delivery import ending, outbox
from backend.delivery.breaker import Breaker
from backend.delivery.channels import Channel, Outcome
from backend.delivery.outbox import Claimed, Mistake
from backend.wiring import Wiring

log = structlog.get_logger("sending")
POLL_S = 1.0
SWEEP_S = 1.0
TOGETHER = 8
"""Messages of one channel that are under way at a time in one process."""


class _Lane:
    """One channel of this process: its threads, its breaker, and how many messages are under way."""

    def __init__(self, channel: Channel, rate_per_s: float) -> None:
        self.channel = channel
        self.breaker = Breaker(rate_per_s)
        self.threads = ThreadPoolExecutor(TOGETHER, thread_name_prefix=f"send-{channel.name}")
        self.under_way: set[Future[None]] = set()


class Sender:
    """Sends what is due, again and again, until it is stopped; several processes may do so side by side."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        settings = wiring.settings
        rates = {"sms": settings.texts_per_s}
        self._lanes = {
            name: _Lane(channel, rates.get(name, settings.pushes_per_s)) for name, channel in wiring.channels.items()
        }
        self._stopped = threading.Event()
        self._waker = wiring.database.waker("outbox")
        self._swept = 0.0

    def run(self) -> None:
        """Works until `stop`; a database that is away is waited for, whatever time it takes."""
        if not self._lanes:
            self._stopped.wait()
        while not self._stopped.is_set():
            if not self._wiring.clock.ready():
                self._stopped.wait(0.2)  # by a clock that is an hour wrong every message would be too late
                continue
            try:
                waiting = self._look()
                begun = self._begin(waiting)
                self._sweep()
                pause_s = 0.0 if begun else self._pause_s(waiting)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the next message must be looked at
                log.warning("sending_trouble", kind=type(error).__name__)
                self._stopped.wait(0.5)
                pause_s = POLL_S
            if pause_s > 0:
                self._waker.wait(pause_s)
        for lane in self._lanes.values():
            lane.threads.shutdown(wait=True)
        self._waker.close()

    def stop(self) -> None:
        """Lets what is under way be finished and ends."""
        self._stopped.set()
        self._waker.close()

    def turn(self) -> int:
        """Sends everything that is due now, waits for it, and says how much that was."""
        total = 0
        while begun := self._begin(self._look()):
            total += begun
            for lane in self._lanes.values():
                wait(lane.under_way)
        self._sweep()
        return total

    def _look(self) -> dict[str, datetime]:
        if not self._lanes:
            return {}
        with self._wiring.database.reading() as session:
            return outbox.waiting(session, list(self._lanes), self._wiring.clock.now())

    def _begin(self, waiting: dict[str, datetime]) -> int:
        now = self._wiring.clock.now()
        return sum(self._begin_lane(name, self._lanes[name]) for name, at in waiting.items() if at <= now)

    def _begin_lane(self, name: str, lane: _Lane) -> int:
        lane.under_way = {one for one in lane.under_way if not one.done()}
        now, room = self._wiring.clock.now(), TOGETHER - len(lane.under_way)
        if lane.breaker.open(now):
            with self._wiring.database.transaction() as session:
                outbox.pass_over(session, name, now)
            return 0
        granted = min(room, lane.breaker.room(now))
        if granted < 1:
            return 0
        settings = self._wiring.settings
        with self._wiring.database.transaction() as session:
            claimed = outbox.claim(
                session, name, now, limit=granted, lease_s=settings.lease_s, title=settings.network_name
            )
        lane.breaker.spend(len(claimed), now)
        for one in claimed:
            lane.under_way.add(lane.threads.submit(self._send, lane, one))
        return len(claimed)

    def _send(self, lane: _Lane, claimed: Claimed) -> None:
        at = self._wiring.clock.now()
        outcome: Outcome | Mistake
        try:
            failpoints.hit("delivery.before_send")
            outcome = lane.channel.send(claimed.message(), at)
            failpoints.hit("delivery.after_send")
        except Exception as error:  # noqa: BLE001 - a poisoned message must never stop the others
            log.error("message_failed", delivery_id=str(claimed.id), kind=type(error).__name__)  # noqa: TRY400 - may quote data
            outcome = Mistake(type(error).__name__)
        else:
            lane.breaker.note(outcome, self._wiring.clock.now())
        self._settle(claimed, outcome, at)

    def _settle(self, claimed: Claimed, outcome: Outcome | Mistake, at: datetime) -> None:
        try:
            with self._wiring.database.transaction() as session:
                mine = outbox.settle(session, claimed, outcome, at, self._wiring.clock.now(), jitter=random.random())  # noqa: S311
            if not mine:
                log.warning("lease_lost", delivery_id=str(claimed.id))
        except SQLAlchemyError as error:
            # Nothing is lost: the lease ends and the message goes out again.
            log.warning("settle_failed", delivery_id=str(claimed.id), kind=type(error).__name__)

    def _sweep(self) -> None:
        if time.monotonic() - self._swept < SWEEP_S:
            return
        self._swept = time.monotonic()
        with self._wiring.database.transaction() as session:
            ending.sweep(session, self._wiring.clock.now())

    def _pause_s(self, waiting: dict[str, datetime]) -> float:
        now = self._wiring.clock.now()
        first = min((at for name, at in waiting.items() if not self._lanes[name].breaker.open(now)), default=None)
        if first is None:
            return POLL_S
        # What is due and yet was not claimed waits for the rate limit or a free thread: soon again.
        return min(POLL_S, max(0.05, (first - now).total_seconds()))
