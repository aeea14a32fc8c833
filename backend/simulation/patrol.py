"""A patrol team's phone: on duty, moving, offered alerts, and on its way to them."""

from __future__ import annotations

from typing import Any

from backend.simulation.staff import Account, StaffActor, World
from backend.simulation.tracks import Fix, Replay
from backend.simulation.ways import Place, Way, metres_between, moved

IDLE_MPS, HURRY_MPS, FASTEST_MPS = 4.0, 14.0, 45.0
ARRIVED_M = 25.0
OFF_TRACK_M = 400.0  # recordings jump by less; after a mission the way back is longer
SAYS_WHERE_EVERY_S = 3.0
LIVE_STATES = ("offered", "accepted", "en_route", "on_scene")


class Patrol(StaffActor):
    """Follows a recorded track or wanders along the lines; leaves it for an alert, then comes back."""

    namespace = "/agent"

    def __init__(self, world: World, account: Account, track: list[Fix] | None = None) -> None:
        super().__init__(world, account)
        self._track = Replay(track) if track else None
        self._place: Place = self._track.place if self._track else self._stop_to_watch()
        self._way: Way | None = None
        self._along_m = 0.0
        self._said_where_at = 0.0
        self._moved_at = world.monotonic()
        self._accuracy_m: float | None = None
        self._mission: dict[str, Any] | None = None
        self._offers: dict[str, dict[str, Any]] = {}
        self._plans: list[tuple[float, str, str, str | None]] = []

    def clock_in(self) -> None:
        """Goes on duty with the team of the account."""
        self.wire.insist("POST", "/v1/agent/shift", {})

    def catch_up_whole(self) -> None:
        """The assignments of the team as they are now, so that a restart of either side loses none."""
        answer = self.wire.insist("GET", "/v1/agent/snapshot")
        if not answer.ok:
            return
        self.last_seq = answer.body["seq"]
        self._offers.clear()
        self._plans.clear()
        self._mission = None
        for assignment in answer.body["assignments"]:
            self._changed(assignment)

    def hear(self, event: str, body: dict[str, Any]) -> None:
        """Offers, changes and withdrawals; a colleague's phone may have answered first."""
        if event in ("assignment.offered", "assignment.changed"):
            self._changed(body["assignment"])
        elif event == "assignment.withdrawn":
            self._forget(body["assignment_id"])
        elif event == "alert.updated" and self._mission and body["alert"]["id"] == self._mission["alert"]["id"]:
            self._mission["alert"] = body["alert"]
            if self._mission["state"] == "en_route":
                self._go_to_alert(self._mission)

    def tick(self, *, connected: bool) -> None:
        """Moves on, says where it is, and does what it planned to do by now."""
        now = self.world.monotonic()
        self._move(now - self._moved_at)
        self._moved_at = now
        if now - self._said_where_at >= SAYS_WHERE_EVERY_S / max(1.0, self.world.speed / 4):
            self._say_where(connected=connected)
            self._said_where_at = now
        due = sorted(plan for plan in self._plans if plan[0] <= now)
        self._plans = [plan for plan in self._plans if plan[0] > now]
        for _, what, assignment_id, reason in due:
            self._step(what, assignment_id, reason)

    def _changed(self, assignment: dict[str, Any]) -> None:
        state, assignment_id = assignment["state"], assignment["id"]
        if state == "offered":
            if assignment_id not in self._offers:
                self._offers[assignment_id] = assignment
                self._consider(assignment)
        elif state in LIVE_STATES:
            known = self._mission is not None and self._mission["id"] == assignment_id
            self._offers.pop(assignment_id, None)
            before = self._mission["state"] if self._mission is not None and known else None
            self._mission = assignment
            if before != state:
                self._continue(assignment)
        else:
            self._forget(assignment_id)

    def _consider(self, offer: dict[str, Any]) -> None:
        self.world.counters.add("offers heard")
        delivery = {"delivery_id": offer["delivery_id"]}
        self.live.send("received", delivery)
        self._plan(self.dice.between(0.5, 2) / self.world.speed, "look", offer["id"])
        answer = self.dice.answer(self.world.speed)
        if answer.what == "silence":
            self.world.counters.add("offers left unanswered")
        else:
            self._plan(answer.after_s, answer.what, offer["id"], answer.reason)

    def _continue(self, assignment: dict[str, Any]) -> None:
        speed, assignment_id = self.world.speed, assignment["id"]
        if assignment["state"] == "accepted":
            self._plan(self.dice.between(1, 5) / speed, "en_route", assignment_id)
        elif assignment["state"] == "en_route":
            self._go_to_alert(assignment)
        elif assignment["state"] == "on_scene":
            self._way = None
            self._plan(self.dice.between(30, 90) / speed, "clear", assignment_id)

    def _go_to_alert(self, mission: dict[str, Any]) -> None:
        position = mission["alert"].get("position")
        if position is None:  # nowhere to drive to: she is found by asking, after a while
            self._plan(self.dice.between(60, 120) / self.world.speed, "on_scene", mission["id"])
            return
        goal = Place(position["latitude"], position["longitude"])
        self._way, self._along_m = self.world.town.streets.way(self._place, goal), 0.0

    def _forget(self, assignment_id: str) -> None:
        self._offers.pop(assignment_id, None)
        self._plans = [plan for plan in self._plans if plan[2] != assignment_id]
        if self._mission is not None and self._mission["id"] == assignment_id:
            self._mission, self._way = None, None

    def _plan(self, after_s: float, what: str, assignment_id: str, reason: str | None = None) -> None:
        self._plans.append((self.world.monotonic() + after_s, what, assignment_id, reason))

    def _step(self, what: str, assignment_id: str, reason: str | None) -> None:
        if what == "look":
            offer = self._offers.get(assignment_id)
            if offer is not None:
                self.live.send("seen", {"delivery_id": offer["delivery_id"]})
            return
        body = {"assignment_id": assignment_id} | ({"reason": reason} if reason else {})
        answer = self.live.call(f"assignment.{what}", body) if self.live.connected else None
        if answer is None:  # the socket is away: the same by HTTP, which says the same twice without harm
            path = f"/v1/assignments/{assignment_id}/{what.replace('_', '-')}"
            reply = self.wire.insist("POST", path, {"reason": reason} if reason else {})
            answer = {"ok": reply.ok, "code": reply.code, "assignment": reply.body}
        if answer.get("ok"):
            self.world.counters.add(f"teams: {what.replace('_', ' ')}")
            if isinstance(answer.get("assignment"), dict):
                self._changed(answer["assignment"])
        else:  # somebody was faster, or it is over: the server knows
            self.catch_up_whole()

    def _move(self, seconds: float) -> None:
        state = self._mission["state"] if self._mission is not None else "free"
        if state == "free" and self._track is not None and self._follow(self._track, seconds):
            return
        if self._way is None or self._along_m >= self._way.length_m:
            if state != "free":
                return  # at the scene, or about to leave
            self._way, self._along_m = self._wander(), 0.0
        pace = (IDLE_MPS if state == "free" else HURRY_MPS) * self.world.speed
        self._along_m += min(pace, FASTEST_MPS) * seconds
        self._place = self._way.at(self._along_m)
        arrived = self._way.length_m - self._along_m < ARRIVED_M
        if state == "en_route" and arrived and self._mission is not None:
            self._way = None
            self._step("on_scene", self._mission["id"], None)

    def _follow(self, track: Replay, seconds: float) -> bool:
        """True while on its track: in a gap it is silent, at a jump it jumps, as recorded."""
        if metres_between(self._place, track.place) > OFF_TRACK_M and self._way is None:
            self._way, self._along_m = self.world.town.streets.way(self._place, track.place), 0.0
        if self._way is not None and self._along_m < self._way.length_m:
            return False
        self._way = None
        for fix in track.advance(seconds * min(self.world.speed, 3.0)):
            self._place, self._accuracy_m = fix.place, fix.accuracy_m
        return True

    def _wander(self) -> Way:
        goal = self._stop_to_watch()
        if metres_between(goal, self._place) > 4000:
            goal = moved(self._place, self.dice.between(-900, 900), self.dice.between(-900, 900))
        return self.world.town.streets.way(self._place, goal)

    def _stop_to_watch(self) -> Place:
        return self.world.town.somewhere(self.dice.random, busy=0.6).place

    def _say_where(self, *, connected: bool) -> None:
        accuracy = self._accuracy_m if self._accuracy_m is not None else self.dice.accuracy_m()
        fix: dict[str, Any] = {
            "latitude": round(self._place.latitude, 6), "longitude": round(self._place.longitude, 6),
            "accuracy_m": min(round(accuracy, 1), 900.0), "provider": "gnss", "fix_age_ms": 0,
        }
        if self._way is not None and self._along_m < self._way.length_m:
            fix["heading_deg"] = round(self._way.heading_at(self._along_m), 1) % 360
        self.world.counters.add("team positions")
        if connected:
            self.live.send("position", fix)
        else:
            self.wire.ask("POST", "/v1/agent/positions", {"points": [fix]})
