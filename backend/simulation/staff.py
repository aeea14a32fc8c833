"""A member of staff at work: signed in, connected, and caught up after whatever happened meanwhile."""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.simulation.behaviour import Dice
from backend.simulation.live import Event, Live
from backend.simulation.town import Town
from backend.simulation.wire import Counters, Unreachable, Wire


@dataclass(frozen=True)
class World:
    """What every actor of one simulation shares."""

    url: str
    live_url: str
    town: Town
    counters: Counters
    stop: threading.Event
    seed: int
    speed: float
    monotonic: Callable[[], float] = time.monotonic
    say: Callable[[str], object] = lambda _: None

    def wire(self) -> Wire:
        """A connection of one's own to the server."""
        return Wire(self.url, self.counters, self.stop)


@dataclass(frozen=True)
class Account:
    """A demo account, as the file of accounts says it."""

    login: str
    password: str
    role: str
    team_id: str | None = None
    vehicle_number: str | None = None


class StaffActor(ABC):
    """One thread, one account, one socket. The socket's events and the clock's ticks come to the same thread."""

    namespace = ""
    tick_s = 1.0

    def __init__(self, world: World, account: Account) -> None:
        self.world, self.account = world, account
        self.dice = Dice(world.seed, account.login)
        self.wire = world.wire()
        self.live = Live(world.live_url, self.namespace, world.counters)
        self.last_seq: int | None = None

    def run(self) -> None:
        """Works until the simulation stops; a server that goes away and comes back is only a pause."""
        while not self.world.stop.is_set():
            try:
                if not self._begin():
                    return
                self._work()
            except Unreachable:
                self.world.stop.wait(self.dice.between(0.5, 2))
        self.live.close()
        self.wire.close()

    def _begin(self) -> bool:
        answer = self.wire.sign_in(self.account.login, self.account.password)
        if not answer.ok:
            self.world.counters.add(f"sign-in refused: {self.account.login}")
            return False
        self.live.token_refused = False
        self.clock_in()
        self.catch_up_whole()
        return True

    def _work(self) -> None:
        next_tick = time.monotonic()
        was_connected = False
        while not (self.world.stop.is_set() or self.live.token_refused or self.wire.token_refused):
            connected = self.live.keep(self.wire.token or "")
            if connected and not was_connected:
                self.catch_up()
            was_connected = connected
            next_tick = max(next_tick + self.tick_s, time.monotonic() - 5)
            self._hear_until(next_tick)
            self.tick(connected=connected)

    def _hear_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0 and not self.world.stop.is_set():
            try:
                self._take(self.live.events.get(timeout=left))
            except queue.Empty:
                return

    def _take(self, event: Event) -> None:
        name, body = event
        seq = body.get("seq")
        if isinstance(seq, int) and name != "welcome":
            if self.last_seq is not None and seq <= self.last_seq:
                return  # came by the feed already
            self.last_seq = seq
        self.hear(name, body)

    def catch_up(self) -> None:
        """Hears from the feed what the socket could not say."""
        if self.last_seq is None:
            return
        while True:
            answer = self.wire.ask("GET", "/v1/feed", after=self.last_seq, limit=200)
            if answer.status == 401:
                return
            if not answer.ok:
                self.catch_up_whole()
                return
            for item in answer.body["items"]:
                self._take((item["type"], {"seq": item["seq"], "at": item["at"], **item["data"]}))
            self.last_seq = max(self.last_seq, answer.body["last_seq"])
            if not answer.body["more"]:
                return

    @abstractmethod
    def catch_up_whole(self) -> None:
        """Loads the whole state, where this role has one."""

    @abstractmethod
    def clock_in(self) -> None:
        """Goes on duty."""

    @abstractmethod
    def hear(self, event: str, body: dict[str, Any]) -> None:
        """One event of the feed, once."""

    @abstractmethod
    def tick(self, *, connected: bool) -> None:
        """About a second of life."""
