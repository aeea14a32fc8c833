"""Riders of night buses who ask to get off between two stops: in time or too late, and what they do with the answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from backend.simulation.behaviour import Dice, NightWish
from backend.simulation.bus import Bus
from backend.simulation.night_wishes import wished_place
from backend.simulation.phone import Raised
from backend.simulation.staff import World
from backend.simulation.ways import Place, moved
from backend.simulation.wire import Answer, Unreachable, Wire

FIRST_AFTER_S, LOOKS_AGAIN_S = 10.0, 30.0
MOST_RIDING = 60
POLL_S, FOLLOWS_AT_MOST_S = 2.5, 1800
LIVE = ("requested", "sent_to_driver", "alternative_proposed", "accepted", "approaching")


class NightRider:
    """One device aboard night buses, with at most one wish at a time."""

    def __init__(self, world: World, number: int, raised: Raised) -> None:
        self._world, self._raised = world, raised
        self._dice = Dice(world.seed, f"night rider {number}")
        self._wire: Wire = world.wire()

    def lines(self) -> list[dict[str, Any]] | None:
        """The lines on which night stops are possible; None where the server offers none."""
        self._register()
        answer = self._wire.insist("GET", "/v1/night-stops/lines")
        return list(answer.body["items"]) if answer.ok else None

    def ride(self, bus: Bus) -> None:
        """Asks for one night stop and follows it to its end, home included; runs in a thread of its own."""
        try:
            self._register()
            self._ask(bus, self._dice.night_wish())
        except Unreachable:
            self._count("riders without an answer")

    def _register(self) -> None:
        if self._wire.token is not None and not self._wire.token_refused:
            return
        self._wire.token, self._wire.token_refused = None, False
        answer = self._wire.insist("POST", "/v1/devices", {"platform": "other", "app_version": "demo"})
        if not answer.ok:
            raise Unreachable(answer.code)
        self._wire.token = answer.body["access_token"]

    def _ask(self, bus: Bus, wish: NightWish) -> None:
        place = wished_place(wish.kind, bus, self._dice)
        if place is None:
            self._count("night stops: too near to the terminus to ask")
            return
        body = self._body(bus, wish, place)
        self._count("night stops asked")
        verdict = self._wire.insist("POST", "/v1/night-stops/check", body)
        if verdict.ok and not verdict.body["possible"]:
            self._count(f"night stops: not possible: {verdict.body['code']}")
            if self._dice.chance(0.35) and (other := _instead(verdict.body["instead"])) is not None:
                body["wanted"] = other  # the page shows what is possible before anything is sent
                self._count("night stops: other place taken")
        answer = self._send(body)
        if answer.status == 422 and answer.code not in ("invalid", "field_invalid") and self._dice.chance(0.5):
            other = _instead((answer.body or {}).get("instead") or [])
            if other is not None:
                self._count("night stops: other place taken")
                answer = self._send({**body, "wanted": other, "position": self._fix(bus)})
        if answer.ok:
            self._follow(answer.body, wish)

    def _body(self, bus: Bus, wish: NightWish, place: Place) -> dict[str, Any]:
        body: dict[str, Any] = {
            "line_id": bus.line.line_id, "direction_id": bus.line.direction_id, "position": self._fix(bus),
            "wanted": {"latitude": round(place.latitude, 6), "longitude": round(place.longitude, 6)},
        }
        if wish.reads_number:
            body["vehicle_number"] = bus.number
        if wish.ramp:
            body["ramp"] = True
        if wish.home_timer_s:
            body["home_timer_s"] = wish.home_timer_s
        if wish.kind == "after_a_tunnel":
            body["queued_ms"] = 40_000
        return body

    def _fix(self, bus: Bus) -> dict[str, Any]:
        accuracy = min(self._dice.accuracy_m(), 60.0)
        seen = moved(bus.place, self._dice.random.gauss(0, accuracy / 2), self._dice.random.gauss(0, accuracy / 2))
        return {"latitude": round(seen.latitude, 6), "longitude": round(seen.longitude, 6), "accuracy_m": accuracy,
                "provider": "fused", "fix_age_ms": self._dice.random.randrange(200, 2000)}

    def _send(self, body: dict[str, Any]) -> Answer:
        path = f"/v1/night-stops/{uuid.uuid4()}"
        answer = self._wire.insist("PUT", path, body)
        if self._dice.chance(0.08):  # an answer lost on the way: the phone repeats itself, from where it is by then
            again = self._wire.insist("PUT", path, {**body, "queued_ms": 2_000})
            same = (again.status == 200 and answer.ok) or (again.status, again.code) == (answer.status, answer.code)
            self._count("repeats recognised" if same else "repeats not recognised")
        return answer

    def _follow(self, card: dict[str, Any], wish: NightWish) -> None:
        path, told = f"/v1/night-stops/{card['id']}", ""
        began, speed = time.monotonic(), self._world.speed
        cancels_at = began + self._dice.between(4, 60) / speed if self._dice.chance(0.07) else None
        while True:
            if card["state"] != told:
                told = card["state"]
                self._count(f"night stops: {told}")
            if told not in LIVE or time.monotonic() - began > FOLLOWS_AT_MOST_S:
                break
            if told == "alternative_proposed" and not self._pause(self._dice.between(2, 8) / speed):
                self._wire.insist("POST", f"{path}/alternative", {"accept": self._dice.chance(0.75)})
            elif cancels_at is not None and time.monotonic() >= cancels_at:
                cancels_at = None
                self._wire.insist("POST", f"{path}/cancel", {})
            if self._pause(POLL_S):
                return
            answer = self._wire.insist("GET", path)
            if not answer.ok:
                return
            card = answer.body
        if told == "alighted":
            self._go_home(path, card, wish)

    def _go_home(self, path: str, card: dict[str, Any], wish: NightWish) -> None:
        if self._dice.chance(0.04):  # the bus stood at a red light, and its doors stayed shut
            answer = self._wire.insist("POST", f"{path}/still-on-board", {})
            self._count(f"night stops: {answer.body['state']}" if answer.ok else "night stops: still on board, late")
            return
        if not card.get("home_due_at"):
            return
        if wish.says_home:
            if not self._pause(self._dice.between(60, 200) / self._world.speed):
                home = self._wire.insist("POST", f"{path}/arrived", {})
                self._count("night stops: home" if home.ok else "night stops: home not taken")
            return
        self._forget_the_timer(wish.home_timer_s or 300)

    def _forget_the_timer(self, timer_s: int) -> None:
        """Says nothing, so that an alert is raised for her; then she sees it and takes it back."""
        until = time.monotonic() + timer_s + 400
        while time.monotonic() < until and not self._pause(15):
            answer = self._wire.insist("GET", "/v1/alerts")
            for alert in answer.body["items"] if answer.ok else []:
                self._raised.add(alert["id"])
                self._count("night stops: home timer became an alert")
                if not self._pause(self._dice.between(20, 60)):
                    self._wire.insist("POST", f"/v1/alerts/{alert['id']}/cancel", {})
                return

    def _pause(self, seconds: float) -> bool:
        """True when the simulation ends meanwhile."""
        return self._world.stop.wait(seconds)

    def _count(self, what: str) -> None:
        self._world.counters.add(what)


class NightRiders:
    """Everybody who asks for night stops: by chance, at the wished rate, aboard the buses that may make them."""

    def __init__(
        self, world: World, buses: Sequence[Bus], raised: Raised, rate: float,
        spawn: Callable[[Callable[[], Any]], None],
    ) -> None:  # fmt: skip
        self._world, self._buses, self._raised = world, buses, raised
        self._rate, self._spawn = rate, spawn
        self._dice = Dice(world.seed, "night riders")
        self._free: list[NightRider] = []
        self._riders = 0
        self._said: set[str] = set()
        self._may: list[dict[str, Any]] = []
        self._looked_at: float | None = None

    def run(self) -> None:
        """Lets riders ask until the simulation ends; a server without night stops is said once, and asked again."""
        if self._rate <= 0:
            return
        wait_s, scout = FIRST_AFTER_S, NightRider(self._world, 0, self._raised)
        while not self._world.stop.wait(wait_s):
            try:
                ready = self._ready(scout)
            except Unreachable:
                ready = []
            if ready:
                self._let_ask(self._dice.random.choice(ready))
            wait_s = min(self._dice.next_alert_s(self._rate), 600.0) if ready else LOOKS_AGAIN_S

    def _ready(self, scout: NightRider) -> list[Bus]:
        """The buses aboard which a night stop may be asked for now."""
        if self._looked_at is None or time.monotonic() - self._looked_at > LOOKS_AGAIN_S:
            found = scout.lines()
            self._looked_at, self._may = time.monotonic(), [one for one in found or [] if one["open_now"]]
            if not found:
                self._say_once("no night stops here: the server offers none")
            elif not self._may:
                self._say_once("no night stops at this hour")
        may = {(one["line_id"], one["direction_id"]) for one in self._may}
        ready = [bus for bus in self._buses
                 if (bus.line.line_id, bus.line.direction_id) in may or (bus.line.line_id, None) in may]  # fmt: skip
        if self._may and not ready:
            self._say_once("no night stops yet: no vehicle in service on those lines")
        return ready

    def _let_ask(self, bus: Bus) -> None:
        if not self._free:
            if self._riders >= MOST_RIDING:
                self._world.counters.add("riders all busy")
                return
            self._riders += 1
            self._free.append(NightRider(self._world, self._riders, self._raised))
        rider = self._free.pop()

        def ride() -> None:
            rider.ride(bus)
            self._free.append(rider)

        self._spawn(ride)

    def _say_once(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._world.say(what)


def _instead(offered: Sequence[dict[str, Any]]) -> dict[str, float] | None:
    """The first place between stops among what is possible; a regular stop needs no asking."""
    for one in offered:
        if one["kind"] != "regular_stop":
            return {"latitude": one["latitude"], "longitude": one["longitude"]}
    return None
