"""The crowd: everybody's sockets and requests in one loop and one thread, while the experiment's own thread waits."""

from __future__ import annotations

import random
import socket
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson

from bench.town import People, somewhere
from bench.wire import Http, Loop
from faults.history import History
from faults.people import RETRY_S, Agent, ControlRoom, Json, Raised, new_alert_id

Answered = Callable[[int, Json], None]
PATIENCE_S = 4.0
"""How long a phone waits for an answer before it takes it for lost and asks again."""
CANARY = "Canari-7f3a"
"""Stands in what riders write: it must turn up in the control room's eyes only."""


class _Loop(Loop):
    """A loop that other threads may hand work to."""

    def __init__(self) -> None:
        super().__init__()
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)
        self.watch(self._out, self._woken)

    def hand(self, act: Callable[[], None]) -> None:
        """Has `act` called in the loop's thread, soon."""
        self.at(time.perf_counter(), act)
        try:
            self._in.send(b"x")
        except BlockingIOError:
            return  # it has been woken often enough

    def _woken(self) -> None:
        self._out.recv(4096)

    def close(self) -> None:
        """Forgets everything."""
        super().close()
        self._in.close()
        self._out.close()


class Crowd:
    """Riders, agents and control rooms around one installation; call it from the experiment's thread."""

    def __init__(self, ports: dict[str, int], people: People, addresses: dict[uuid.UUID, str], seed: int = 11) -> None:
        self.dice = random.Random(seed)
        self.history = History()
        self.raised: dict[str, Raised] = {}
        self.winners: dict[str, set[str]] = defaultdict(set)
        self.latencies: list[float] = []
        self.attentive = True
        """The first control room looks at each new alert within a second."""
        self.assigns = False
        """The second control room gives each new alert to a team by hand, in the same moment."""
        self.body: Json = {}
        """What the alerts of `raise_alerts` say beside the usual."""
        self.loop = _Loop()
        self.web_ports = [port for name, port in ports.items() if name.startswith("web")]
        self.live_ports = [port for name, port in ports.items() if name.startswith("live")]
        self.riders = people.riders
        self.agents = [
            Agent(self, token, str(team_id), (latitude, longitude), addresses.get(staff_id, ""))
            for staff_id, team_id, token, latitude, longitude in people.agents
        ]
        self.control = [ControlRoom(self, token, number=number) for number, token in enumerate(people.operators)]
        self._by_address = {one.address: one for one in self.agents if one.address}
        self._turn = 0
        self._rate = 0.0
        self._stopped = threading.Event()
        self._mistakes: list[str] = []
        self._web: dict[int, Http] = {}
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)
        self._thread.start()

    # -- for the experiment's thread ------------------------------------------------------------------------

    def connect(self, timeout_s: float = 30) -> None:
        """Opens every socket and starts the agents' reports."""
        for one in (*self.agents, *self.control):
            self.loop.hand(one.open)
        for agent in self.agents:
            delay = self.dice.uniform(0, 1)
            self.loop.hand(lambda agent=agent, delay=delay: self.later(delay, agent.report))  # type: ignore[misc]
        self.wait(lambda: all(one.connected for one in (*self.agents, *self.control)), timeout_s, "sockets come up")

    def raise_alerts(self, per_s: float) -> None:
        """Raises so many alerts a second from now on, at random instants; 0 ends it."""
        was, self._rate = self._rate, per_s
        if per_s and not was:
            self.loop.hand(self._next_alert)

    def raise_one(
        self, alert_id: str | None = None, *, port: int | None = None, token: str = "", times: int = 1, **body: Any
    ) -> str:
        """One alert now, insisted on until it is answered; the identifier. `times` sends it so often at once."""
        made = alert_id or new_alert_id()
        self.raised[made] = Raised(time.monotonic())
        self.loop.hand(lambda: self._raise(made, body, port, token, times))
        return made

    def wait(self, until: Callable[[], bool], timeout_s: float, what: str) -> float:
        """The seconds until it holds; TimeoutError when it does not in time."""
        began = time.monotonic()
        while not until():
            self.must_be_well()
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"{what}: not within {timeout_s:.0f} s")
            time.sleep(0.02)
        return time.monotonic() - began

    def must_be_well(self) -> None:
        """Raises what went wrong in the loop: a crowd that has stopped proves nothing."""
        if self._mistakes:
            raise RuntimeError(self._mistakes[0])

    def pushed(self, address: str, data: Json) -> None:
        """A push arrives; called by the provider's threads."""
        agent = self._by_address.get(address)
        if agent is not None:
            self.loop.hand(lambda: agent.pushed(data))

    def mend(self) -> None:
        """Everybody wants a socket on any live process again, and behaves as usual."""
        self.attentive, self.assigns, self.body = True, False, {}
        for one in (*self.agents, *self.control):
            one.live_port = None
            self.loop.hand(one.come_back)
        for agent in self.agents:
            agent.manner = "prompt"

    def forget(self) -> None:
        """Begins a new history: the last experiment's is judged."""
        self.history = History()
        self.raised, self.latencies = {}, []
        self.winners = defaultdict(set)
        for one in self.control:
            one.log.seqs, one.told = [], {}
            one.log.began = one.log.last
        for agent in self.agents:
            agent.known, agent.told = set(), []
            agent.repeats = agent.pushes = agent.late_pushes = 0

    def close(self) -> None:
        """Ends the loop and all connections."""
        self._stopped.set()
        self._thread.join(5)
        for one in (*self.agents, *self.control):
            if one.socket is not None:
                one.socket.close()
        for http in self._web.values():
            http.close()
        self.loop.close()

    # -- for people, in the loop ----------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Calls `act` in so many seconds."""
        self.loop.at(time.perf_counter() + seconds, act)

    def live_port(self) -> int:
        """One of the live processes."""
        return self.dice.choice(self.live_ports)

    def ask(
        self, method: str, path: str, token: str, body: Json | None, answered: Answered, *,
        what: str, key: str = "", insist: bool = False, port: int | None = None,
    ) -> None:  # fmt: skip
        """Asks one of the web processes, in turn. With `insist`, again and again until there is a yes or a no."""
        self._turn += 1
        chosen = port or self.web_ports[self._turn % len(self.web_ports)]
        operation = self.history.invoke(what, key)

        def ended(status: int, raw: bytes, _at: float) -> None:
            answer = _read(raw)
            operation.end(status, str(answer.get("code", "")))
            self.latencies.append(operation.ended - operation.began)
            if insist and operation.outcome == "unknown" and not self._stopped.is_set():
                again = {"what": what, "key": key, "insist": True}
                self.later(RETRY_S, lambda: self.ask(method, path, token, body, answered, **again))  # type: ignore[arg-type]
                return
            answered(status, answer)

        if chosen not in self._web:
            self._web[chosen] = Http(self.loop, chosen)
        raw = b"" if body is None else orjson.dumps(body)
        self._web[chosen].send(method, path, token, raw, ended, timeout_s=PATIENCE_S)

    def note_heard(self, alert_id: str) -> None:
        """A team's phone shows this alert."""
        one = self.raised.get(alert_id)
        if one is not None and not one.heard:
            one.heard = time.monotonic()

    def note_taken(self, alert_id: str, team_id: str) -> None:
        """A team was told that it has this alert."""
        self.winners[alert_id].add(team_id)
        one = self.raised.get(alert_id)
        if one is not None and not one.taken:
            one.taken = time.monotonic()

    def note_called(self, alert_id: str) -> None:
        """The control room hears that a person must take this alert."""
        one = self.raised.get(alert_id)
        if one is not None and not one.called:
            one.called = time.monotonic()

    def _next_alert(self) -> None:
        rate = self._rate  # once: the experiment's thread may set it to 0 at any moment
        if rate and not self._stopped.is_set():
            self._raise(new_alert_id(), self.body)
            self.later(self.dice.expovariate(rate), self._next_alert)

    def _raise(self, alert_id: str, more: Json, port: int | None = None, token: str = "", times: int = 1) -> None:
        latitude, longitude = somewhere(self.dice)
        position = {"latitude": latitude, "longitude": longitude, "accuracy_m": 12, "provider": "gnss"}
        body = {
            "category": "sexual_contact", "reporter_role": "victim", "contact_mode": "cannot_talk",
            "position": position, "description": f"{CANARY} il me suit depuis la rame",
        } | more  # fmt: skip
        one = self.raised.setdefault(alert_id, Raised(time.monotonic()))

        def answered(_status: int, _answer: Json) -> None:
            one.answered = time.monotonic()

        token = token or self.dice.choice(self.riders)
        for _ in range(times):
            path = f"/v1/alerts/{alert_id}"
            self.ask("PUT", path, token, body, answered, what="raise", key=alert_id, insist=True, port=port)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.loop.run(self._stopped.is_set, 0.5)
            except Exception as error:  # the experiment must fail with this, not wait for ever
                self._mistakes.append(f"{type(error).__name__}: {error}")
                raise


def _read(raw: bytes) -> Json:
    try:
        found = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}

