"""What clients saw of their own requests. A request without an answer is neither done nor not done: it is unknown."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["running", "ok", "fail", "unknown"]


@dataclass
class Operation:
    """One request of one client; instants of `time.monotonic`."""

    what: str
    key: str
    """What it is about, mostly an alert's id: operations with one key are tries of the same thing."""
    began: float
    outcome: Outcome = "running"
    ended: float = 0.0
    status: int = 0
    code: str = ""

    def end(self, status: int, code: str = "") -> None:
        """Says what came back: 2xx is ok, a 4xx is a definite no, anything else may or may not have happened."""
        self.ended, self.status, self.code = time.monotonic(), status, code
        self.outcome = "ok" if 200 <= status < 300 else "fail" if 400 <= status < 500 else "unknown"


@dataclass
class History:
    """Every operation of all clients, in the order in which they began."""

    operations: list[Operation] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, what: str, key: str) -> Operation:
        """One that begins now; whoever began it calls `end`, or it stays unknown."""
        made = Operation(what, key, time.monotonic())
        with self._turn:
            self.operations.append(made)
        return made

    def of(self, what: str) -> list[Operation]:
        """All operations of a kind."""
        with self._turn:
            return [one for one in self.operations if one.what == what]

    def keys(self, what: str, outcomes: Iterable[Outcome]) -> set[str]:
        """What was ever answered like this."""
        wanted = set(outcomes)
        return {one.key for one in self.of(what) if one.outcome in wanted}

    def never_answered(self, what: str) -> set[str]:
        """What was tried and never got a yes nor a no: both are possible."""
        return {one.key for one in self.of(what)} - self.keys(what, ("ok", "fail"))
