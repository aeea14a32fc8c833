"""One experiment's stage: an installation, the crowd that lives on it, the push provider, and what was found."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg
import requests
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.alerts.lifecycle import OVER
from backend.alerts.models import Alert, Assignment
from backend.clock import SystemClock
from backend.database import new_id
from backend.delivery import registrations
from backend.people.roles import Caller, Role
from bench.installation import family
from bench.town import People, populate
from faults.crowd import CANARY, Crowd
from faults.installation import NAMES, SEEN_S, Installation, installed
from faults.invariants import Evidence, faults_of
from faults.invariants.clients import doubled
from faults.invariants.outside import Load, load_of, repeats
from faults.people import Agent, Raised
from faults.provider import Monitor, PushProvider
from faults.proxy import Proxy

TEAMS, RIDERS, OPERATORS = 30, 60, 3
PER_S = 3.0
PATIENCE_S = 60.0
"""A machine that is busy with something else is slow, not broken: only who waits so long waits for nothing."""
_CLOCK = SystemClock()
_IN_A_ROW = 5
_GOOD_S = 2.0
_TABLES = (
    "delivery_attempts", "received_texts", "alert_messages", "alert_positions", "log_entries", "assignments",
    "deliveries", "findings", "alerts",
)  # fmt: skip


@dataclass
class Found:
    """What an experiment has found."""

    faults: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    raised: int = 0
    lost: int = 0
    doubled: int = 0
    recovery_s: float | None = None
    took_s: float = 0.0


class Scene:
    """What an experiment may use. Everything it breaks is mended by `clear`, so that the next one finds it whole."""

    def __init__(self, here: Installation, provider: PushProvider, monitor: Monitor) -> None:
        self.here = here
        self.provider = provider
        self.monitor = monitor
        self.figures: dict[str, Any] = {}
        self.canaries: list[str] = []
        self.mistakes_meant = False
        self.struck_at: float | None = None
        self._wrong: list[str] = []
        self._proxies: list[Proxy] = []
        self._undo: list[Callable[[], None]] = []
        self._before: dict[str, Load] = {}
        self._log_from: dict[str, int] = {}
        self._pushes_from = 0
        people = populate(here.database, teams=TEAMS, riders=RIDERS, operators=OPERATORS)
        self.people = people
        self.crowd = Crowd(here.ports, people, self._register(people))
        provider.deliver = self.crowd.pushed

    # -- what an experiment does ----------------------------------------------------------------------------

    def load(self, per_s: float = PER_S) -> None:
        """Raises so many alerts a second from now on."""
        self.crowd.raise_alerts(per_s)

    def live_for(self, seconds: float) -> None:
        """Lets everything go on for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.crowd.must_be_well()
            time.sleep(0.05)

    def struck(self) -> None:
        """Says that the fault begins now: recovery is counted from here."""
        self.struck_at = time.monotonic()

    def wait(self, until: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> float:
        """The seconds until it holds; ends the experiment when it does not in time."""
        return self.crowd.wait(until, timeout_s, what)

    def must(self, holds: object, words: str) -> None:
        """Notes a broken promise when it does not hold."""
        if not holds:
            self._wrong.append(words)

    def figure(self, name: str, value: Any) -> None:
        """Keeps a figure for the report."""
        self.figures[name] = round(value, 2) if isinstance(value, float) else value

    def skip(self, why: str) -> None:
        """This machine lacks what the experiment needs: it says so, and proves nothing."""
        self.figures["not done"] = why

    def proxy(self, name: str) -> Proxy:
        """A proxy in front of a process, of "provider" or of "postgresql"; it is gone when the experiment is over."""
        ports = {**self.here.ports, "provider": self.provider.port, "postgresql": self.here.server.port}
        made = Proxy(ports[name])
        self._proxies.append(made)
        return made

    def afterwards(self, undo: Callable[[], None]) -> None:
        """Is called when the experiment is over, however it ends; last first."""
        self._undo.append(undo)

    @contextlib.contextmanager
    def sql(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of the database's owner, each statement by itself."""
        address = f"host=127.0.0.1 port={self.here.server.port} user=vigie dbname=bench application_name=experiment"
        with psycopg.connect(address, autocommit=True) as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A look into the database."""
        with self.here.database.reading() as session:
            yield session

    def alert(self, alert_id: str) -> Alert | None:
        """One alert as it is stored."""
        with self.reading() as session:
            return session.get(Alert, uuid.UUID(alert_id))

    def ask(self, method: str, path: str, token: str, body: Any = None, *, name: str = "web1") -> requests.Response:
        """One request to one web process, by hand; nothing is tried again."""
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(
            method, f"http://127.0.0.1:{self.here.ports[name]}{path}", json=body, headers=headers, timeout=20
        )

    def alert_at(self, agent: Agent, **more: Any) -> str:
        """An alert at the very place of one team: it is the nearest, and asked first."""
        latitude, longitude = agent.place
        place = {"latitude": latitude, "longitude": longitude, "accuracy_m": 8, "provider": "gnss"}
        return self.crowd.raise_one(position=place, **more)

    def restart(self, name: str, **env: str) -> None:
        """Ends one process politely and starts it with these in its environment; afterwards it is as it was."""
        self.here.terminate(name)
        self.here.env_of[name] = env
        self.here.start(name)
        if env:
            self.afterwards(lambda: self.restart(name))

    # -- around an experiment -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Notes how things are before anything is broken."""
        self._before = self._loads()
        self._log_from = {name: len(self.here.log(name)) for name in self.here.names}
        self._pushes_from = len(self.provider.log)

    def come_to_rest(self, patience_s: float = PATIENCE_S) -> None:
        """Raises nothing more, and waits until every alert is over; what is left is closed by the control room."""
        self.crowd.raise_alerts(0)
        raised = self.crowd.raised
        self._settle(lambda: all(one.answered for one in raised.values()), patience_s)
        self._settle(lambda: not self._open(), patience_s)
        left = self._open()
        if left:
            self.figure("closed by hand", len(left))
            silent = [one for one in left if one in raised and not (raised[one].heard or raised[one].called)]
            self.must(not silent, f"{len(silent)} alerts of which nobody had heard when all had come to rest")
            for alert_id in left:
                self.crowd.loop.hand(partial(self.crowd.control[0].do, alert_id, "close", {"closing_code": "drill"}))
            self._settle(lambda: not self._open(), patience_s)

    def judge(self, found: Found, patience_s: float = 20) -> None:
        """Writes down all that is wrong once things have had a moment to come to rest."""
        until = time.monotonic() + patience_s
        while True:
            with self.reading() as session:
                found.faults = [*self._wrong, *faults_of(session, self._evidence(), _CLOCK.now())]
            if not found.faults or time.monotonic() > until:
                break
            time.sleep(0.3)
        with self.reading() as session:
            found.doubled = len(list(doubled(session.scalars(select(Assignment)).all())))
            found.lost = len(self._lost(session))
        if found.lost:
            found.faults.append(f"promise 1: {found.lost} alerts are lost or silent")
        found.raised = len(self.crowd.raised)
        found.recovery_s = self._recovery_s()
        again = repeats(self.provider.log[self._pushes_from :])
        if again:
            self.figure("pushed again", again)
        unheard = sum(1 for one in self.crowd.raised.values() if not one.heard)
        if unheard:
            self.figure("heard by no team", unheard)
        heard = [one.heard - one.at for one in self.crowd.raised.values() if one.heard]
        if heard:
            self.figure("longest way s", max(heard))
        found.figures = dict(self.figures)

    def clear(self) -> None:
        """Mends what was broken and forgets what happened; the next experiment begins with an empty register."""
        self.crowd.raise_alerts(0)
        self.crowd.mend()
        for proxy in self._proxies:
            proxy.heal()
            proxy.cut()
        while self._undo:
            with contextlib.suppress(psycopg.Error, OSError):
                self._undo.pop()()
        self.here.start_server()
        self.here.disarm()
        self.provider.forget_script()
        for name, process in self.here.processes.items():
            if process.poll() is None:
                self.here.thaw(name)
        self.here.start(*(name for name in self.here.names if not self.here.alive(name)))
        for proxy in self._proxies:
            proxy.close()
        self._settle(lambda: all(one.connected for one in (*self.crowd.agents, *self.crowd.control)), 15)
        self._empty()
        self.crowd.forget()
        self.figures, self.canaries, self.struck_at, self.mistakes_meant = {}, [], None, False
        self._wrong, self._proxies = [], []

    def close(self) -> None:
        """Ends the crowd."""
        self.crowd.close()

    def _register(self, people: People) -> dict[uuid.UUID, str]:
        found, now = {}, _CLOCK.now()
        with self.here.database.transaction() as session:
            for number, (staff_id, team_id, *_) in enumerate(people.agents):
                address = f"phone-{number}-{uuid.uuid4()}"
                given = registrations.Given("fcm", "fcm_token", address)
                registrations.register(session, new_id(), Caller(Role.AGENT, staff_id, team_id=team_id), given, now)
                found[staff_id] = address
        return found

    def _settle(self, until: Callable[[], bool], timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            self.crowd.wait(until, timeout_s, "rest")

    def _open(self) -> list[str]:
        time.sleep(0.1)
        with self.reading() as session:
            query = select(Alert.id).where(Alert.state.not_in(OVER), Alert.drill.is_(False))
            return [str(one) for one in session.scalars(query)]

    def _lost(self, session: Session) -> list[Raised]:
        rows = {str(one.id): one for one in session.scalars(select(Alert))}
        answered = self.crowd.history.keys("raise", ("ok",))
        found = []
        for alert_id in answered:
            seen, row = self.crowd.raised[alert_id], rows.get(alert_id)
            if row is None or not (seen.heard or seen.called or row.needs_human_since or row.closing_code):
                found.append(seen)
        return found

    def _recovery_s(self) -> float | None:
        if self.struck_at is None:
            return None
        after = sorted((one for one in self.crowd.raised.values() if one.at > self.struck_at), key=lambda one: one.at)
        row: list[Raised] = []
        for one in after:
            row = [*row, one] if one.heard and one.heard - one.at < _GOOD_S else []
            if len(row) == min(_IN_A_ROW, len(after)):
                return row[0].heard - self.struck_at
        return None

    def _evidence(self) -> Evidence:
        crowd = self.crowd
        texts = {name: self.here.log(name)[self._log_from.get(name, 0) :] for name in self.here.names}
        return Evidence(
            crowd.history, [one.log for one in crowd.control], crowd.winners,
            self.provider.log[self._pushes_from :], texts,
            [CANARY, *crowd.riders[:5], *(one[2] for one in self.people.agents[:5]), *self.canaries],
            self._before, self._loads(), SEEN_S, self.mistakes_meant,
        )  # fmt: skip

    def _loads(self) -> dict[str, Load]:
        return {name: load_of(family(process.pid)) for name, process in self.here.processes.items()}

    def _empty(self) -> None:
        last: Exception | None = None
        for _ in range(10):
            try:
                with self.sql() as connection, connection.transaction():
                    for table in _TABLES:
                        connection.execute(f"DELETE FROM {table}")
                    connection.execute("DELETE FROM feed_entries WHERE seq < (SELECT max(seq) FROM feed_entries)")
            except psycopg.Error as error:  # a worker held a row: once more
                last = error
                time.sleep(0.5)
            else:
                return
        raise RuntimeError(f"the register cannot be emptied: {last}") from last


@contextlib.contextmanager
def staged(names: tuple[str, ...] = NAMES, env: dict[str, str] | None = None) -> Iterator[Scene]:
    """A scene on a fresh installation with everybody connected."""
    with contextlib.ExitStack() as stack:
        provider, monitor = stack.enter_context(PushProvider()), stack.enter_context(Monitor())
        here = stack.enter_context(installed(names))
        here.env = {
            "VIGIE_FCM_CREDENTIALS": provider.credentials(here.folder),
            "VIGIE_FCM_URL": provider.fcm_url,
            "VIGIE_DEAD_MAN_URL": monitor.url,
            "VIGIE_DEAD_MAN_EVERY_S": "5",
        } | (env or {})
        scene = Scene(here, provider, monitor)
        stack.callback(scene.close)
        here.start(*here.names)
        scene.crowd.connect()
        scene.load(PER_S)
        scene.live_for(2)
        scene.come_to_rest()
        scene.clear()
        yield scene
