"""The load: teams with open sockets that take and clear what they are offered, riders who raise alerts, operators.

Open loop: alerts are scheduled by a seeded Poisson process and sent at their instant whatever the server does; every
latency counts from the scheduled instant, so a server that stalls cannot make the clock stop.
"""

from __future__ import annotations

import random
import resource
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from bench.town import People, somewhere
from bench.wire import Http, Loop, Socket

REPORT_S = 5.0
RETRY_S = 0.25


@dataclass
class Raised:
    """One alert as the load saw it; instants of `time.perf_counter`."""

    due: float
    status: int = 0
    answered: float = 0.0
    offered: float = 0.0
    tries: int = 0


@dataclass
class Figures:
    """What one window of load showed; milliseconds are counted from the scheduled instant."""

    put_ms: list[float] = field(default_factory=list)
    offer_ms: list[float] = field(default_factory=list)
    accept_ms: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    alerts: dict[str, Raised] = field(default_factory=dict)
    seconds: float = 0.0
    client_cpu_s: float = 0.0
    late_ms: float = 0.0

    @property
    def unheard(self) -> int:
        """Alerts answered 201 whose offer nobody has heard."""
        return sum(1 for one in self.alerts.values() if one.status in (200, 201) and not one.offered)


class Load:
    """Everybody who is connected to one installation."""

    def __init__(
        self, ports: dict[str, int], people: People, *, mission_s: float = 1.0, patient: bool = False, seed: int = 11
    ) -> None:
        self.loop = Loop()
        self.people = people
        self.figures = Figures()
        self.sockets: dict[int, Socket] = {}
        self.mission_s = mission_s
        self._patient = patient  # retries with the same id, and sockets that come back
        self._ports = ports
        self._web = Http(self.loop, ports["web"])
        self._dice = random.Random(seed)
        self._agents = list(enumerate(people.agents))
        self._connected = self.lost = 0

    # -- sockets ------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Opens every agent's and operator's socket, 50 at a time, and starts the agents' reports."""
        wanted = [("/agent", agent[2]) for agent in self.people.agents]
        wanted += [("/control", token) for token in self.people.operators]
        for start in range(0, len(wanted), 50):
            for number in range(start, min(start + 50, len(wanted))):
                self._open(number, *wanted[number])
            if not self.loop.run(lambda: all(one.ready for one in self.sockets.values()), 90):
                raise RuntimeError("sockets do not come up")
        now = time.perf_counter()
        for number, _ in self._agents:
            self.loop.at(now + self._dice.uniform(0, REPORT_S), self._reporter(number))

    def close(self) -> None:
        """Ends every connection."""
        for one in self.sockets.values():
            one.close()
        self.loop.close()

    def _open(self, number: int, namespace: str, token: str) -> None:
        def heard(text: bytes, at: float) -> None:
            if text.startswith(b'["assignment.offered"'):
                self._offered(number, orjson.loads(text)[1]["assignment"], at)
            elif self._patient and namespace == "/agent" and text.startswith(b'["welcome"'):
                self._web.send("GET", "/v1/agent/snapshot", token, b"", looked)

        def looked(status: int, answer: bytes, at: float) -> None:
            if status != 200:
                self.loop.at(at + RETRY_S, lambda: self._web.send("GET", "/v1/agent/snapshot", token, b"", looked))
                return
            for assignment in orjson.loads(answer)["assignments"]:
                if assignment["state"] == "offered":
                    self._offered(number, assignment, at)

        def ended() -> None:
            self.lost += 1
            if self._patient:
                self.loop.at(time.perf_counter() + self._dice.uniform(0.1, 0.6), again)

        def again() -> None:
            try:
                self._open(number, namespace, token)
            except OSError:
                self.loop.at(time.perf_counter() + self._dice.uniform(0.1, 0.6), again)

        self.sockets[number] = Socket(self.loop, self._ports["live"], namespace, token, heard, ended)

    def _reporter(self, number: int) -> Callable[[], None]:
        _, _, _, latitude, longitude = self.people.agents[number]

        def report() -> None:
            jitter = self._dice.uniform(-5e-5, 5e-5)
            here = {"latitude": latitude + jitter, "longitude": longitude, "accuracy_m": 8, "provider": "gnss"}
            self.sockets[number].tell("position", here, lambda *_: None)
            self.loop.at(time.perf_counter() + REPORT_S, report)

        return report

    # -- a team's mission ---------------------------------------------------------------------------------

    def _offered(self, number: int, assignment: dict[str, object], at: float) -> None:
        alert_id = assignment["alert"]["id"]  # type: ignore[index]
        one = self.figures.alerts.get(alert_id)
        if one is not None and not one.offered:
            one.offered = at
            self.figures.offer_ms.append((at - one.due) * 1000)
        agent = self.sockets[number]
        agent.tell("received", {"delivery_id": assignment["delivery_id"]}, self._count("received"))
        figures, body = self.figures, {"assignment_id": assignment["id"]}

        def accepted(_: int, answer: bytes, then: float) -> None:
            figures.accept_ms.append((then - at) * 1000)
            self._count("accept")(_, answer, then)
            if b'"ok":true' in answer[:20]:
                self.loop.at(then + self.mission_s, clear)

        def clear() -> None:
            self.sockets[number].tell("assignment.clear", body, cleared)

        def cleared(_: int, answer: bytes, then: float) -> None:
            self._count("clear")(_, answer, then)
            if self.people.operators:
                self._web.send(
                    "POST",
                    f"/v1/control/alerts/{alert_id}/close",
                    self._dice.choice(self.people.operators),
                    b'{"closing_code":"drill"}',
                    self._count("close"),
                )

        agent.tell("assignment.accept", body, accepted)

    def _count(self, what: str) -> Callable[[int, bytes, float], None]:
        statuses = self.figures.statuses

        def count(status: int, answer: bytes, _: float) -> None:
            refused = b'"ok":false' in answer[:20]
            statuses[f"{what} {orjson.loads(answer)[0]['code'] if refused else status}"] += 1

        return count

    # -- alerts -------------------------------------------------------------------------------------------

    def run(
        self, rate: float, seconds: float, *, drain_s: float = 10.0, midway: Callable[[], None] | None = None
    ) -> Figures:
        """Raises `rate` alerts a second for so long, then waits until each was answered and offered.

        `midway` is called when a quarter of the time is over.
        """
        figures = self.figures = Figures()
        used, start, self.loop.late_s = _cpu_s(), time.perf_counter() + 0.05, 0.0
        moment = start
        while (moment := moment + self._dice.expovariate(rate)) < start + seconds:
            self.loop.at(moment, self._raiser(moment))
        if midway is not None:
            self.loop.at(start + seconds / 4, midway)
        self.loop.sleep(start + seconds - time.perf_counter())
        figures.seconds, figures.client_cpu_s = seconds, _cpu_s() - used
        figures.late_ms = self.loop.late_s * 1000
        self.loop.run(lambda: not figures.unheard and all(one.status for one in figures.alerts.values()), drain_s)
        return figures

    def wait_for_offers(self, timeout_s: float) -> None:
        """Returns once every alert of the last window was offered."""
        self.loop.run(lambda: not self.figures.unheard, timeout_s)

    def _raiser(self, due: float) -> Callable[[], None]:
        latitude, longitude = somewhere(self._dice)
        alert_id = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        token = self._dice.choice(self.people.riders)
        position = {"latitude": latitude, "longitude": longitude, "accuracy_m": 12, "provider": "gnss"}
        body = orjson.dumps(
            {
                "category": "sexual_contact",
                "reporter_role": "victim",
                "contact_mode": "cannot_talk",
                "position": position,
                "description": "Il me suit depuis la rame",
            }
        )
        figures = self.figures

        def send() -> None:
            one = figures.alerts.setdefault(alert_id, Raised(due))
            one.tries += 1
            self._web.send("PUT", f"/v1/alerts/{alert_id}", token, body, answered)

        def answered(status: int, _: bytes, at: float) -> None:
            one = figures.alerts[alert_id]
            figures.statuses[f"alert {status}"] += 1
            if self._patient and status not in (200, 201):
                self.loop.at(at + RETRY_S, send)
                return
            one.status, one.answered = status, at
            figures.put_ms.append((at - due) * 1000)

        return send


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
