"""The tail of the live feed: one reader per process, which gives each entry to the sockets of its audience."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backend import failpoints, feed
from backend.database import Database
from backend.measures import Measures
from backend.socket_server import Server
from backend.times import stamp
from backend.wakers import Waker

log = structlog.get_logger("live")
POLL_S = 1.0
GAP_S = 0.005
_BATCH = 500
_NAMESPACES = {
    "control": ("/control",),
    "team": ("/agent",),
    "device": ("/rider",),
    "vehicle": ("/driver",),
    "staff": ("/agent", "/driver", "/control"),
}


class Tail:
    """Reads what was committed after the last entry emitted, and emits it, in order, without a gap."""

    def __init__(self, database: Database, server: Server, now: Callable[[], datetime], measures: Measures) -> None:
        self.last_seq = 0
        self.known_seq = 0
        self.emitted = 0
        self.emitted_deliveries: list[tuple[uuid.UUID, datetime]] = []
        """Messages that were written to a socket, and when; whoever stores that takes them away (`Live`)."""
        self.ready = threading.Event()
        self._now = now
        self._measures = measures
        self._database = database
        self._server = server
        self._looked_at = time.monotonic()
        self._waker: Waker | None = None
        self._stopped = threading.Event()

    @property
    def lag(self) -> int:
        """How many numbers the newest entry seen is ahead of the last one emitted."""
        return max(0, self.known_seq - self.last_seq)

    @property
    def blind_s(self) -> float:
        """Seconds since the feed was last read; more than a few while the database is away."""
        return time.monotonic() - self._looked_at

    def stop(self) -> None:
        """Makes `run` return at once."""
        self._stopped.set()
        if self._waker is not None:
            self._waker.close()

    def run(self) -> None:
        """Follows the feed until stopped, whatever happens to the database meanwhile."""
        waker = self._waker = self._database.waker()
        blind = False
        try:
            while not self._stopped.is_set():
                try:
                    if not self.ready.is_set():
                        self._begin()
                    self.catch_up()
                    if blind:
                        log.warning("feed_seen_again", last_seq=self.last_seq)
                    blind = False
                except (SQLAlchemyError, OSError) as error:
                    if not blind:
                        log.warning("feed_out_of_sight", kind=type(error).__name__)
                    blind = True
                    self._stopped.wait(0.2)
                if waker.wait(POLL_S):
                    # Under load each commit wakes: a moment's patience reads several at once.
                    self._stopped.wait(max(0.0, self._looked_at + GAP_S - time.monotonic()))
        finally:
            waker.close()

    def _begin(self) -> None:
        with self._database.reading() as session:
            self.last_seq = self.known_seq = feed.last_seq(session)
        self.ready.set()

    def catch_up(self) -> None:
        """Emits everything that is there by now."""
        while True:
            with self._database.reading() as session:
                self.known_seq, entries = feed.settled_after(session, self.last_seq, _BATCH)
            self._looked_at = time.monotonic()
            if entries:
                failpoints.hit("live.before_emit")
            for entry in entries:
                if self._emit(entry):
                    at = self._now()
                    self._measures.emitted(entry.audience, (at - entry.at).total_seconds())
                    if entry.delivery_id is not None:
                        self.emitted_deliveries.append((entry.delivery_id, at))
                    time.sleep(0)  # lets the sockets be written and read: a burst would overflow everybody's backlog
                self.last_seq = entry.seq
            if len(entries) < _BATCH:
                self.last_seq = max(self.last_seq, self.known_seq)  # the rest are numbers of what was not committed
                return
            if self._stopped.is_set():
                return

    def _emit(self, entry: feed.Line) -> int:
        heard_in = [
            namespace
            for namespace in _NAMESPACES.get(entry.audience.partition(":")[0], ())
            if self._server.manager.members(namespace, entry.audience)
        ]
        if not heard_in:
            return 0
        # The data is JSON already, with exactly the fields of this audience: it is passed on, not built again.
        fields = entry.data.decode()[1:]
        text = f'{{"seq":{entry.seq},"at":"{stamp(entry.at)}"{"," if fields != "}" else ""}{fields}'
        count = sum(
            self._server.emit_json(entry.type, text, room=entry.audience, namespace=namespace) for namespace in heard_in
        )
        self.emitted += count
        return count
