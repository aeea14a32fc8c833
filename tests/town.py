"""A small town to tell stories in: people with phones, real sockets on a real server, and a clock that waits for us."""

import contextlib
import itertools
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import requests
import socketio
from werkzeug.serving import WSGIRequestHandler, make_server

from backend.app import create_app, start_parts
from backend.delivery.sending import Sender
from backend.people import sessions
from backend.people.models import Staff, Team, Vehicle
from backend.wiring import Wiring
from backend.worker import Worker
from tests.contract.conformance import ack_faults, event_faults, feed_faults, watch_answers
from tests.fakes import FakeClock

OLD_PORT = (43.2951, 5.3740)  # where riders of these stories are when nothing else is said
METRES_PER_DEGREE = 111_195
Json = dict[str, Any]
Somebody = TypeVar("Somebody", bound="Person")


class Story(AssertionError):
    """Somebody did not hear what the story says, or heard what they must not hear."""


def north_of(metres: float) -> Json:
    """A position so many metres north of the Old Port."""
    return {"latitude": OLD_PORT[0] + metres / METRES_PER_DEGREE, "longitude": OLD_PORT[1], "accuracy_m": 8}


class Person:
    """Somebody with a token: asks by HTTP, and remembers what the socket said."""

    namespace = ""

    def __init__(self, town: "Town", token: str) -> None:
        self.town = town
        self.token = token
        self._heard: list[tuple[str, Any]] = []
        self._news = threading.Condition()
        self._socket: socketio.Client | None = None

    def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> requests.Response:
        """The server's answer, whatever it is."""
        sent = {
            "Authorization": f"Bearer {self.token}",
            **{name.replace("_", "-"): v for name, v in headers.items()},
        }
        return requests.request(method, f"{self.town.url}{path}", json=body, headers=sent, timeout=30)

    def get(self, path: str) -> Json:
        """What is there; anything but a success ends the story."""
        return self._must("GET", path, None)

    def post(self, path: str, body: Json | None = None) -> Json:
        """What was done; anything but a success ends the story."""
        return self._must("POST", path, {} if body is None else body)

    def put(self, path: str, body: Json) -> Json:
        """What was stored; anything but a success ends the story."""
        return self._must("PUT", path, body)

    def _must(self, method: str, path: str, body: Json | None) -> Json:
        answer = self.ask(method, path, body)
        if not answer.ok:
            raise Story(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else {}

    def connect(self) -> None:
        """Opens the socket and waits until the server has said welcome."""
        self._socket = socketio.Client(reconnection=False)
        self._socket.on("*", self._hear, namespace=self.namespace)
        self._socket.connect(
            self.town.url,
            auth={"token": self.token},
            namespaces=[self.namespace],
            transports=["websocket"],
            wait_timeout=5,
        )
        self.hears("welcome")

    def disconnect(self) -> None:
        """Closes the socket, as a phone does that goes into a tunnel."""
        if self._socket is not None:
            self._socket.disconnect()
            self._socket = None

    def tells(self, event: str, data: Json) -> Json:
        """The acknowledgement of a socket event."""
        assert self._socket is not None, "not connected"
        answer: Json = self._socket.call(event, data, namespace=self.namespace, timeout=5)
        self.town.outside += ack_faults(self.town.wiring.contract, self.namespace, event, answer)
        return answer

    def hears(self, kind: str, where: Callable[[Any], bool] = lambda _: True, timeout: float = 5) -> Any:
        """The next socket event of this kind; it and what came before it are not heard a second time."""
        self.town.work()
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for number, (heard, data) in enumerate(self._heard):
                    if heard == kind and where(data):
                        del self._heard[: number + 1]
                        return data
                left = deadline - time.monotonic()
                if left <= 0:
                    others = [heard for heard, _ in self._heard]
                    raise Story(f"{type(self).__name__} did not hear {kind} in {timeout} s, only {others}")
                self._news.wait(left)

    def hears_nothing(self, kind: str, where: Callable[[Any], bool] = lambda _: True, seconds: float = 0.4) -> None:
        """Fails when an event of this kind comes, or has come and was not looked at."""
        self.town.work()
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                found = [data for heard, data in self._heard if heard == kind and where(data)]
                if found:
                    raise Story(f"{type(self).__name__} must not hear {kind}, and heard {found[0]}")
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self._news.wait(left)

    def _hear(self, kind: str, *data: Any) -> None:
        self.town.outside += event_faults(self.town.wiring.contract, self.namespace, kind, data[0] if data else None)
        with self._news:
            self._heard.append((kind, data[0] if data else None))
            self._news.notify_all()


class Rider(Person):
    """A rider's phone: no account, no name."""

    namespace = "/rider"

    def raises(self, category: str = "sexual_contact", **more: Any) -> "RaisedAlert":
        """Sends an alert from the Old Port, as a phone does: an id of its own, and the server's receipt."""
        alert_id = uuid.uuid4()
        body = {"category": category, "position": north_of(0), **more}
        return RaisedAlert(self, alert_id, self.put(f"/v1/alerts/{alert_id}", body))


class RaisedAlert:
    """An alert as its rider sees it."""

    def __init__(self, rider: Rider, alert_id: uuid.UUID, receipt: Json) -> None:
        self.id = str(alert_id)
        self.receipt = receipt
        self._rider = rider

    @property
    def now(self) -> Json:
        """What the server says about it at this moment."""
        return self._rider.get(f"/v1/alerts/{self.id}")

    @property
    def state(self) -> str:
        """Its state, as the rider may see it."""
        return str(self.now["state"])

    def cancel(self, pin: str | None = None) -> Json:
        """Asks for its cancellation."""
        return self._rider.post(f"/v1/alerts/{self.id}/cancel", {} if pin is None else {"pin": pin})


class TeamPhone(Person):
    """The phone of one agent on patrol with a team of its own."""

    namespace = "/agent"
    team_id: str
    call_sign: str

    def offered(self, alert: RaisedAlert, timeout: float = 5) -> Json:
        """The assignment that this team is offered for this alert."""
        heard = self.hears("assignment.offered", lambda data: data["assignment"]["alert"]["id"] == alert.id, timeout)
        return heard["assignment"]

    def stands(self, metres: float) -> None:
        """Sends a position so many metres north of the Old Port."""
        answer = self.post("/v1/agent/positions", {"points": [{**north_of(metres), "provider": "gnss"}]})
        assert answer["accepted"] == 1, answer
        self.town.settle()

    def does(self, step: str, assignment: Json, **body: Any) -> Json:
        """Accepts, declines, goes (en-route), arrives (on-scene) or clears."""
        return self.post(f"/v1/assignments/{assignment['id']}/{step}", body)


class Operator(Person):
    """Somebody in the control room."""

    namespace = "/control"

    def sees(self, alert: RaisedAlert) -> Json:
        """The alert as the control room sees it."""
        return self.get(f"/v1/control/alerts/{alert.id}")["alert"]

    def does(self, action: str, alert: RaisedAlert, **body: Any) -> Json:
        """One of the operator's actions on an alert."""
        return self.post(f"/v1/control/alerts/{alert.id}/{action}", body)


class Driver(Person):
    """A driver with a vehicle in service."""

    namespace = "/driver"


@contextlib.contextmanager
def serving(wiring: Wiring) -> Iterator[tuple[str, Callable[[], object], Callable[[], object]]]:
    """One server with everything but the worker running: its address, the worker's work, and storing positions."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    wiring = replace(wiring, settings=replace(wiring.settings, public_url=url))
    app = create_app(wiring, ("web", "live"))
    answers_outside = watch_answers(app, wiring.contract)
    live = app.extensions["live"]
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]
    flusher = start_parts(app)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="server", daemon=True)
    thread.start()
    worker, sender = Worker(wiring), Sender(wiring)

    def work() -> None:
        worker.run_due()
        sender.turn()

    try:
        yield url, work, flusher.flush_now
        outside = [*answers_outside, *feed_faults(wiring.contract, wiring.database)]
        assert not outside, "outside the contract: " + "; ".join(outside[:10])
    finally:
        worker.stop()
        sender.stop()
        live.leave()
        live.stop()
        flusher.stop()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - Werkzeug's own name
        pass


class Town:
    """The people, the server and the clock of one story."""

    def __init__(
        self, wiring: Wiring, clock: FakeClock, url: str, work: Callable[[], object], settle: Callable[[], object]
    ) -> None:
        self.wiring = wiring
        self.clock = clock
        self.url = url
        self._work = work
        self._settle = settle
        self._numbers = itertools.count(1)
        self.outside: list[str] = []  # what the sockets said outside the contract
        self._people: list[Person] = []

    def rider(self, *, connected: bool = True) -> Rider:
        """A phone that has just been registered."""
        answer = requests.post(f"{self.url}/v1/devices", json={"platform": "android"}, timeout=30)
        answer.raise_for_status()
        return self._enter(Rider(self, answer.json()["access_token"]), connected)

    def team(self, distance_m: float | None = 200, *, on_duty: bool = True, connected: bool = True) -> TeamPhone:
        """A team of one agent, on duty at a distance from the Old Port (None: no position yet)."""
        number = next(self._numbers)
        with self.wiring.database.transaction() as session:
            team = Team(name=f"Patrouille {number}", call_sign=f"GAP {number}", created_at=self.clock.now())
            session.add(team)
            session.flush()
            team_id, call_sign = team.id, team.call_sign
        agent = TeamPhone(self, self._staff("agent", team_id))
        agent.team_id, agent.call_sign = str(team_id), call_sign
        if on_duty:
            agent.post("/v1/agent/shift")
        if on_duty and distance_m is not None:
            agent.stands(distance_m)
        return self._enter(agent, connected)

    def operator(self, role: str = "operator", *, connected: bool = True) -> Operator:
        """Somebody signed in to the control room."""
        return self._enter(Operator(self, self._staff(role)), connected)

    def driver(self, vehicle_number: str = "A-101", line_id: str | None = None, *, connected: bool = True) -> Driver:
        """A driver in service on a vehicle."""
        with self.wiring.database.transaction() as session:
            session.add(Vehicle(number=vehicle_number))
        driver = Driver(self, self._staff("driver"))
        driver.post(
            "/v1/driver/shift",
            {"vehicle_number": vehicle_number, "line_id": line_id} if line_id else {"vehicle_number": vehicle_number},
        )
        return self._enter(driver, connected)

    def wait(self, seconds: float) -> None:
        """Lets time pass second by second, and the worker do what becomes due in each."""
        whole, rest = divmod(seconds, 1)
        for step in [*([1.0] * int(whole)), rest]:
            if step:
                self.clock.advance(step)
                self.work()

    def work(self) -> None:
        """Lets the worker do everything that is due now."""
        self._work()

    def settle(self) -> None:
        """Stores the positions that a process keeps for up to a second."""
        self._settle()

    def leave(self) -> None:
        """Everybody closes their socket."""
        for person in self._people:
            person.disconnect()

    def _staff(self, role: str, team_id: uuid.UUID | None = None) -> str:
        number = next(self._numbers)
        now = self.clock.now()
        with self.wiring.database.transaction() as session:
            staff = Staff(
                login=f"{role}{number}",
                display_name=f"{role.title()} {number}",
                role=role,
                team_id=team_id,
                created_at=now,
            )
            session.add(staff)
            session.flush()
            return sessions.sign_in(session, staff.id, now, valid_hours=14).access_token

    def _enter(self, person: Somebody, connected: bool) -> Somebody:
        self._people.append(person)
        if connected:
            person.connect()
        return person
