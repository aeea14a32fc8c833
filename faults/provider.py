"""Google's push as the experiments need it: what it accepts reaches a phone, and everything it was given is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.providers import Answer, FcmProvider, Heard, Provider

Json = dict[str, Any]
Deliver = Callable[[str, Json], None]


@dataclass(frozen=True)
class Push:
    """One message that was handed to the provider; `at` is the wall clock, to hold against the database."""

    at: float
    address: str
    message: Json
    status: int

    @property
    def data(self) -> dict[str, str]:
        """What the phone is given."""
        found: dict[str, str] = self.message.get("data", {})
        return found


class PushProvider(FcmProvider):
    """Accepts, keeps a log, and gives each accepted message to the phone whose address it bears."""

    def __init__(self) -> None:
        self.log: list[Push] = []
        self.deliver: Deliver | None = None
        super().__init__()

    def answer_to(self, heard: Heard) -> Answer:
        """As its parent; then the phone hears of it."""
        answer = super().answer_to(heard)
        if heard.path.endswith("messages:send"):
            message = heard.json["message"]
            address = message.get("token") or message.get("fid") or ""
            self.log.append(Push(time.time(), address, message, answer.status))
            if answer.status == 200 and not answer.hang and self.deliver is not None:
                self.deliver(address, message.get("data", {}))
        return answer

    def refused(self) -> int:
        """How many messages were not accepted so far."""
        return sum(1 for one in self.log if one.status != 200)


class Monitor(Provider):
    """Somebody outside who waits for signs of life."""

    def __init__(self) -> None:
        self.signs: list[float] = []
        super().__init__()

    def deserved(self, _heard: Heard) -> Answer:
        """A plain yes; the instant (`time.monotonic`) is kept."""
        self.signs.append(time.monotonic())
        return Answer(200, "ok")

    def silence_s(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self.signs[-1] if self.signs else float("inf")
