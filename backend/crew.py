"""The crew of a worker process: its loops, each in a thread of its own, started and ended together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import structlog

from backend.clock import DatabaseClock
from backend.delivery.sending import Sender
from backend.systemd import supervised
from backend.watch.auditing import Auditor
from backend.watch.dead_man import DeadMan
from backend.watch.drill_runner import DrillRunner
from backend.wiring import Wiring
from backend.worker import Worker

log = structlog.get_logger("crew")


class Loop(Protocol):
    """Something that works until it is told to stop, whatever happens to the database meanwhile."""

    def run(self) -> None:
        """Works until `stop`."""

    def stop(self) -> None:
        """Lets what is in hand be finished and ends; may be called from a signal handler and from another thread."""


class Crew:
    """All loops of one worker process."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        self.loops = loops
        self.failed = False
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts each loop in a thread of its own."""
        for loop in self.loops:
            name = type(loop).__name__.lower()
            thread = threading.Thread(target=self._run, args=(loop, name), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Tells each loop to end."""
        self._stopping = True
        for loop in self.loops:
            loop.stop()

    def join(self, timeout_s: float | None = None) -> None:
        """Returns when every loop has ended, or each was given so many seconds."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _run(self, loop: Loop, name: str) -> None:
        try:
            loop.run()
        except Exception as error:  # noqa: BLE001 - said below, without what it may quote
            log.error("loop_failed", loop=name, kind=type(error).__name__)  # noqa: TRY400
        if not self._stopping:
            # Half a worker looks alive and does not do its work: it ends whole, and whoever runs it starts it again.
            self.failed = True
            self.stop()


def crew_of(wiring: Wiring) -> Crew:
    """The loops that a worker process of this installation runs."""
    worker = Worker(wiring)
    loops: list[Loop] = [worker, Sender(wiring), Auditor(wiring), *supervised(worker.turns)]
    if wiring.settings.dead_man_url:
        loops.append(DeadMan(wiring))
    if wiring.settings.drill_every_s:
        loops.append(DrillRunner(wiring))
    if isinstance(wiring.clock, DatabaseClock):
        loops.insert(0, wiring.clock)
    return Crew(loops)
