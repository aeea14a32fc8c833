"""Runs drills: a phone that raises an alert over HTTP and an agent's phone that answers it on a real socket.

They know Vigie only by its public addresses, through whatever stands in front of it, as everybody's phones do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests
import socketio
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.database import new_id
from backend.watch import certificates, drill, leases
from backend.watch.drill import Prepared
from backend.wiring import Wiring

log = structlog.get_logger("drill")
LEASE = "drill"
LEASE_S = 30.0
LOOK_S = 1.0
WRITES = 5
TAKES_S = drill.TAKES.total_seconds()
_NAMESPACE = "/agent"


class Failed(Exception):
    """A step that did not happen in time, or was refused."""


class DrillRunner:
    """Begins a drill when one is due, one at a time over all workers, until it is stopped."""

    def __init__(self, wiring: Wiring, *, takes_s: float = TAKES_S) -> None:
        self.id = new_id()
        self._wiring = wiring
        self._takes_s = takes_s
        self._stopped = threading.Event()

    def run(self) -> None:
        """Works until `stop`."""
        while not self._stopped.wait(LOOK_S):
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 - the next drill must come; that this one did not is found
                log.warning("drill_trouble", kind=type(error).__name__)

    def stop(self) -> None:
        """Ends after the drill in hand."""
        self._stopped.set()

    def turn(self) -> bool | None:
        """Whether the drill that was due came through; None when none was, or another worker runs it."""
        prepared = self._begin()
        if prepared is None:
            return None
        walk = _Walk(self._wiring, prepared, self._takes_s, self._stopped)
        failed_step, settings = walk.go(), self._wiring.settings
        if failed_step is not None and self._stopped.is_set():
            self._write(lambda session, now: drill.discard(session, prepared.run_id, prepared.alert_id, now))
            return None
        days = certificates.shortest((settings.public_url, settings.live_url), self._wiring.clock.now())
        self._write(
            lambda session, now: drill.finish(
                session, prepared.run_id, prepared.alert_id, now, failed_step=failed_step, steps_ms=walk.steps_ms,
                certificate_days=days,
            )
        )  # fmt: skip
        log.info("drill", ok=failed_step is None, failed_step=failed_step, reached_ms=walk.steps_ms.get("reached"))
        return failed_step is None

    def _write(self, end: Callable[[Session, datetime], object]) -> None:
        # A database that was away for a moment is no reason to say that the way is not open.
        for left in reversed(range(WRITES)):
            try:
                with self._wiring.database.transaction() as session:
                    end(session, self._wiring.clock.now())
                    leases.let_go(session, LEASE, self.id)
            except SQLAlchemyError:
                if not left or self._stopped.wait(LOOK_S):
                    raise
            else:
                return

    def _begin(self) -> Prepared | None:
        now, every_s = self._wiring.clock.now(), self._wiring.settings.drill_every_s
        with self._wiring.database.reading() as session:
            if not drill.is_due(session, every_s, now):
                return None
        with self._wiring.database.transaction() as session:
            if not leases.hold(session, LEASE, self.id, now, LEASE_S) or not drill.is_due(session, every_s, now):
                return None
            return drill.prepare(session, now)


class _Walk:
    """One drill on its way: each step with the milliseconds that it took."""

    def __init__(self, wiring: Wiring, prepared: Prepared, takes_s: float, stopped: threading.Event) -> None:
        self.steps_ms: dict[str, int] = {}
        self._settings = wiring.settings
        self._prepared = prepared
        self._stopped = stopped
        self._until = time.monotonic() + takes_s
        self._step = "connected"
        self._news = threading.Condition()
        self._heard: list[tuple[str, Any]] = []
        # As an app and not as a page: an Origin of its own would be refused where the sockets have another address.
        self._client = socketio.Client(
            reconnection=False, handle_sigint=False, websocket_extra_options={"suppress_origin": True}
        )
        self._client.on("*", self._hear, namespace=_NAMESPACE)

    def go(self) -> str | None:
        """The step at which it failed; None when it went the whole way."""
        try:
            self._do("connected", self._connect)
            began = time.monotonic()
            self._do("raised", self._raise_alert)
            assignment = self._do("offered", self._wait_for_offer)
            self._do("received", lambda: self._say("received", {"delivery_id": assignment["delivery_id"]}))
            # What a rider in danger would have waited until a phone had her alert.
            self.steps_ms["reached"] = round((time.monotonic() - began) * 1000)
            mine = {"assignment_id": assignment["id"]}
            self._do("accepted", lambda: self._say("assignment.accept", mine))
            self._do("cleared", lambda: self._say("assignment.clear", mine | {"outcome": "drill"}))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the finding that this drill is for
            log.warning("drill_failed", step=self._step, kind=type(error).__name__)
            return self._step
        finally:
            self._client.disconnect()
        return None

    def _do(self, step: str, act: Callable[[], Any]) -> Any:
        self._step, began = step, time.monotonic()
        result = act()
        self.steps_ms[step] = round((time.monotonic() - began) * 1000)
        return result

    def _left_s(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0 or self._stopped.is_set():
            raise Failed(self._step)
        return left

    def _connect(self) -> None:
        self._client.connect(
            self._settings.live_url or self._settings.public_url,
            auth={"token": self._prepared.agent_token}, namespaces=[_NAMESPACE], transports=["websocket"],
            wait_timeout=self._left_s(),
        )  # fmt: skip
        self._wait_for("welcome", lambda _: True)  # only now is it in its team's room

    def _raise_alert(self) -> None:
        place = {"latitude": self._prepared.place.latitude, "longitude": self._prepared.place.longitude}
        url = f"{self._settings.public_url.rstrip('/')}/v1/alerts/{self._prepared.alert_id}"
        body = {"category": "other", "exercise": True, "position": place | {"accuracy_m": 5}}
        with requests.Session() as phone:
            phone.trust_env = False  # as a phone: no proxy of this machine between here and the front door
            answer = phone.put(url, json=body, headers={"Authorization": f"Bearer {self._prepared.device_token}"},
                               timeout=min(5.0, self._left_s()))  # fmt: skip
        if answer.status_code not in (200, 201):
            raise Failed(f"status {answer.status_code}")

    def _wait_for_offer(self) -> Any:
        wanted = str(self._prepared.alert_id)
        return self._wait_for("assignment.offered", lambda data: data["assignment"]["alert"]["id"] == wanted)[
            "assignment"
        ]

    def _say(self, event: str, data: dict[str, Any]) -> None:
        ack = self._client.call(event, data, namespace=_NAMESPACE, timeout=min(5.0, self._left_s()))
        if not isinstance(ack, dict) or ack.get("ok") is not True:
            raise Failed(event)

    def _wait_for(self, kind: str, where: Callable[[Any], bool]) -> Any:
        with self._news:
            while True:
                for heard, data in self._heard:
                    if heard == kind and where(data):
                        return data
                self._news.wait(min(1.0, self._left_s()))

    def _hear(self, kind: str, *data: Any) -> None:
        with self._news:
            self._heard.append((kind, data[0] if data else None))
            self._news.notify_all()
