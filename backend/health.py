"""Health: is this process alive, can it do its work, and what is late anywhere. No personal data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import structlog
from flask import Blueprint, Response, current_app, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend import schema
from backend.access import PUBLIC, allow
from backend.alerts.lifecycle import OVER, WAITING
from backend.alerts.models import Alert
from backend.database import new_id
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.heartbeats import beat, silence_s
from backend.http import answer
from backend.night_stops.models import NightStopRequest
from backend.people.models import TeamPosition
from backend.wiring import Wiring

log = structlog.get_logger("health")
LATE_S = 5.0


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
        moment = self.wiring.clock.now()
        found: dict[str, Any] = {"database": "ok"}
        try:
            with self.wiring.database.transaction() as session:
                beat(session, self.process_id, self.kind, moment)
                found |= late_things(session, moment)
        except SQLAlchemyError as error:
            log.warning("database_trouble", kind=type(error).__name__)
            return {"status": "down", "database": "failed", "degraded": ["database"]}, False
        found["feed_lag"] = self.feed_lag()
        found["schema"] = "ok" if schema.present_revision(self.wiring.database) == self.head else "behind"
        late = ("oldest_overdue_round_s", "oldest_overdue_night_stop_s", "oldest_unsent_delivery_s", "feed_lag_s")
        degraded = [name for name in late if (found.get(name) or 0) > LATE_S]
        if found["worker_silence_s"] is None or found["worker_silence_s"] > LATE_S:
            degraded.append("worker_silence_s")
        if found["schema"] != "ok":
            degraded.append("schema")
        live = current_app.extensions.get("live")
        if live is not None and live.figures()["blind_s"] > LATE_S:
            degraded.append("feed_lag")
            return found | {"status": "down", "degraded": degraded}, False
        return found | {"status": "degraded" if degraded else "ready", "degraded": degraded}, True

    def feed_lag(self) -> int | None:
        """How many entries the sockets of this process have not heard yet; None where there are none."""
        live = current_app.extensions.get("live")
        return live.lag() if live is not None else None


def late_things(session: Session, now: datetime) -> dict[str, float | None]:
    """Seconds by which the oldest round, delivery and worker heartbeat are late."""
    overdue = session.scalar(
        select(func.min(Alert.next_round_at)).where(Alert.next_round_at <= now, Alert.state.in_(WAITING))
    )
    late_stop = session.scalar(select(func.min(NightStopRequest.due_at)).where(NightStopRequest.due_at <= now))
    unsent = session.scalar(
        select(func.min(Delivery.created_at)).where(Delivery.received_at.is_(None), Delivery.settled_at.is_(None))
    )
    return {
        "oldest_overdue_round_s": _age(overdue, now),
        "oldest_overdue_night_stop_s": _age(late_stop, now),
        "oldest_unsent_delivery_s": _age(unsent, now),
        "worker_silence_s": silence_s(session, "worker", now),
    }


def _age(at: datetime | None, now: datetime) -> float:
    return round(max(0.0, (now - at).total_seconds()), 3) if at is not None else 0.0


class Figures:
    """What /metrics shows, read afresh at each scrape."""

    def __init__(self, wiring: Wiring, live: Any | None) -> None:
        self.wiring = wiring
        self.live = live

    def collect(self) -> Iterable[Metric]:
        """Gauges of alerts, lateness, positions and sockets."""
        moment = self.wiring.clock.now()
        try:
            with self.wiring.database.reading() as session:
                yield from self._of_database(session, moment)
        except SQLAlchemyError:
            yield GaugeMetricFamily("vigie_database_up", "1 when the database answers", value=0)
        yield GaugeMetricFamily(
            "vigie_positions_accepted", "Fixes taken by this process", value=self.wiring.positions.accepted
        )
        refused = GaugeMetricFamily("vigie_positions_refused", "Fixes refused by this process", labels=["code"])
        for code, count in self.wiring.positions.refused.items():
            refused.add_metric([code], count)
        yield refused
        if self.live is not None:
            yield from self._of_sockets(self.live.figures())

    def _of_database(self, session: Session, moment: datetime) -> Iterable[Metric]:
        yield GaugeMetricFamily("vigie_database_up", "1 when the database answers", value=1)
        by_state = GaugeMetricFamily("vigie_alerts", "Alerts that are not over", labels=["state", "exercise"])
        for state, exercise, count in session.execute(
            select(Alert.state, Alert.exercise, func.count())
            .where(Alert.state.not_in(OVER))
            .group_by(Alert.state, Alert.exercise)
        ):
            by_state.add_metric([state, str(exercise).lower()], count)
        yield by_state
        for name, words, condition in (
            ("vigie_alerts_unseen", "Live alerts that nobody has seen", Alert.seen_at.is_(None)),
            ("vigie_alerts_need_human", "Live alerts for which a person is called", Alert.needs_human),
        ):
            found = session.scalar(select(func.count()).select_from(Alert).where(Alert.state.not_in(OVER), condition))
            yield GaugeMetricFamily(name, words, value=found or 0)
        late = late_things(session, moment)
        for name, seconds in late.items():
            yield GaugeMetricFamily(
                f"vigie_{name.removesuffix('_s')}_seconds",
                f"{name} across all processes",
                value=-1 if seconds is None else seconds,
            )
        yield GaugeMetricFamily(
            "vigie_teams_placed",
            "Teams on duty with a position",
            value=session.scalar(select(func.count()).select_from(TeamPosition)) or 0,
        )

    def _of_sockets(self, figures: dict[str, Any]) -> Iterable[Metric]:
        sockets = GaugeMetricFamily("vigie_sockets", "Signed-in sockets of this process", labels=["role"])
        for role, count in figures["sockets"].items():
            sockets.add_metric([role], count)
        yield sockets
        for name in ("connections", "emitted", "last_seq", "lag", "blind_s"):
            yield GaugeMetricFamily(f"vigie_live_{name}", f"{name} of this live process", value=figures[name])


def create_routes(wiring: Wiring, kind: str, live: Any | None) -> Blueprint:
    """/livez, /readyz and /metrics."""
    routes = Blueprint("health", __name__)
    health = Health(wiring, kind)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(wiring, live))

    @routes.get("/livez")
    @allow(PUBLIC)
    def livez() -> Response:
        return answer({"status": "alive", "process": kind})

    @routes.get("/readyz")
    @allow(PUBLIC)
    def readyz() -> Response:
        found, able = health.readiness()
        return answer(found, 200 if able else 503)

    @routes.get("/metrics")
    @allow(PUBLIC)
    def metrics() -> Response:
        if not wiring.settings.metrics_open and request.remote_addr not in ("127.0.0.1", "::1"):
            raise Refused("not_found")
        return Response(generate_latest(registry), mimetype="text/plain")

    return routes
