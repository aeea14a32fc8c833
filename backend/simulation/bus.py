"""A driver's tablet in a bus, tram or train that serves its line there and back."""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import Any

from backend.simulation.night_driver import NightDriver
from backend.simulation.staff import Account, StaffActor, World
from backend.simulation.ways import Place

PACES_MPS = {"bus": 6.5, "tram": 7.5, "metro": 13.0, "ferry": 8.0, "other": 15.0}
SAYS_WHERE_EVERY_S = 2.0
FASTEST_MPS = 28.0  # faster than that nothing on a line is believed
STANDS_S = (9.0, 14.0)  # real seconds at any speed: the server counts them by its own clock


class Bus(StaffActor):
    """Runs along its line's way, waits at each stop, turns at the end. Riders aboard ask it where they are."""

    namespace = "/driver"

    def __init__(self, world: World, account: Account, line_id: str) -> None:
        super().__init__(world, account)
        self.number = account.vehicle_number or account.login
        direction = self.dice.random.choice((0, 1))
        self.line = world.town.ways.get((line_id, direction)) or world.town.other_way(line_id, direction)
        self._along_m = self.dice.between(0, self.line.way.length_m)
        self._waits_s = 0.0
        self._moved_at = world.monotonic()
        self._said_where_at = 0.0
        self._halts: list[float] | None = None
        self.night = NightDriver(self)
        self._lock = threading.Lock()

    @property
    def place(self) -> Place:
        """Where it is now; asked by the phones aboard."""
        with self._lock:
            return self.line.way.at(self._along_m)

    @property
    def along_m(self) -> float:
        """How far along its line it is; asked by the phones aboard."""
        with self._lock:
            return self._along_m

    @property
    def pace_mps(self) -> float:
        """How fast it drives between stops, by the clock of the server."""
        pace = PACES_MPS.get(self.line.mode, 6.5)
        return min(pace * self.world.speed, FASTEST_MPS)

    def clock_in(self) -> None:
        """Takes the vehicle into service on its line."""
        body = {"vehicle_number": self.number, "line_id": self.line.line_id}
        answer = self.wire.insist("POST", "/v1/driver/shift", body)
        if not answer.ok:
            self.world.counters.add(f"vehicle refused: {self.number}")

    def catch_up_whole(self) -> None:
        """The night stops of this vehicle as they are now, so that a restart of either side loses none."""
        answer = self.wire.insist("GET", "/v1/driver/snapshot")
        if answer.ok:  # a server without night stops has no such list
            self.last_seq = answer.body["seq"]
            self.night.begin_anew(answer.body["night_stops"])

    def hear(self, event: str, body: dict[str, Any]) -> None:
        """Night stops that are asked for, changed or over."""
        self.night.hear(event, body)

    def tick(self, *, connected: bool) -> None:
        """Drives on, says what it planned to say, and where it is."""
        now = self.world.monotonic()
        self.night.tick(now)
        self.drive(now - self._moved_at)
        self._moved_at = now
        if now - self._said_where_at >= SAYS_WHERE_EVERY_S:
            self._said_where_at = now
            self._say_where(connected=connected)

    def drive(self, seconds: float) -> None:
        """So many seconds along the line: driving, waiting at stops, turning at its end."""
        if self._halts is None:
            self._halts = self.world.town.halts(self.line)
        seconds *= self.world.speed
        waited = min(self._waits_s, seconds)
        self._waits_s -= waited
        seconds -= waited
        if seconds <= 0:
            return
        goal = self._along_m + self.pace_mps * seconds / self.world.speed
        ahead = bisect_right(self._halts, self._along_m + 1)
        if ahead < len(self._halts) and self._halts[ahead] <= goal:
            goal = self._halts[ahead]
            self._waits_s = self.dice.between(8, 25)
        promised = self.night.next_halt(self.line.way, self._along_m)
        if promised is not None and promised[0] <= goal:
            goal = promised[0]
            self._waits_s = self.dice.between(*STANDS_S) * self.world.speed
            self.night.stand(promised[1])
        if goal >= self.line.way.length_m:
            self._turn()
            return
        with self._lock:
            self._along_m = goal

    def _turn(self) -> None:
        with self._lock:
            self.line = self.world.town.other_way(self.line.line_id, self.line.direction_id)
            self._along_m = 0.0
        self._waits_s = self.dice.between(30, 90)
        self._halts = None

    def _say_where(self, *, connected: bool) -> None:
        place = self.place
        fix = {
            "latitude": round(place.latitude, 6), "longitude": round(place.longitude, 6),
            "accuracy_m": round(self.dice.between(4, 15), 1), "provider": "gnss", "fix_age_ms": 0,
            "heading_deg": round(self.line.way.heading_at(self._along_m), 1) % 360,
            "speed_mps": 0.0 if self._waits_s > 0 else round(self.pace_mps, 1),
        }
        self.world.counters.add("vehicle positions")
        if connected:
            self.live.send("position", fix)
        else:
            self.wire.ask("POST", "/v1/driver/positions", {"points": [fix]})
