"""One process, many actors: starts them, lets alerts happen, shows what happens, and stops them gracefully."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.simulation.behaviour import Dice, Profile
from backend.simulation.bus import Bus
from backend.simulation.night_rider import NightRiders
from backend.simulation.operator import Operator
from backend.simulation.patrol import Patrol
from backend.simulation.phone import Phone, Raised
from backend.simulation.staff import Account, StaffActor, World
from backend.simulation.town import Town
from backend.simulation.tracks import Fix, moved_to
from backend.simulation.wire import Counters, Wire

MOST_OPEN = 300  # phones that follow an alert at the same time: beyond it, riders wait for a free phone
START_GAP_S = 0.05


@dataclass(frozen=True)
class Wishes:
    """What to simulate."""

    url: str
    live_url: str
    teams: int
    vehicles: int
    riders: int
    rate: float
    speed: float
    seed: int
    profile: Profile
    tracks: list[list[Fix]]
    with_operator: bool = True
    night_stops: float = 0.0
    say: Callable[[str], object] = lambda _: None


def read_accounts(path: Path) -> list[Account]:
    """The demo accounts in a file written by the server's demo data."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        Account(entry["login"], entry["password"], entry["role"], entry.get("team_id"), entry.get("vehicle_number"))
        for entry in content["accounts"] if entry.get("simulated", True)
    ]


class Simulation:
    """The town alive."""

    def __init__(self, wishes: Wishes, accounts: list[Account], counters: Counters, stop: threading.Event) -> None:
        self.wishes, self.accounts, self.counters, self.stop = wishes, accounts, counters, stop
        self._threads: list[threading.Thread] = []
        self._buses: list[Bus] = []
        self._raised = Raised()
        self._free: list[Phone] = []
        self._lock = threading.Lock()
        self._phones = 0

    def start(self) -> World:
        """Loads the town and starts everybody; from then on everything happens in threads."""
        wishes = self.wishes
        town = Town.load(Wire(wishes.url, self.counters, self.stop))
        world = World(
            wishes.url, wishes.live_url, town, self.counters, self.stop, wishes.seed, wishes.speed, say=wishes.say,
        )
        for actor in self._cast(world):
            self._spawn(actor.run)
            self.stop.wait(START_GAP_S)  # a password takes its server a while: not all at once
        self._spawn(lambda: self._let_things_happen(world))
        self._spawn(NightRiders(world, self._buses, self._raised, wishes.night_stops, self._spawn).run)
        return world

    def join(self, seconds: float) -> None:
        """Waits for everybody to leave, at most so long."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _cast(self, world: World) -> list[StaffActor]:
        wishes, dice = self.wishes, Dice(self.wishes.seed, "cast")
        by_team: dict[str | None, Account] = {}
        for account in self._of("agent"):
            by_team.setdefault(account.team_id or account.login, account)
        patrols: list[StaffActor] = []
        for number, account in enumerate(list(by_team.values())[:wishes.teams]):
            recorded = wishes.tracks[number % len(wishes.tracks)] if wishes.tracks else None
            track = moved_to(recorded, world.town.somewhere(dice.random, busy=1.0).place) if recorded else None
            patrols.append(Patrol(world, account, track))
        lines = world.town.lines_to_drive()
        drivers = self._of("driver")[:wishes.vehicles] if lines else []
        self._buses = [Bus(world, account, lines[n % len(lines)]) for n, account in enumerate(drivers)]
        operators = self._of("operator") if wishes.with_operator else []
        return [*patrols, *self._buses, *(Operator(world, one, self._raised) for one in operators[-1:])]

    def _of(self, role: str) -> list[Account]:
        return [account for account in self.accounts if account.role == role]

    def _let_things_happen(self, world: World) -> None:
        dice = Dice(self.wishes.seed, "alerts")
        self.stop.wait(3)  # let teams come on duty first
        while not self.stop.is_set():
            hour = datetime.now().astimezone().hour
            per_minute = self.wishes.rate * self.wishes.profile.rate_factor(hour)
            # no longer than ten minutes, then the dice are thrown anew at the next hour's rate
            wait_s = dice.next_alert_s(per_minute)
            if self.stop.wait(min(wait_s, 600.0)) or wait_s > 600.0:
                continue
            witnesses = dice.witnesses() if self._buses else 0
            aboard = dice.random.choice(self._buses) if witnesses else None
            for number in range(1 + witnesses):
                if number and self.stop.wait(dice.between(1, 8)):
                    return
                self._have_alert(world, hour, aboard)

    def _have_alert(self, world: World, hour: int, aboard: Bus | None) -> None:
        with self._lock:
            if self._free:
                phone = self._free.pop(0)
            elif self._phones < min(self.wishes.riders, MOST_OPEN):
                self._phones += 1
                phone = Phone(world, self._phones, self._raised)
            else:
                self.counters.add("riders all busy")
                return

        def have() -> None:
            phone.alert(self.wishes.profile, hour, self._buses, aboard)
            with self._lock:
                self._free.append(phone)

        self._spawn(have)

    def _spawn(self, work: Callable[[], Any]) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        thread.start()

    def _guarded(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:  # one actor's mistake ends that actor, and is said
            self.counters.add(f"an actor fell: {type(error).__name__}: {error}"[:120])
            raise
