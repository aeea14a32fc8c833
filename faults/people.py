"""Who lives through the experiments, and how they behave: agents and control rooms, all in the crowd's loop."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from bench.wire import Socket

if TYPE_CHECKING:
    from faults.crowd import Crowd

Json = dict[str, Any]
Manner = Literal["prompt", "eager", "silent", "dead", "slow"]
"""Takes what is offered, soon or at once; looks and does nothing; does not even answer; takes it after 3 s."""
RETRY_S = 0.25
REPORT_S = 4.0
MISSION_S = 0.4


@dataclass
class Raised:
    """One alert as its rider and the teams saw it; instants of `time.monotonic`."""

    at: float
    answered: float = 0.0
    heard: float = 0.0
    taken: float = 0.0
    called: float = 0.0
    tries: int = 0


class Person:
    """Somebody with a token and a socket that comes back by itself."""

    namespace = ""

    def __init__(self, crowd: Crowd, token: str) -> None:
        self.crowd = crowd
        self.token = token
        self.socket: Socket | None = None
        self.wants_socket = True
        self.live_port: int | None = None
        """Where its socket goes; by default to any live process."""
        self.ends = 0

    @property
    def connected(self) -> bool:
        """Whether the server has said welcome on the socket that is open."""
        return self.socket is not None and self.socket.ready and not self.socket.closed

    def open(self) -> None:
        """Opens the socket on one of the live processes; tries again for as long as it is wanted."""
        if not self.wants_socket or (self.socket is not None and not self.socket.closed):
            return
        try:
            port = self.live_port or self.crowd.live_port()
            self.socket = Socket(self.crowd.loop, port, self.namespace, self.token, self._hear, self._ended)
        except OSError:
            self.crowd.later(self.crowd.dice.uniform(0.1, 0.6), self.open)

    def leave(self) -> None:
        """Closes the socket and does not come back until `come_back`."""
        self.wants_socket = False
        if self.socket is not None:
            self.socket.close()

    def come_back(self) -> None:
        """Opens the socket again."""
        self.wants_socket = True
        self.open()

    def heard(self, event: str, data: Json) -> None:
        """One event from the socket."""
        raise NotImplementedError

    def _hear(self, text: bytes, _at: float) -> None:
        event, *rest = orjson.loads(text)
        self.heard(event, rest[0] if rest else {})

    def _ended(self) -> None:
        self.ends += 1
        self.crowd.later(self.crowd.dice.uniform(0.1, 0.6), self.open)


class Agent(Person):
    """One agent of a team: says `received`, takes the offer, does the mission; drops what it has heard before."""

    namespace = "/agent"

    def __init__(self, crowd: Crowd, token: str, team_id: str, place: tuple[float, float], address: str) -> None:
        super().__init__(crowd, token)
        self.team_id = team_id
        self.place = place
        self.address = address
        self.manner: Manner = "prompt"
        self.known: set[str] = set()
        """Offers that this phone has shown: it drops them when they come again."""
        self.told: list[tuple[float, Json]] = []
        """When it heard that an offer is no longer for it, and why."""
        self.repeats = self.pushes = self.late_pushes = 0

    def report(self) -> None:
        """Tells where it is, again and again: a team without a fresh position is offered nothing."""
        if self.connected and self.socket is not None and self.manner != "dead":
            latitude, longitude = self.place
            jitter = self.crowd.dice.uniform(-5e-5, 5e-5)
            here = {"latitude": latitude + jitter, "longitude": longitude, "accuracy_m": 8, "provider": "gnss"}
            self.socket.tell("position", here, lambda *_: None)
        self.crowd.later(REPORT_S, self.report)

    def heard(self, event: str, data: Json) -> None:
        """An offer is taken; after a welcome, whatever came meanwhile is looked up."""
        if event == "welcome":
            self.look()
        elif event == "assignment.offered":
            self.offered(data["assignment"], by_socket=True)
        elif event == "assignment.withdrawn":
            self.told.append((time.monotonic(), data))

    def look(self) -> None:
        """Reads what the team has, as the app does when it opens or wakes up."""
        if self.manner != "dead":
            self.crowd.ask("GET", "/v1/agent/snapshot", self.token, None, self._looked, what="snapshot", insist=True)

    def pushed(self, data: Json) -> None:
        """A push has arrived at this phone."""
        self.pushes += 1
        if self.manner == "dead":
            return
        if float(data["exp"]) < time.time():
            self.late_pushes += 1
            return
        path = f"/v1/deliveries/{data['delivery_id']}/received"
        self.crowd.ask("POST", path, self.token, {}, lambda *_: None, what="received", insist=True)
        if data["kind"] == "offer" and data.get("assignment_id") not in self.known:
            self.look()

    def offered(self, assignment: Json, *, by_socket: bool) -> None:
        """Shows an offer once, and answers it in this agent's manner."""
        if self.manner == "dead":
            return
        delivery_id, alert_id = assignment["delivery_id"], assignment["alert"]["id"]
        if by_socket and self.connected and self.socket is not None:
            self.socket.tell("received", {"delivery_id": delivery_id}, lambda *_: None)
        else:
            path = f"/v1/deliveries/{delivery_id}/received"
            self.crowd.ask("POST", path, self.token, {}, lambda *_: None, what="received", insist=True)
        if delivery_id in self.known:
            self.repeats += 1
            return
        self.known |= {delivery_id, assignment["id"]}
        self.crowd.note_heard(alert_id)
        pauses = {"prompt": self.crowd.dice.uniform(0.05, 0.2), "eager": 0.0, "slow": 3.0}
        if self.manner in pauses:
            self.crowd.later(pauses[self.manner], lambda: self.act(assignment["id"], alert_id, "accept"))

    def act(self, assignment_id: str, alert_id: str, step: str) -> None:
        """One step of a mission, tried until the server says yes or no; then the next one."""

        def answered(status: int, _: Json) -> None:
            if not 200 <= status < 300:
                return
            if step == "accept":
                self.crowd.note_taken(alert_id, self.team_id)
            following = {"accept": "on-scene", "on-scene": "clear"}.get(step)
            if following is not None:
                self.crowd.later(MISSION_S, lambda: self.act(assignment_id, alert_id, following))

        path = f"/v1/assignments/{assignment_id}/{step}"
        self.crowd.ask("POST", path, self.token, {}, answered, what=step, key=assignment_id, insist=True)

    def _looked(self, status: int, answer: Json) -> None:
        if status != 200:
            return
        for assignment in answer["assignments"]:
            if assignment["state"] == "offered":
                self.offered(assignment, by_socket=False)


