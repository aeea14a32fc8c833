"""A rider's phone: sends one alert until it is taken, follows it, and tells only what a rider would tell."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from backend.simulation.behaviour import MESSAGES, Dice, Profile
from backend.simulation.bus import Bus
from backend.simulation.staff import World
from backend.simulation.ways import Place, moved
from backend.simulation.wire import Answer, Unreachable, Wire

PIN, DURESS_PIN = "2468", "1357"
OVER = ("closed", "cancelled", "merged", "handed_over")
FOLLOWS_AT_MOST_S = 3600
POLL_S = 4.0
AT_HUBS = 0.33  # a metro's security log: a third of all at the ten busiest stations


class Raised:
    """The ids of the alerts that this simulation sent: its operator leaves everybody else's alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, alert_id: str) -> None:
        """One more."""
        with self._lock:
            self._ids.add(alert_id)

    def __contains__(self, alert_id: str) -> bool:
        with self._lock:
            return alert_id in self._ids


class Phone:
    """One device. It registers at its first alert and keeps its token for the next ones."""

    def __init__(self, world: World, number: int, raised: Raised) -> None:
        self._world, self._raised = world, raised
        self._dice = Dice(world.seed, f"rider {number}")
        self._wire: Wire = world.wire()
        self._has_pin = False
        self._place: Callable[[], Place] | None = None

    def alert(self, profile: Profile, hour: int, buses: Sequence[Bus], aboard: Bus | None) -> None:
        """Has an alert, from the first tap to its end; runs in a thread of its own."""
        try:
            self._register()
            body = self._dice.alert(profile, hour) | self._whereabouts(buses, aboard)
            self._raise(body)
        except Unreachable:
            self._world.counters.add("riders without an answer")

    def _register(self) -> None:
        if self._wire.token is not None:
            return
        answer = self._wire.insist("POST", "/v1/devices", {"platform": "other", "app_version": "demo"})
        if not answer.ok:
            raise Unreachable(answer.code)
        self._wire.token = answer.body["access_token"]
        if self._dice.chance(0.4):
            # The present one too: the answer may be lost, and the same request comes again to a phone that has PINs.
            pins = {"pin": PIN, "duress_pin": DURESS_PIN, "current_pin": PIN}
            self._has_pin = self._wire.insist("PUT", "/v1/devices/me/pins", pins).ok

    def _whereabouts(self, buses: Sequence[Bus], aboard: Bus | None) -> dict[str, Any]:
        if aboard is None and buses and self._dice.chance(0.4):
            aboard = self._dice.random.choice(buses)
        if aboard is not None:
            bus = aboard
            self._place = lambda: bus.place
            place: dict[str, Any] = {"line_id": bus.line.line_id, "direction_id": bus.line.direction_id,
                                     "vehicle_number": bus.number}
            underground = bus.line.mode == "metro" and self._dice.chance(0.6)
            return {"place": place} if underground else {"place": place, "position": self._fix()}
        stop = self._world.town.somewhere(self._dice.random, busy=AT_HUBS)
        off = moved(stop.place, self._dice.between(-60, 60), self._dice.between(-60, 60))
        self._place = lambda: off
        if self._dice.chance(0.15):
            return {"place": {"stop_id": stop.stop_id, "station": stop.name}}  # no fix below the ground
        if self._dice.chance(0.5):
            return {"position": self._fix()}
        return {"place": {"stop_id": stop.stop_id}, "position": self._fix()}

    def _fix(self) -> dict[str, Any]:
        accuracy = self._dice.accuracy_m()
        real = self._place() if self._place else self._world.town.stops[0].place
        seen = moved(real, self._dice.random.gauss(0, accuracy / 2), self._dice.random.gauss(0, accuracy / 2))
        return {"latitude": round(seen.latitude, 6), "longitude": round(seen.longitude, 6), "accuracy_m": accuracy,
                "provider": "fused", "fix_age_ms": self._dice.random.randrange(200, 3000)}

    def _raise(self, body: dict[str, Any]) -> None:
        alert_id = str(uuid.uuid4())
        self._raised.add(alert_id)
        self._world.counters.add("alerts sent")
        answer = self._wire.insist("PUT", f"/v1/alerts/{alert_id}", body, for_s=1800)
        if answer.status == 401:  # revoked or expired: a new device, the same cry
            self._wire.token = None
            self._register()
            answer = self._wire.insist("PUT", f"/v1/alerts/{alert_id}", body, for_s=1800)
        if not answer.ok:
            self._world.counters.add("alerts refused")
            return
        self._world.counters.add("alerts taken")
        if self._dice.chance(0.05):  # an answer lost on the way: the phone repeats itself
            self._count_replay(self._wire.insist("PUT", f"/v1/alerts/{alert_id}", body))
        self._follow(alert_id)

    def _count_replay(self, answer: Answer) -> None:
        good = answer.status == 200 and answer.headers.get("Idempotent-Replayed") == "true"
        self._world.counters.add("repeats recognised" if good else "repeats not recognised")

    def _follow(self, alert_id: str) -> None:
        began, told = time.monotonic(), ""
        cancels_at = began + self._dice.between(15, 90) if self._dice.chance(0.08) else None
        writes_at = began + self._dice.between(10, 60) if self._dice.chance(0.3) else None
        point = 0
        while time.monotonic() - began < FOLLOWS_AT_MOST_S and not self._world.stop.wait(POLL_S):
            answer = self._wire.insist("GET", f"/v1/alerts/{alert_id}")
            if not answer.ok:
                return
            if answer.body["state"] != told:
                told = answer.body["state"]
                self._world.counters.add(f"riders told: {told}")
            if told in OVER:
                return
            if cancels_at is not None and time.monotonic() >= cancels_at:
                cancels_at = None
                pin = {"pin": PIN if self._dice.chance(0.8) else DURESS_PIN} if self._has_pin else {}
                self._wire.insist("POST", f"/v1/alerts/{alert_id}/cancel", pin)
            if writes_at is not None and time.monotonic() >= writes_at:
                writes_at = None
                text = {"id": str(uuid.uuid4()), "text": self._dice.random.choice(MESSAGES)}
                self._wire.insist("POST", f"/v1/alerts/{alert_id}/messages", text)
            if told != "resolved" and self._dice.chance(0.5):
                point += 1
                fix = {**self._fix(), "point_seq": point}
                self._wire.insist("POST", f"/v1/alerts/{alert_id}/positions", {"points": [fix]})
