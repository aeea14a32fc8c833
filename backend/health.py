"""Health: is this process alive, can it do its work, and what is wrong anywhere. No personal data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import structlog
from flask import Blueprint, Response, current_app, request
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from backend import schema
from backend.access import PUBLIC, allow
from backend.database import new_id
from backend.errors import Refused
from backend.heartbeats import beat
from backend.http import answer
from backend.metrics import Shown
from backend.watch import drill, figures
from backend.watch.findings import DATABASE_AWAY, DRILL_FAILED, DRILL_LATE, FEED_LAG, LIMITS, Figures, judge
from backend.wiring import Wiring

log = structlog.get_logger("health")
_TOLD = (*(name for name in Figures.__dataclass_fields__ if name.endswith("_s")), "quarantined")


class Health:
    """What can be said of one process and of what all of them share."""

    def __init__(self, wiring: Wiring, kind: str) -> None:
        self.wiring = wiring
        self.kind = kind
        self.process_id = new_id()
        self.head = schema.head()

    def readiness(self) -> tuple[dict[str, Any], bool]:
        """(what was found, whether this process can do its work).

        What other processes fail at is said as `degraded`: intake must not be taken out of service for it.
        """
        now = self.wiring.clock.now()
        try:
            with self.wiring.database.transaction() as session:
                beat(session, self.process_id, self.kind, now)
                seen = figures.look(session, now)
        except SQLAlchemyError as error:
            log.warning("database_trouble", kind=type(error).__name__)
            return {"status": "down", "database": "failed", "degraded": [DATABASE_AWAY]}, False
        degraded = list(dict.fromkeys(one.code for one in judge(seen)))
        is_current = schema.present_revision(self.wiring.database) == self.head
        if not is_current:
            degraded.append("schema")
        told = asdict(seen)
        found = {
            "database": "ok",
            "schema": "ok" if is_current else "behind",
            "feed_lag": self.feed_lag(),
            **{name: told[name] for name in _TOLD},
            "findings": [{"code": one.code, "subject": one.subject, "value": one.value} for one in judge(seen)],
        }
        live = current_app.extensions.get("live")
        if live is not None and live.figures()["blind_s"] > LIMITS.late_s:
            degraded = list(dict.fromkeys([*degraded, FEED_LAG]))
            return found | {"status": "down", "degraded": degraded}, False
        return found | {"status": "degraded" if degraded else "ready", "degraded": degraded}, True

    def feed_lag(self) -> int | None:
        """How many entries the sockets of this process have not heard yet; None where there are none."""
        live = current_app.extensions.get("live")
        return live.lag() if live is not None else None

    def canary(self) -> tuple[dict[str, Any], bool]:
        """(the last drill, whether the whole way was proved lately); true where no drills are wanted."""
        now = self.wiring.clock.now()
        with self.wiring.database.reading() as session:
            seen = figures.look(session, now)
            last = drill.last_run(session)
        told = asdict(seen.drill) | {"steps_ms": last.steps_ms if last is not None else {}}
        return told, not any(one.code in (DRILL_FAILED, DRILL_LATE) for one in judge(seen))


def create_routes(wiring: Wiring, kind: str, live: Any | None) -> Blueprint:
    """/livez, /readyz, /health/canary and /metrics."""
    routes = Blueprint("health", __name__)
    health = Health(wiring, kind)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Shown(wiring, live))

    @routes.get("/livez")
    @allow(PUBLIC)
    def livez() -> Response:
        return answer({"status": "alive", "process": kind})

    @routes.get("/readyz")
    @allow(PUBLIC)
    def readyz() -> Response:
        found, able = health.readiness()
        return answer(found, 200 if able else 503)

    @routes.get("/health/canary")
    @allow(PUBLIC)
    def canary() -> Response:
        found, proved = health.canary()
        return answer(found, 200 if proved else 503)

    @routes.get("/metrics")
    @allow(PUBLIC)
    def metrics() -> Response:
        if not wiring.settings.metrics_open and request.remote_addr not in ("127.0.0.1", "::1"):
            raise Refused("not_found")
        text = generate_latest(registry) + generate_latest(wiring.measures.registry)
        return Response(text, mimetype="text/plain")

    return routes