@dataclass
class ControlLog:
    """What one control room has heard: numbers in the order in which it took them."""

    began: int | None = None
    last: int = 0
    seqs: list[int] = field(default_factory=list)
    reloads: int = 0


class ControlRoom(Person):
    """A control-room page: keeps to the feed's numbers, catches up after each reconnect; the first one also works."""

    namespace = "/control"

    def __init__(self, crowd: Crowd, token: str, *, number: int) -> None:
        super().__init__(crowd, token)
        self.works, self.second = number == 0, number == 1
        self.log = ControlLog()
        self.status: Json = {}
        self.told: dict[str, Json] = {}
        self._catching_up = False
        self._waiting: list[tuple[int, str, Json]] = []

    def heard(self, event: str, data: Json) -> None:
        """Takes news in the order of their numbers; while it catches up, they wait."""
        if event == "welcome":
            self._welcome(data["seq"])
        elif event == "status":
            self.status = data
        elif "seq" in data:
            if self._catching_up:
                self._waiting.append((data["seq"], event, data))
            else:
                self._take(data["seq"], event, data)

    def _welcome(self, seq: int) -> None:
        if self.log.began is None:
            self.log.began = self.log.last = seq
            return
        self._catching_up = True
        self._fetch()

    def _fetch(self) -> None:
        path = f"/v1/feed?after={self.log.last}&limit=500"
        self.crowd.ask("GET", path, self.token, None, self._fetched, what="feed", insist=True)

    def _fetched(self, status: int, answer: Json) -> None:
        if status != 200:  # forgotten: a page would load its snapshot and go on from there
            self.log.reloads += 1
            self.log.began = None
        else:
            for item in answer["items"]:
                self._take(item["seq"], item["type"], item["data"])
            if answer["more"]:
                self._fetch()
                return
            self.log.last = max(self.log.last, answer["last_seq"])
        self._catching_up = False
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._take(*one)

    def _take(self, seq: int, event: str, data: Json) -> None:
        if seq <= self.log.last:
            return
        self.log.last = seq
        self.log.seqs.append(seq)
        if not event.startswith("alert."):
            return
        alert = data.get("alert")
        if alert is None:
            return
        self.told[alert["id"]] = alert
        if alert.get("needs_human"):
            self.crowd.note_called(alert["id"])
        if self.works and event == "alert.raised" and self.crowd.attentive:
            self.crowd.later(self.crowd.dice.uniform(0.3, 1.0), lambda: self.do(alert["id"], "seen", {}))
        if self.second and event == "alert.raised" and self.crowd.assigns:
            team = self.crowd.dice.choice(self.crowd.agents).team_id
            self.do(alert["id"], "assign", {"team_id": team})
        if self.works and alert["state"] == "resolved":
            self.crowd.later(0.1, lambda: self.do(alert["id"], "close", {"closing_code": "drill"}))

    def do(self, alert_id: str, step: str, body: Json) -> None:
        """One action of the operator on an alert, tried until the server says yes or no."""
        path = f"/v1/control/alerts/{alert_id}/{step}"
        self.crowd.ask("POST", path, self.token, body, lambda *_: None, what=step, key=alert_id, insist=True)


def new_alert_id() -> str:
    """An identifier as a phone makes it."""
    return str(uuid.uuid4())
