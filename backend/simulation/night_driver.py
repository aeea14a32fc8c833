"""What a driver does about night stops: looks, answers or not, stands at the promised place, or drives past it."""

from __future__ import annotations

from typing import Any, NamedTuple

from backend.simulation.staff import StaffActor
from backend.simulation.ways import Place, Way

PROMISED = ("accepted", "approaching")
ON_MY_WAY_M = 60.0
TAPS_ALIGHTED = 0.2


class Promise(NamedTuple):
    """A place at which this driver has promised to stop, and what will become of it."""

    place: Place
    kept: bool


class Plan(NamedTuple):
    """Something to be said at its time."""

    at: float
    word: str
    stop_id: str
    reason: str | None


class NightDriver:
    """The night stops of one driver's tablet; events and ticks come to the same thread."""

    def __init__(self, actor: StaffActor) -> None:
        self._actor = actor
        self._looked_at: set[str] = set()
        self._decided: set[str] = set()
        self._promises: dict[str, Promise] = {}
        self._plans: list[Plan] = []

    def hear(self, event: str, body: dict[str, Any]) -> None:
        """A stop that is asked for, has changed, or is over."""
        if event in ("night_stop.requested", "night_stop.changed"):
            self.take(body["night_stop"])
        elif event == "night_stop.gone":
            self._forget(body["night_stop_id"])

    def begin_anew(self, cards: list[dict[str, Any]]) -> None:
        """The stops as the server knows them now, after whatever happened meanwhile."""
        still = {card["id"] for card in cards}
        for stop_id in [one for one in self._promises if one not in still]:
            self._forget(stop_id)
        self._plans = [plan for plan in self._plans if plan.stop_id in still]
        for card in cards:
            self.take(card)

    def take(self, card: dict[str, Any]) -> None:
        """One stop as it stands: a question is looked at once, a promise is remembered with its place."""
        if card["state"] == "sent_to_driver":
            if card["delivery_id"] not in self._looked_at:
                self._looked_at.add(card["delivery_id"])
                self._consider(card)
        elif card["state"] in PROMISED:
            self._promise(card["id"], Place(card["place"]["latitude"], card["place"]["longitude"]))
        elif card["state"] != "alternative_proposed":
            self._forget(card["id"])

    def tick(self, now: float) -> None:
        """Says what was planned for now."""
        due = [plan for plan in self._plans if plan.at <= now]
        self._plans = [plan for plan in self._plans if plan.at > now]
        for plan in due:
            self._say(plan.word, plan.stop_id, plan.reason)

    def next_halt(self, way: Way, along_m: float) -> tuple[float, str] | None:
        """(metres along the way, stop) of the next promised place at which this driver will really stand."""
        found = []
        for stop_id, promise in self._promises.items():
            metres, off = way.nearest(promise.place, along_m)
            if promise.kept and off <= ON_MY_WAY_M and metres >= along_m:
                found.append((metres, stop_id))
        return min(found, default=None)

    def stand(self, stop_id: str) -> None:
        """The bus stands there with its doors open; some drivers say themselves that people got off."""
        self._promises.pop(stop_id, None)
        self._count("night stops: bus stood there")
        if self._actor.dice.chance(TAPS_ALIGHTED):
            self._plan(3.0, "alighted", stop_id)

    def _consider(self, card: dict[str, Any]) -> None:
        self._count("night stops: driver asked")
        self._actor.live.send("received", {"delivery_id": card["delivery_id"]})
        answer = self._actor.dice.driver_answer(self._actor.world.speed)
        if answer.what == "silence":
            self._count("night stops: driver silent")
        else:
            self._plan(answer.after_s, answer.what, card["id"], answer.reason)

    def _promise(self, stop_id: str, place: Place) -> None:
        known = self._promises.get(stop_id)
        if known is not None:
            self._promises[stop_id] = known._replace(place=place)
            return
        if stop_id in self._decided:
            return  # it stands there, or has: the news came late
        self._decided.add(stop_id)
        future = self._actor.dice.promise(self._actor.world.speed)
        self._promises[stop_id] = Promise(place, kept=future.what != "drive_on")
        if future.what == "withdraw":
            self._plan(future.after_s, "withdraw", stop_id, future.reason)

    def _forget(self, stop_id: str) -> None:
        self._promises.pop(stop_id, None)
        self._plans = [plan for plan in self._plans if plan.stop_id != stop_id]

    def _plan(self, after_s: float, word: str, stop_id: str, reason: str | None = None) -> None:
        self._plans.append(Plan(self._actor.world.monotonic() + after_s, word, stop_id, reason))

    def _say(self, word: str, stop_id: str, reason: str | None) -> None:
        actor, more = self._actor, {"reason": reason} if reason else {}
        body = {"night_stop_id": stop_id, **more}
        answer = actor.live.call(f"night_stop.{word}", body) if actor.live.connected else None
        if answer is None:  # the socket is away: the same by HTTP, which says the same twice without harm
            reply = actor.wire.insist("POST", f"/v1/night-stops/{stop_id}/{word}", more)
            answer = {"ok": reply.ok, "night_stop": reply.body}
        if answer.get("ok"):
            self._count(f"night stops: driver: {word}")
            if isinstance(answer.get("night_stop"), dict):
                self.take(answer["night_stop"])
        elif word == "propose":  # there is no other place: the driver takes the wished one
            self._plan(1.0, "accept", stop_id)

    def _count(self, what: str) -> None:
        self._actor.world.counters.add(what)
