"""A live process of one's own, with real sockets on a real port, and two kinds of phone: the official client and bare bytes."""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import socketio
import websocket
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from backend import feed
from backend.clock import Clock
from backend.database import Database
from backend.live import Live, create_socketio
from backend.people import sessions
from backend.people.models import Staff, Team
from backend.settings import Settings
from backend.socket_engine import Timing
from backend.wiring import Wiring, wire
from tests.fakes import FakeClock
from tests.postgres import free_port

Json = dict[str, Any]
QUICK = Timing(ping_every_s=0.4, pong_within_s=0.4, authenticate_within_s=0.3, leave_within_s=0.5, tick_s=0.05)


class _Quiet(WSGIRequestHandler):
    def log(self, *_arguments: object) -> None:
        pass


class Phone:
    """The official Python client, which remembers what it heard."""

    def __init__(self, url: str, namespace: str, token: str, **auth: str) -> None:
        self.namespace = namespace
        self.heard: list[tuple[str, Any]] = []
        self.refusal: Any = None
        self._news = threading.Condition()
        self.client = socketio.Client(reconnection=False)
        trigger = self.client.eio._trigger_event
        # The stock client starts a thread per event, and threads overtake each other.
        self.client.eio._trigger_event = lambda *what, **how: trigger(*what, **how | {"run_async": False})
        self.client.on("*", self._hear, namespace=namespace)
        self.client.on("connect_error", self._refuse, namespace=namespace)
        self.client.on("disconnect", lambda *_: self._hear("disconnect"), namespace=namespace)
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            self.client.connect(
                url, auth={"token": token, **auth}, namespaces=[namespace], transports=["websocket"], wait_timeout=5
            )

    def tell(self, event: str, data: Any = None) -> Json:
        """The acknowledgement of an event."""
        answer: Json = self.client.call(event, {} if data is None else data, namespace=self.namespace, timeout=5)
        return answer

    def hears(self, kind: str, timeout: float = 5, where: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first event of this kind, now or soon."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for heard, data in self.heard:
                    if heard == kind and where(data):
                        return data
                left = deadline - time.monotonic()
                assert left > 0, f"did not hear {kind}, only {[heard for heard, _ in self.heard]}"
                self._news.wait(left)

    def all_heard(self, kind: str) -> list[Any]:
        """Every event of this kind so far."""
        return [data for heard, data in list(self.heard) if heard == kind]

    def close(self) -> None:
        """Hangs up, also where the server did so first."""
        self.client.disconnect()
        wire_of_client = getattr(self.client.eio, "ws", None)
        if wire_of_client is not None:
            wire_of_client.shutdown()

    def _hear(self, kind: str, *data: Any) -> None:
        with self._news:
            self.heard.append((kind, data[0] if data else None))
            self._news.notify_all()

    def _refuse(self, data: Any) -> None:
        self.refusal = data


class Bare:
    """A WebSocket without any Socket.IO library: what a hostile or homemade client can send."""

    def __init__(self, url: str, *, origin: str | None = None, headers: list[str] | None = None) -> None:
        address = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
        self.ws = websocket.create_connection(
            address,
            timeout=5,
            origin=origin,
            suppress_origin=origin is None,
            header=headers or [],
            skip_utf8_validation=True,
        )
        self.opened: Json = json.loads(self.text()[1:])

    def text(self) -> str:
        """The next text frame, pings left out and answered."""
        while True:
            frame = self.ws.recv_frame()
            if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
                raise Closed(int.from_bytes(frame.data[:2], "big"), frame.data[2:].decode())
            text = frame.data.decode()
            if text != "2":
                return text
            self.ws.send("3")

    def sign_in(self, namespace: str, token: str) -> None:
        """Signs in and waits for the welcome."""
        self.ws.send(f"40{namespace},{json.dumps({'token': token})}")
        assert self.text().startswith(f"40{namespace}")
        assert self.text().startswith(f'42{namespace},["welcome"')

    def ack(self, packet: str, namespace: str, number: int = 7) -> Json:
        """The acknowledgement of one event packet, given without type, namespace and number."""
        self.ws.send(f"42{namespace},{number}{packet}")
        while True:
            text = self.text()
            if text.startswith(f"43{namespace},{number}"):
                answer: Json = json.loads(text[len(f"43{namespace},{number}") :])[0]
                return answer

    def closing(self) -> "Closed":
        """How the server ended this connection."""
        deadline = time.monotonic() + 10
        try:
            while time.monotonic() < deadline:
                self.text()
        except Closed as closed:
            return closed
        except (websocket.WebSocketException, OSError):
            return Closed(1006, "no close frame")
        return Closed(0, "still open")


class Closed(Exception):
    """The server closed, with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class LiveServer:
    """One live process in threads, on a database that the test gives."""

    def __init__(self, database_url: str, clock: Clock, timing: Timing | None = None, **settings: Any) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.wiring: Wiring = wire(
            Settings(environment="test", database_url=database_url, public_url=self.url, **settings), clock
        )
        self.clock = clock
        self.app = Flask("live")
        self.live = Live(self.wiring, create_socketio(self.wiring, "threading", timing=timing))
        self.live.attach(self.app)
        self._http = make_server("127.0.0.1", self.port, self.app, threaded=True, request_handler=_Quiet)
        self._phones: list[Phone | Bare] = []

    @property
    def database(self) -> Database:
        """Its database."""
        return self.wiring.database

    @contextlib.contextmanager
    def running(self) -> Iterator["LiveServer"]:
        """Serves for as long as the block lasts."""
        self.live.start()
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            assert self.live.tail.ready.wait(5)
            yield self
        finally:
            for phone in self._phones:
                with contextlib.suppress(Exception):
                    phone.ws.close() if isinstance(phone, Bare) else phone.close()
            self.live.leave()
            self._http.shutdown()
            self.live.stop()
            self._http.server_close()
            self.wiring.database.dispose()

    def phone(self, namespace: str, token: str, **auth: str) -> Phone:
        """A phone with the official client."""
        phone = Phone(self.url, namespace, token, **auth)
        self._phones.append(phone)
        return phone

    def bare(self, **options: Any) -> Bare:
        """A bare connection, not signed in."""
        bare = Bare(self.url, **options)
        self._phones.append(bare)
        return bare

    def put(self, audience: str, kind: str, data: Json) -> None:
        """Commits one feed entry."""
        with self.database.transaction() as session:
            feed.put(session, audience, kind, data, self.clock.now())

    def rider(self) -> tuple[uuid.UUID, str]:
        """(id, token) of a new phone."""
        with self.database.transaction() as session:
            made = sessions.register_device(session, "android", self.clock.now(), valid_days=30)
        return made.id, made.access_token

    def staff(self, role: str) -> tuple[Staff, str]:
        """(person, token) of somebody just signed in; agents have a team of their own."""
        name = uuid.uuid4().hex[:12]
        with self.database.transaction() as session:
            team = Team(name=name, call_sign=name, created_at=self.clock.now()) if role == "agent" else None
            if team is not None:
                session.add(team)
                session.flush()
            person = Staff(
                login=name,
                display_name=name,
                role=role,
                created_at=self.clock.now(),
                team_id=team.id if team is not None else None,
            )
            session.add(person)
            session.flush()
            return person, sessions.sign_in(session, person.id, self.clock.now(), valid_hours=14).access_token


def eventually(true: Callable[[], bool], timeout: float = 5, what: str = "it") -> None:
    """Waits until something holds, and fails when it never does."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.02)


__all__ = ["QUICK", "Bare", "Closed", "FakeClock", "LiveServer", "Phone", "eventually"]
